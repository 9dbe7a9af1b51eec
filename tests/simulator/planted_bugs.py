"""Bugs, each planted while its context lasts: the simulator must find each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from simulator.executor import SimulatedExecutor
from simulator.fixed_bugs import FIXED_BUGS
from simulator.memory import MemoryJournal, MemoryTrialFolders
from simulator.node_bugs import NODE_BUGS
from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.placement.gpus import Loads
from tuitune.core.pruning import halving
from tuitune.core.pruning.halving import Halving
from tuitune.core.pruning.median import Median
from tuitune.core.reasons import Extended
from tuitune.core.study import (
    State,
    Study,
    attempts,
    checkpoints,
    decide,
    evolve,
    launching,
    leaving,
    machine,
    pausing,
    ranking,
    slots,
)
from tuitune.core.study.lifecycle import move
from tuitune.core.study.state import Rooms
from tuitune.engine import follow_up
from tuitune.engine.engine import Engine
from tuitune.engine.follow_up import CheckpointCleanup, JournalSync


@contextmanager
def lost_report() -> Iterator[None]:
    """One report in eight never gets into the journal."""
    write = MemoryJournal.write
    count = 0

    def forgetful(self: MemoryJournal, facts: Any, rows: Any, study: Any) -> None:
        nonlocal count
        kept = []
        for fact in facts:
            count += isinstance(fact, ev.Reported)
            if not (isinstance(fact, ev.Reported) and count % 8 == 0):
                kept.append(fact)
        write(self, kept, rows, study)

    with patch.object(MemoryJournal, "write", forgetful):
        yield


@contextmanager
def doubled_attempt() -> Iterator[None]:
    """A launch is carried out twice."""
    launch = Engine._launch

    def twice(self: Engine, fact: ev.Launch) -> None:
        launch(self, fact)
        if fact.trial == 2:
            launch(self, fact)

    with patch.object(Engine, "_launch", twice):
        yield


@contextmanager
def rung_filled_late() -> Iterator[None]:
    """Some trials fill a rung with their next report in place of the first one past it."""
    enter = Halving.enter
    skipped: set[tuple[int, int]] = set()

    def late(self: Any, state: Any, trial: int, step: int, *rest: Any) -> None:
        key = id(state), trial
        if trial % 3 == 1 and rest[-1] == "go" and key not in skipped:
            skipped.add(key)
            return
        enter(self, state, trial, step, *rest)

    with patch.object(Halving, "enter", late):
        yield


@contextmanager
def promotion_too_many() -> Iterator[None]:
    """A rung sends on one more than its best floor(n / reduction)."""
    sent_on = halving.sent_on
    with patch.object(halving, "sent_on", lambda n, reduction: min(n, sent_on(n, reduction) + 1)):
        yield


@contextmanager
def nothing_trained_to_the_end() -> Iterator[None]:
    """A study whose rungs sent nobody to the end is over all the same."""
    with patch.object(Halving, "last_resort", lambda *_: None):
        yield


@contextmanager
def another_one_trained_to_the_end() -> Iterator[None]:
    """Where the rungs sent nobody to the end, some other than the best goes on."""
    best = Halving.last_resort

    def other(self: Any, state: Any, available: Any) -> Any:
        found = best(self, state, available)
        others = [n for n in available if n != found.trial]
        return best(self, state, others) or found

    with patch.object(Halving, "last_resort", other):
        yield


@contextmanager
def forgotten_trial() -> Iterator[None]:
    """A trial that is to run again is on no list."""

    def forget(state: State, trial: Any) -> None:
        move(trial, TrialState.WAITING)
        state.promotable.pop(trial.number, None)

    with patch.object(pausing, "wait", forget):
        yield


@contextmanager
def device_promised_twice() -> Iterator[None]:
    """What runs is not taken off what there is."""
    most = slots.most_at_once
    with (
        patch.object(slots, "place", lambda *_: "host"),
        patch.object(slots, "most_at_once", lambda *given: most(*given) + 1),
    ):
        yield


@contextmanager
def retry_too_many() -> Iterator[None]:
    """A trial that has used up its retries gets one more."""
    crashed = attempts._crashed

    def lenient(state: State, trial: Any, exit_: Any, error: str) -> ev.Settled:
        settled = crashed(state, trial, exit_, error)
        allowed = state.settings.retries if state.settings else 0
        if settled.state == TrialState.FAILED and trial.crashes == allowed:
            return msgspec.structs.replace(
                settled, state=TrialState.PAUSED if trial.paused_by_user else TrialState.WAITING
            )
        return settled

    with patch.object(attempts, "_crashed", lenient):
        yield


@contextmanager
def verdict_redecided_otherwise() -> Iterator[None]:
    """A verdict hangs on something that the journal doesn't know."""
    count = 0

    def whimsical(judge: Any) -> Any:
        def judged(*given: Any) -> Any:
            nonlocal count
            count += 1
            judgement = judge(*given)
            return judgement and msgspec.structs.replace(
                judgement, why=Extended(judgement.why, f" ({count})")
            )

        return judged

    with (
        patch.object(Halving, "judge", whimsical(Halving.judge)),
        patch.object(Median, "judge", whimsical(Median.judge)),
    ):
        yield


@contextmanager
def dead_attempt_heard() -> Iterator[None]:
    """What a trial says after it was told to leave still counts."""
    with patch.object(ranking, "listens", lambda trial, _attempt: trial.is_live()):
        yield


@contextmanager
def deed_before_word() -> Iterator[None]:
    """Verdicts are answered before they are in the store."""
    commit = Engine.commit

    def hasty(self: Engine) -> None:
        for fact in self._pending:
            if isinstance(fact, ev.Verdict):
                self._act(fact)
        commit(self)

    with patch.object(Engine, "commit", hasty):
        yield


@contextmanager
def snapshot_with_a_hole() -> Iterator[None]:
    """A snapshot forgets which trials a hand has paused."""
    snapshot = Study.snapshot

    def leaky(self: Study) -> bytes:
        state = msgspec.msgpack.decode(snapshot(self), type=State)
        for trial in state.trials:
            trial.paused_by_user = False
        return msgspec.msgpack.encode(state)

    with patch.object(Study, "snapshot", leaky):
        yield


@contextmanager
def held_one_promoted() -> Iterator[None]:
    """A trial that a hand has paused stays among those that a free slot may send on."""
    pause_asked = evolve._FOLDS[ev.PauseAsked]

    def careless(spec: Any, state: State, fact: ev.PauseAsked) -> None:
        waiting = dict(state.promotable)
        pause_asked(spec, state, fact)
        state.promotable.update(waiting)

    with patch.dict(evolve._FOLDS, {ev.PauseAsked: careless}):
        yield


@contextmanager
def verdict_overruled_by_a_stop() -> Iterator[None]:
    """Stopping a study at once makes trials that were pruned run again."""

    def halt(_spec: Any, state: State, fact: ev.Halted) -> list[ev.Signal]:
        how = "kill" if fact.now else "ask"
        live = [state.trials[number] for number in state.running]
        return [
            ev.Signal(fact.time, t.number, t.attempt, how, "drain", save=False)
            for t in live
            if not t.at_maximum
        ] or launching.fill(_spec, state, fact)

    with patch.dict(decide._RULES, {ev.Halted: halt}):
        yield


@contextmanager
def failure_not_counted() -> Iterator[None]:
    """A trial that fails doesn't count as worst in its next rung."""
    with patch.object(Halving, "fail", lambda *_: None):
        yield


@contextmanager
def exit_told_twice() -> Iterator[None]:
    """The executor tells of an exit once more."""
    arrive = SimulatedExecutor._arrive

    def stutter(self: SimulatedExecutor, key: Any, event: ev.Event, waits: Any) -> None:
        arrive(self, key, event, waits)
        if isinstance(event, ev.Exited) and event.trial == 1:
            arrive(self, key, event, waits)

    with patch.object(SimulatedExecutor, "_arrive", stutter):
        yield


@contextmanager
def verdict_never_given() -> Iterator[None]:
    """A trial that was told to stop is never answered."""
    act = Engine._act

    def mute(self: Engine, fact: ev.AnyFact) -> None:
        if not (isinstance(fact, ev.Verdict) and fact.trial == 1):
            act(self, fact)

    with patch.object(Engine, "_act", mute):
        yield


@contextmanager
def verdict_lost_with_the_disk() -> Iterator[None]:
    """Where the disk is full, trials wait for verdicts that could not be written."""
    break_ = Engine._break

    def silent(self: Engine, error: Any, facts: Any) -> None:
        break_(self, error, [fact for fact in facts if isinstance(fact, ev.Launch)])

    with patch.object(Engine, "_break", silent):
        yield


@contextmanager
def kill_forgotten() -> Iterator[None]:
    """A kill that waits never strikes."""
    due, next_deadline = leaving.on_deadline, leaving.next_deadline

    def forgetful(spec: Any, state: State, fact: ev.DeadlinePassed) -> Any:
        kept, state.kills = state.kills, {}
        try:
            return due(spec, state, fact)
        finally:
            state.kills = kept

    def blind(state: State, trials: Any = None) -> float | None:
        kept, state.kills = state.kills, {}
        try:
            return next_deadline(state, trials)
        finally:
            state.kills = kept

    with (
        patch.dict(decide._RULES, {ev.DeadlinePassed: forgetful}),
        patch.object(machine, "next_deadline", blind),
    ):
        yield


@contextmanager
def condemned_one_launched() -> Iterator[None]:
    """A trial that waits to be killed is launched like any other."""
    start = launching._start

    def blind(spec: Any, state: State, now: float) -> Any:
        kept, state.kills = state.kills, {}
        try:
            return start(spec, state, now)
        finally:
            state.kills = kept

    with patch.object(launching, "_start", blind):
        yield


@contextmanager
def kill_that_a_restart_undoes() -> Iterator[None]:
    """A snapshot forgets which trials are to be killed."""
    snapshot = Study.snapshot

    def leaky(self: Study) -> bytes:
        state = msgspec.msgpack.decode(snapshot(self), type=State)
        state.kills = {}
        return msgspec.msgpack.encode(state)

    with patch.object(Study, "snapshot", leaky):
        yield


@contextmanager
def gpu_promised_twice() -> Iterator[None]:
    """Who is on a GPU already is forgotten."""
    with patch.object(slots, "loads_of", lambda _state, _node: Loads({})):
        yield


@contextmanager
def lost_node_used() -> Iterator[None]:
    """Trials start on nodes that are lost, or on which nothing is to start."""
    room_on = slots.room_on

    def blind(state: State, node: Any, *limits: Any) -> Any:
        kept = node.node
        node.node = msgspec.structs.replace(kept, lost=False, obstacle="")
        try:
            return room_on(state, node, *limits)
        finally:
            node.node = kept

    with patch.object(slots, "room_on", blind):
        yield


@contextmanager
def full_node_forgotten() -> Iterator[None]:
    """A node that was full counts as full, whatever leaves it."""
    with patch.object(Rooms, "may_be", lambda _self, _node: None):
        yield


@contextmanager
def obstacle_overlooked() -> Iterator[None]:
    """GPUs that are lost, or somebody else's, are used all the same."""
    choose = slots.choose

    def careless(gpus: Any, *given: Any, **more: Any) -> Any:
        return choose([msgspec.structs.replace(g, obstacle="") for g in gpus], *given, **more)

    with patch.object(slots, "choose", careless):
        yield


@contextmanager
def crowded_trial_among_others() -> Iterator[None]:
    """One that ran out of memory among neighbours is put among neighbours again."""
    choose = slots.choose

    def sociable(*given: Any, alone: bool = False, **more: Any) -> Any:
        return choose(*given, **more)

    with patch.object(slots, "choose", sociable):
        yield


@contextmanager
def trials_on_wrong_gpus() -> Iterator[None]:
    """More trials are launched that choose their GPUs themselves."""
    rule = decide._RULES[ev.OnWrongGpu]

    def heedless(spec: Any, state: State, fact: ev.OnWrongGpu) -> Any:
        return [one for one in rule(spec, state, fact) if not isinstance(one, ev.Halted)]

    with patch.dict(decide._RULES, {ev.OnWrongGpu: heedless}):
        yield


@contextmanager
def trial_left_among_others() -> Iterator[None]:
    """A trial goes on computing where others compute."""
    rule = decide._RULES[ev.OnWrongGpu]

    def heedless(spec: Any, state: State, fact: ev.OnWrongGpu) -> Any:
        return [one for one in rule(spec, state, fact) if isinstance(one, ev.Halted)]

    with patch.dict(decide._RULES, {ev.OnWrongGpu: heedless}):
        yield


@contextmanager
def checkpoint_left() -> Iterator[None]:
    """A trial that is beaten later keeps its checkpoint."""
    with patch.object(CheckpointCleanup, "_beaten", lambda self, state: {}):
        yield


@contextmanager
def checkpoint_left_by_the_dead() -> Iterator[None]:
    """Nobody looks after what an engine had no time for."""
    after = CheckpointCleanup.after

    def hasty(self: CheckpointCleanup, facts: Any, state: State) -> None:
        after(self, [f for f in facts if not isinstance(f, ev.Opened)], state)

    with patch.object(CheckpointCleanup, "after", hasty):
        yield


@contextmanager
def checkpoint_lost() -> Iterator[None]:
    """A trial that failed loses at once what it could go on from."""
    keep = checkpoints.keep

    def stingy(state: State, trial: Any) -> checkpoints.Keep:
        given_up = checkpoints.Keep(0, -1)
        return given_up if trial.state == TrialState.FAILED else keep(state, trial)

    with patch.object(follow_up, "keep", stingy):
        yield


@contextmanager
def journal_never_synced() -> Iterator[None]:
    """A power cut may take the configuration of a checkpoint."""
    with patch.object(JournalSync, "after", lambda self, facts, state: None):
        yield


@contextmanager
def checkpoint_used_without_its_reports() -> Iterator[None]:
    """A trial goes on from a checkpoint of which the journal has never heard."""
    newest = MemoryTrialFolders.newest_checkpoint

    def careless(self: MemoryTrialFolders, trial: int, but: int | None, known: int) -> Any:
        return newest(self, trial, but, 1 << 60)

    with patch.object(MemoryTrialFolders, "newest_checkpoint", careless):
        yield


BUGS: dict[str, Callable[[], Any]] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        lost_report,
        doubled_attempt,
        rung_filled_late,
        promotion_too_many,
        nothing_trained_to_the_end,
        another_one_trained_to_the_end,
        forgotten_trial,
        device_promised_twice,
        retry_too_many,
        verdict_redecided_otherwise,
        dead_attempt_heard,
        deed_before_word,
        snapshot_with_a_hole,
        held_one_promoted,
        verdict_overruled_by_a_stop,
        failure_not_counted,
        exit_told_twice,
        verdict_never_given,
        verdict_lost_with_the_disk,
        kill_forgotten,
        condemned_one_launched,
        kill_that_a_restart_undoes,
        gpu_promised_twice,
        lost_node_used,
        full_node_forgotten,
        obstacle_overlooked,
        crowded_trial_among_others,
        trials_on_wrong_gpus,
        trial_left_among_others,
        checkpoint_left,
        checkpoint_left_by_the_dead,
        checkpoint_lost,
        journal_never_synced,
        checkpoint_used_without_its_reports,
        *NODE_BUGS,
        *FIXED_BUGS,
    )
}
