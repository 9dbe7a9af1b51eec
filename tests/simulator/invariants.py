"""What must hold after every event of a study, and at its end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from simulator.reference import Rung
from simulator.shadow_model import EVENTS, ShadowModel, groups
from tuitune.core import events as ev
from tuitune.core.events import ENDED, TrialState
from tuitune.core.study import Study, slots
from tuitune.core.study.lifecycle import TRANSITIONS, stage
from tuitune.core.study.ranking import Ranking, best_of
from tuitune.store.projection import study_row, trial_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from simulator.reference import Entries
    from tuitune.core.pruning.pruner import PrunerState
    from tuitune.core.spec import StudySpec
    from tuitune.core.study import State
    from tuitune.core.study.lifecycle import Stage
    from tuitune.core.study.state import Trial
    from tuitune.store.rows import StudyRow, TrialRow

_encode = msgspec.msgpack.Encoder().encode


class Invariants:
    """Compares the state of a study with a shadow model of the same facts.

    `after` each event returns what does not hold.
    """

    def __init__(self, spec: StudySpec, history: Iterable[ev.AnyFact] = ()) -> None:
        self.shadow = ShadowModel(spec)
        for group in groups(history):
            self.shadow.fold(group)
        self.shadow.problems.clear()  # reported when they happened

    def after(self, group: Sequence[ev.AnyFact], state: State) -> list[str]:
        """group: an event with its decisions; state: after them."""
        shadow = self.shadow
        shadow.fold(group)
        problems = shadow.problems + _processes(shadow, state) + _rungs(shadow, state.pruner)
        problems += shadow.values.differences(state)
        problems += sums_of_nodes(state)
        if not shadow.study.begins_nothing:
            problems += _idle(shadow)
        shadow.problems = []
        return problems


def _processes(shadow: ShadowModel, state: State) -> list[str]:
    """Running, waiting and held trials; every launch has one exit."""
    states = {trial.number: trial.state for trial in state.trials}
    problems = [
        f"trial {n} is {states.get(n)}, and should be {s}"
        for n, s in shadow.states.items()
        if states.get(n) != s
    ]
    both = {
        "trials": (sorted(states), sorted(shadow.states)),
        "live": (sorted(state.running), sorted(shadow.attempts.live)),
        "waiting": (
            state.waiting,
            sorted(n for n, s in shadow.states.items() if s == TrialState.WAITING),
        ),
        "promotable": (sorted(state.promotable), sorted(shadow.available)),
        "to be killed": (sorted(state.kills.items()), sorted(shadow.kills.items())),
        "held": (sorted(t.number for t in state.trials if t.paused_by_user), sorted(shadow.held)),
        "frozen": (
            sorted(t.number for t in state.trials if t.frozen is not None),
            sorted(shadow.attempts.frozen),
        ),
    }
    problems += [f"{k}: {a}, and should be {b}" for k, (a, b) in both.items() if a != b]
    ended = shadow.attempts.launched - {
        (n, launch.attempt) for n, launch in shadow.attempts.live.items()
    }
    if ended != shadow.attempts.exited:
        problems.append(f"launched {sorted(ended)} and exited {sorted(shadow.attempts.exited)}")
    return problems


def sums_of_nodes(state: State) -> list[str]:
    """What is kept of each node is what its trials add up to, and a full one has no room."""
    shared: Counter[str] = Counter()
    problems = []
    for name, node in state.nodes.items():
        here = [trial for n in state.running if (trial := state.trials[n]).node == name]
        on: dict[str, list[int]] = {}
        for trial in here:
            for uuid in trial.gpus:
                on.setdefault(uuid, []).append(trial.number)
        shared.update(
            node.gpus[uuid].name
            for uuid, found in on.items()
            if len(found) > 1 and uuid in node.gpus
        )
        sums = (
            round(sum(trial.cpus for trial in here), 6),
            sum(trial.memory for trial in here),
            [trial.number for trial in here],
            on,
        )
        kept = (
            round(node.cpus, 6),
            node.memory,
            node.running,
            {uuid: found for uuid, found in node.on.items() if found},
        )
        if kept != sums:
            problems.append(f"node {name}: {kept}, and should be {sums}")
        if node not in state.rooms.among(state.nodes) and slots.room_on(state, node) is not None:
            problems.append(f"node {name} has room, and counts as full")
    if {model: count for model, count in state.shared.items() if count} != dict(shared):
        problems.append(f"shared: {state.shared}, and should be {shared}")
    inherited = sum(state.trials[n].opening < state.opening for n in state.running)
    if state.inherited != inherited:
        problems.append(f"{state.inherited} of an earlier engine, and should be {inherited}")
    return problems


def _rungs(shadow: ShadowModel, pruner: PrunerState) -> list[str]:
    """Is every rung filled by the first reports at or past it, and by nothing else?"""
    entries = _entries(pruner, shadow.spec)
    expected = {rung: found for rung, found in shadow.expected.rungs.entries.items() if found}
    return [
        f"rung {rung.step} of bracket {rung.bracket}: "
        f"{entries.get(rung)}, and should be {expected.get(rung)}"
        for rung in sorted({*entries, *expected})
        if entries.get(rung) != expected.get(rung)
    ]


def _entries(pruner: PrunerState, spec: StudySpec) -> dict[Rung, Entries]:
    found: dict[Rung, Entries] = {}
    for bracket, rungs in enumerate(getattr(pruner.memory, "brackets", ())):
        for step, rung in zip(spec.pruner.plan.steps[bracket], rungs, strict=True):
            if rung.entries:
                found[Rung(bracket, step)] = {trial: loss for loss, trial in rung.entries}
            if len({trial for _, trial in rung.entries}) < len(rung.entries):
                found[Rung(bracket, -step)] = {}
    return found


def _idle(shadow: ShadowModel) -> list[str]:
    """Where there is room and something to do, it is done."""
    if shadow.study.asking is not None or shadow.attempts.inherited or not shadow.has_room():
        return []
    waiting = [
        n for n, s in shadow.states.items() if s == TrialState.WAITING and n not in shadow.kills
    ]
    work = {
        "trials that wait": waiting,
        "trials to add": shadow.study.adding,
        "a trial to promote": shadow.expected.rungs.next(shadow.available),
        "new trials": shadow.study.may_ask,
    }
    return [f"a slot is free, and there is work for it: {k}" for k, found in work.items() if found]


def over(study: Study, journal: Sequence[ev.AnyFact]) -> list[str]:
    """What must hold once a study is over, or its engine has died after this journal."""
    problems = []
    replayed = Study(study.spec)
    replayed.replay(journal)
    if replayed.snapshot() != study.snapshot():
        problems.append("a replay of the journal is not the state that the run has left")
    restored = Study(study.spec, study.snapshot())
    if restored.snapshot() != study.snapshot() or restored.tried != study.tried:
        problems.append("a snapshot is not the state that it was taken of")
    problems += [
        f"trial {step.trial} went from {named(step.before)} to {named(step.after)} by {step.fact}"
        for step in transitions(study.spec, journal)
        if not step.is_allowed
    ]
    return problems + _redecided(study.spec, journal)


class Transition(NamedTuple):
    """A change of one trial's stage, and the fact that made it."""

    trial: int
    before: Stage
    fact: ev.AnyFact
    after: Stage

    @property
    def is_allowed(self) -> bool:
        return self.after in TRANSITIONS[self.before].get(type(self.fact), ())


def transitions(spec: StudySpec, journal: Sequence[ev.AnyFact]) -> Iterator[Transition]:
    """Every change of a trial's stage in a journal, in order."""
    study = Study(spec)
    stages: dict[int, Stage] = {}
    for fact in journal:
        study.evolve(fact)
        for number in _concerned(fact, study.state):
            before, after = (
                stages.get(number, TrialState.WAITING),
                stage(study.state.trials[number]),
            )
            if before is not after:
                yield Transition(number, before, fact, after)
            stages[number] = after


def _concerned(fact: ev.AnyFact, state: State) -> Iterable[int]:
    number = getattr(fact, "trial", None)
    if number is not None:
        return (number,) if number < len(state.trials) else ()  # an Ask comes before its trial
    if isinstance(fact, ev.Opened | ev.SettingsChanged):
        return range(len(state.trials))
    return getattr(fact, "trials", ())


def named(at: Stage) -> str:
    return at if isinstance(at, TrialState) else at.__name__


def _redecided(spec: StudySpec, journal: Sequence[ev.AnyFact]) -> list[str]:
    """The same events lead to the same decisions, byte for byte."""
    study = Study(spec)
    again = [fact for e in journal if type(e) in EVENTS for fact in study.react(e)]  # type: ignore[arg-type]
    for number, (old, new) in enumerate(zip(journal, again, strict=False), 1):
        if _encode(old) != _encode(new):
            return [f"fact {number} is {old}, and was re-decided as {new}"]
    if len(journal) != len(again):
        return [f"{len(journal)} facts were re-decided as {len(again)}"]
    return []


def lost_reports(
    told: Sequence[tuple[float, ev.Reported]], journal: Iterable[ev.AnyFact], safe: float
) -> list[str]:
    """Reports that the engine was told of until `safe`, and the journal has not; or has twice.

    told: with the times of a clock that nobody sets, as `safe` is.
    """

    def kind(report: ev.Reported) -> tuple[float, int, int, int]:
        return report.time, report.trial, report.attempt, report.step

    wanted = Counter(kind(report) for _, report in told)
    sure = Counter(kind(report) for at, report in told if at <= safe)
    found = Counter(kind(fact) for fact in journal if isinstance(fact, ev.Reported))
    missing = [f"report {key} is not in the journal" for key in sure if sure[key] > found[key]]
    return missing + [f"report {key} is there twice" for key in found if found[key] > wanted[key]]


def stale_rows(study: Study, rows: Mapping[int, TrialRow], own: StudyRow | None) -> list[str]:
    """What readers see otherwise than it is, once a study is over."""
    spec, state = study.spec, study.state
    stale = [] if own == study_row(spec, state) else [f"the row of the study is {own}"]
    return stale + [
        f"the row of trial {trial.number} is {rows.get(trial.number)}"
        for trial in state.trials
        if _encode(rows.get(trial.number)) != _encode(trial_row(spec, state, trial))
    ]


def on_the_shelf(
    study: Study, steps: Mapping[int, Sequence[int]], *, over: bool, behind: bool
) -> list[str]:
    """Checkpoints that were left or lost: the steps of each trial's at the end of an engine.

    over: it has come to its own end, so that it has removed all that was to be removed. behind: the
    journal lacks facts, so that it does not know of all that was written or removed.
    """
    wanted = _wanted(study)
    trials = study.state.trials
    lost = [t.number for t in trials if t.checkpoint is not None and t.number in wanted]
    problems = [
        f"trial {n} has lost its checkpoint" for n in lost if not behind and not steps.get(n)
    ]
    known = (t for t in trials if t.checkpoint is not None or not behind)
    ended = {t.number for t in known if t.state in ENDED}
    left = [n for n, found in steps.items() if n in ended and len(found) > (n in wanted)]
    problems += [f"trial {n}: its checkpoints {steps[n]} were left" for n in left if over]
    return problems


def _wanted(study: Study) -> set[int]:
    """Those whose newest checkpoint is there at the end of an engine, where they wrote one."""
    state = study.state
    settings = state.settings
    if settings is None:
        return set()
    standings = (Ranking(t.number, t.state, t.step, _count(study, t)) for t in state.trials)
    best, partial = best_of(study.spec, standings)
    wanted: set[int] = set()
    for trial in state.trials:
        goes_on = trial.state in (TrialState.FAILED, TrialState.KILLED) or trial.not_promoted
        if trial.state == TrialState.COMPLETE:
            keep = settings.keep_checkpoints
            stays = keep == "all" or (keep == "best" and not partial and trial.number == best)
        else:
            stays = trial.state not in ENDED or (goes_on and not state.complete)
            kept = ("all",) if trial.not_promoted else ("all", "best")
            stays = stays or (goes_on and settings.keep_checkpoints in kept)
        if stays:
            wanted.add(trial.number)
    return wanted


def _count(study: Study, trial: Trial) -> float | None:
    return trial.counted(study.spec.objective)


def unsynced(journal: Sequence[ev.AnyFact], syncs: Sequence[int]) -> list[str]:
    """Attempts that saved and whose launch was not synced, and syncs that nobody asked for.

    syncs: how many facts there were at each. Both are those of one engine.
    """
    launches = {(f.trial, f.attempt): n for n, f in enumerate(journal) if isinstance(f, ev.Launch)}
    saved = {(f.trial, f.attempt) for f in journal if isinstance(f, ev.SaveStarted)}
    checkpoints = [f for f in journal if isinstance(f, ev.Checkpointed)]
    saved |= {(f.trial, f.attempt) for f in checkpoints}
    newest = max(syncs, default=0)
    problems = [
        f"attempt {attempt} of trial {trial} saved, and its launch was not synced"
        for trial, attempt in sorted(saved)
        if launches[trial, attempt] >= newest
    ]
    called_for = len(saved) + len(checkpoints)
    if len(syncs) > called_for:
        problems.append(f"the journal was synced {len(syncs)} times, and {called_for} would do")
    return problems
