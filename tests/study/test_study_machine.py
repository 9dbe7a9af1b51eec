"""Arbitrary interleavings of one study: what must hold whatever happens, in whatever order."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from simulator.invariants import transitions
from tuitune.core import events as ev
from tuitune.core.events import ENDED, TrialState
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study import Study
from tuitune.core.study.state import Starting
from tuitune.engine.settings import settings_of

SPACE = SearchSpace((FloatRange("x", 0.0, 1.0, log=False, step=None, when={}),))


def make_spec(**changes: Any) -> StudySpec:
    return StudySpec(
        name="s",
        objective=Objective("loss", "min"),
        trial=changes.get("trial", TrialSpec(target="t.py:train", retries=1, timeout=500.0)),
        space=SPACE,
        search=changes.get("search", SearchSpec(trials=6, concurrency=3)),
        pruning=changes.get("pruning", PruningSpec("asha", "epoch", 1, 9, 3)),
        limits=changes.get("limits", Limits(time=5000.0)),
        file="/s/s.toml",
    )


PRUNINGS = [
    PruningSpec(),
    PruningSpec("asha", "epoch", 1, 9, 3),
    PruningSpec("asha", "epoch", 1, 9, 2, style="promote"),
    PruningSpec("asha", "epoch", 1, 9, 3, style="stop", brackets=2),
    PruningSpec("hyperband", "epoch", 1, 9, 3),
    PruningSpec("median", "epoch", 2, 9),
]


class StudyMachine(RuleBasedStateMachine):
    """Plays the world: an executor that starts, reports, dies; a user; an engine that is killed."""

    @initialize(
        trials=st.integers(1, 8),
        concurrency=st.integers(1, 4),
        retries=st.integers(0, 2),
        pruning=st.sampled_from(PRUNINGS),
        aim=st.sampled_from([None, 0.05]),
    )
    def begin(self, trials, concurrency, retries, pruning, aim):
        self.spec = make_spec(
            trial=TrialSpec(target="t.py:train", retries=retries, timeout=500.0),
            search=SearchSpec(trials=trials, concurrency=concurrency),
            pruning=pruning,
            limits=Limits(time=5000.0, target=aim),
        )
        self.now = 1000.0
        self.study = Study(self.spec)
        self.journal: list[ev.AnyFact] = []
        self.added = 0
        self.live: dict[int, int] = {}  # trial -> attempt of the process that runs
        self.steps: dict[int, int] = {}
        self.frozen: set[int] = set()
        self.asked: int | None = None
        self.unsampled: set[int] = set()
        self.launched: list[tuple[int, int]] = []
        self.exited: list[tuple[int, int]] = []
        self.take(self.opened())

    def opened(self) -> ev.Opened:
        return ev.Opened(self.now, settings_of(self.spec), 4.0, 8 << 30)

    def take(self, event: ev.Event) -> None:
        facts = self.study.react(event)
        self.journal += facts
        for fact in facts:
            match fact:
                case ev.Ask():
                    assert self.asked is None
                    assert fact.trial == len(self.study.state.trials)
                    self.asked = fact.trial
                case ev.Launch():
                    assert self.study.state.may_launch
                    assert fact.trial not in self.live, "two attempts of one trial at once"
                    assert not self.study.state.trials[fact.trial].paused_by_user
                    assert fact.trial not in self.study.state.kills
                    self.live[fact.trial] = fact.attempt
                    assert len(self.live) <= min(4, self.study.state.settings.concurrency)
                    self.steps[fact.trial] = 0
                    self.launched.append((fact.trial, fact.attempt))
                case ev.Signal():
                    self.frozen.discard(fact.trial)
                case ev.Finished():
                    assert not self.live

    def exit(self, trial: int, **how: Any) -> None:
        attempt = self.live.pop(trial)
        self.frozen.discard(trial)
        self.exited.append((trial, attempt))
        values = {"code": 0, "signal": None, "error": "", "tail": "", "max_rss": 0, "lost": False}
        self.take(ev.Exited(self.now, trial, attempt, **{**values, **how}))

    def pick(self, data) -> int | None:
        """A live trial that is not frozen; its process is there from now on."""
        moving = sorted(self.moving())
        trial = data.draw(st.sampled_from(moving)) if moving else None
        if trial is not None and type(self.study.state.trials[trial].activity) is Starting:
            self.take(ev.Started(self.now, trial, self.live[trial], 1, None, "c", "", None))
        return trial

    def moving(self) -> set[int]:
        return set(self.live) - self.frozen

    def ending(self, reason: str = "") -> list[int]:
        """Live trials that were told to end, for this reason."""
        endings = {n: self.study.state.trials[n].ending for n in sorted(self.moving())}
        return [n for n, e in endings.items() if e and reason in ("", e.reason)]

    def in_state(self, states) -> list[int]:
        return [t.number for t in self.study.state.trials if t.state in states]

    def some(self, data, states) -> int | None:
        """A trial in one of these states, if there is one."""
        found = [t.number for t in self.study.state.trials if t.state in states]
        return data.draw(st.sampled_from(found)) if found else None

    @precondition(lambda self: self.asked is not None)
    @rule(x=st.floats(0, 1), exhausted=st.integers(0, 9))
    def propose(self, x, exhausted):
        if self.asked is None:
            return
        number, self.asked = self.asked, None
        if exhausted == 0:
            self.take(ev.Exhausted(self.now, "nothing left"))
        elif exhausted == 1:
            self.unsampled.add(number)
            self.take(ev.SampleFailed(self.now, number, {"x": x}, "random", "drawn", "no width"))
        else:
            self.take(ev.Proposed(self.now, number, {"x": x}, "random", "drawn"))

    @precondition(lambda self: self.moving())
    @rule(
        data=st.data(),
        jump=st.integers(1, 3),
        value=st.floats(0, 1) | st.just(math.nan),
        saves=st.booleans(),
    )
    def report(self, data, jump, value, saves):
        trial = self.pick(data)
        if trial is None:
            return
        self.now += 1.0
        self.steps[trial] += jump
        metrics = {"loss": value}
        event = ev.Reported(self.now, trial, self.live[trial], self.steps[trial], metrics, saves)
        self.take(event)

    @precondition(lambda self: self.moving())
    @rule(data=st.data())
    def checkpoint(self, data):
        trial = self.pick(data)
        if trial is not None and self.steps[trial]:
            self.take(ev.Checkpointed(self.now, trial, self.live[trial], self.steps[trial]))

    @precondition(lambda self: self.moving())
    @rule(data=st.data())
    def return_early(self, data):
        trial = self.pick(data)
        if trial is not None:
            self.exit(trial)

    @precondition(lambda self: self.moving())
    @rule(data=st.data(), lost=st.booleans())
    def crash(self, data, lost):
        trial = self.pick(data)
        if trial is not None:
            self.exit(trial, code=1, error="" if lost else "ValueError: bad", lost=lost)

    @precondition(lambda self: self.ending())
    @rule(data=st.data())
    def leave_as_told(self, data):
        trial = self.pick(data)
        if trial is not None and self.study.state.trials[trial].ending is not None:
            self.exit(trial, stopped=True)

    @precondition(lambda self: self.exited)
    @rule(data=st.data())
    def report_of_a_dead_attempt(self, data):
        if self.exited:
            trial, attempt = data.draw(st.sampled_from(self.exited))
            self.take(ev.Reported(self.now, trial, attempt, 99, {"loss": 0.0}))

    @precondition(
        lambda self: self.in_state({TrialState.RUNNING, TrialState.WAITING, TrialState.PAUSED})
    )
    @rule(data=st.data())
    def kill(self, data):
        trials = [t.number for t in self.study.state.trials if t.state not in ENDED]
        if trials:
            after = data.draw(st.sampled_from((0.0, 8.0)))
            self.take(ev.KillAsked(self.now, data.draw(st.sampled_from(trials)), after))

    @precondition(lambda self: self.study.state.kills)
    @rule(data=st.data())
    def spare(self, data):
        self.take(
            ev.UndoKillAsked(
                self.now, (data.draw(st.sampled_from(sorted(self.study.state.kills))),)
            )
        )

    @precondition(lambda self: self.ending("parked"))
    @rule(data=st.data())
    def leave_at_once_where_parked(self, data):
        parked = [
            n
            for n in self.live
            if (e := self.study.state.trials[n].ending) and e.reason == "parked"
        ]
        if parked:
            self.exit(data.draw(st.sampled_from(parked)), stopped=True)

    @precondition(
        lambda self: self.in_state({TrialState.RUNNING, TrialState.WAITING, TrialState.PAUSED})
    )
    @rule(data=st.data())
    def pause(self, data):
        trial = self.some(data, {TrialState.RUNNING, TrialState.WAITING, TrialState.PAUSED})
        if trial is not None:
            self.take(ev.PauseAsked(self.now, (trial,)))

    @precondition(lambda self: self.ending("paused"))
    @rule(data=st.data())
    def stand_still(self, data):
        asked = [
            n
            for n in sorted(set(self.live) - self.frozen)
            if (e := self.study.state.trials[n].ending) and e.reason == "paused"
        ]
        if asked:
            trial = data.draw(st.sampled_from(asked))
            self.frozen.add(trial)
            self.take(ev.Frozen(self.now, trial, self.live[trial]))

    @precondition(lambda self: any(t.paused_by_user for t in self.study.state.trials))
    @rule(data=st.data())
    def resume(self, data):
        held = [t.number for t in self.study.state.trials if t.paused_by_user]
        self.take(ev.ResumeAsked(self.now, (data.draw(st.sampled_from(held)),)))

    @rule(on=st.booleans())
    def launching(self, on):
        self.take(ev.ResumeAsked(self.now, ()) if on else ev.PauseAsked(self.now, ()))

    @rule(low=st.booleans())
    def disk(self, low):
        self.take(ev.DiskChanged(self.now, low, 0.04))

    @rule(cause=st.sampled_from(["code", "resources"]), why=st.sampled_from(["", "why"]))
    def blocked(self, cause, why):
        self.take(ev.LaunchBlocked(self.now, cause, why))

    @precondition(lambda self: not self.study.state.finished)
    @rule(x=st.floats(0, 1))
    def add(self, x):
        if not self.study.state.finished:
            self.added += 1
            self.take(ev.AddAsked(self.now, {"x": x}, "by hand"))

    @precondition(
        lambda self: (
            self.in_state({TrialState.PRUNED, TrialState.FAILED, TrialState.KILLED})
            and not self.study.state.finished
        )
    )
    @rule(data=st.data())
    def retry(self, data):
        trial = self.some(data, {TrialState.PRUNED, TrialState.FAILED, TrialState.KILLED})
        if trial is not None and not self.study.state.finished:
            self.take(ev.RetryAsked(self.now, trial))

    @precondition(lambda self: not self.study.state.finished)
    @rule(concurrency=st.integers(1, 4), more=st.integers(0, 2))
    def change_settings(self, concurrency, more):
        if self.study.state.finished:
            return
        search = SearchSpec(trials=self.spec.search.trials + more, concurrency=concurrency)
        self.spec = make_spec(
            trial=self.spec.trial, search=search, pruning=self.spec.pruning, limits=self.spec.limits
        )
        self.take(ev.SettingsChanged(self.now, settings_of(self.spec)))

    @rule(finish=st.booleans(), now=st.booleans())
    def stop(self, finish, now):
        self.take(ev.StopAsked(self.now, finish, "asked", now=now and not finish))

    @rule(seconds=st.floats(0.5, 900))
    def wait(self, seconds):
        self.now += seconds
        for _ in range(len(self.study.state.kills) + 1):  # kills strike one at a time
            due = self.study.next_deadline()
            if due is not None and due <= self.now:
                self.take(ev.DeadlinePassed(self.now))
        later = self.study.next_deadline()
        assert later is None or later > self.now, "a deadline that passed is due again"

    @rule(more=st.integers(0, 3), from_snapshot=st.booleans())
    def engine_dies_and_comes_back(self, more, from_snapshot):
        self.now += 1.0
        trials = self.spec.search.trials + more
        search = SearchSpec(trials=trials, concurrency=self.spec.search.concurrency)
        self.spec = make_spec(
            trial=self.spec.trial, search=search, pruning=self.spec.pruning, limits=self.spec.limits
        )
        snapshot = self.study.snapshot() if from_snapshot else None
        study = Study(self.spec, snapshot)
        if snapshot is None:
            study.replay(self.journal)
        assert study.snapshot() == self.study.snapshot()
        self.study = study
        self.asked = None
        self.take(self.opened())
        for trial in sorted(self.live):
            self.exit(trial, code=None, lost=True)

    @invariant()
    def states_agree_with_processes(self):
        state = self.study.state
        running = [t.number for t in state.trials if t.state == TrialState.RUNNING]
        waiting = [t.number for t in state.trials if t.state == TrialState.WAITING]
        frozen = {t.number for t in state.trials if t.frozen is not None}
        promotable = {
            t.number
            for t in state.trials
            if t.state == TrialState.PAUSED
            and t.at_rung
            and not t.paused_by_user
            and t.frozen is None
        } - set(state.kills)
        assert sorted(state.running) == sorted(self.live)
        assert set(running) == set(self.live) - frozen
        assert frozen == self.frozen
        assert state.waiting == waiting
        assert set(state.promotable) == promotable
        assert len(state.trials) <= self.spec.search.trials + self.added
        unborn = [t for t in state.trials if t.attempt < 0 and t.number not in self.unsampled]
        assert all(
            t.state in (TrialState.WAITING, TrialState.PAUSED, TrialState.KILLED) for t in unborn
        )

    @invariant()
    def flags_mean_what_they_say(self):
        state = self.study.state
        for trial in state.trials:
            assert not (trial.paused_by_user and trial.state == TrialState.WAITING), (
                "a held trial may launch"
            )
            assert trial.is_live() == (trial.number in self.live)
            assert not (trial.state in ENDED and (trial.paused_by_user or trial.at_rung))
            assert not (trial.state in ENDED and trial.number in state.kills)
        assert sum(t.origin == "hand" for t in state.trials) == state.by_hand

    @invariant()
    def nothing_is_forgotten(self):
        """Where there is room and something to do, something runs or the study has ended."""
        state = self.study.state
        held = any(t.paused_by_user and t.state == TrialState.PAUSED for t in state.trials)
        idle = not self.live and self.asked is None
        if idle and state.may_launch and not held and not state.kills:
            assert state.finished

    @invariant()
    def every_launch_ends_once(self):
        assert len(set(self.launched)) == len(self.launched)
        assert len(set(self.exited)) == len(self.exited)
        alive = set(self.live.items())
        assert set(self.launched) == set(self.exited) | alive

    def teardown(self):
        if not hasattr(self, "journal"):
            return
        assert redecided(self.journal, self.study.spec) == self.journal
        replayed = Study(self.study.spec)
        replayed.replay(self.journal)
        assert replayed.snapshot() == self.study.snapshot()
        steps = transitions(self.study.spec, self.journal)
        assert not [step for step in steps if not step.is_allowed]


def redecided(journal: list[ev.AnyFact], spec: StudySpec) -> list[ev.AnyFact]:
    """The journal that its events alone lead to."""
    study = Study(spec)
    events = [fact for fact in journal if isinstance(fact, ev.Event)]
    return [fact for event in events for fact in study.react(event)]


TestStudyMachine = StudyMachine.TestCase
TestStudyMachine.settings = settings(
    max_examples=250,
    stateful_step_count=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
