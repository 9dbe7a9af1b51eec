"""Bugs that have been fixed, planted again: the simulator must find each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from tuitune.core import events as ev
from tuitune.core.study import State, attempts, decide, evolve, judging, leaving, ranking
from tuitune.core.study.judging import on_report
from tuitune.engine.failure import GuardedWatcher
from tuitune.engine.monitors import ClockSteps


@contextmanager
def first_report_only() -> Iterator[None]:
    """Of several reports of one step all but the first are dropped."""
    reported = evolve._FOLDS[ev.Reported]

    def hasty(spec: Any, state: State, fact: ev.Reported) -> None:
        trial = state.trials[fact.trial]
        if trial.attempt == fact.attempt and fact.step <= trial.attempt_step:
            trial.has_new_value = False
        else:
            reported(spec, state, fact)

    with patch.dict(evolve._FOLDS, {ev.Reported: hasty}):
        yield


@contextmanager
def lower_step_judged() -> Iterator[None]:
    """A report of a step that its attempt has left behind is judged, though it doesn't wait."""
    first_value = judging._first_value

    def judged(spec: Any, state: State, trial: Any, fact: ev.Reported, value: float) -> None:
        furthest, trial.attempt_step = trial.attempt_step, fact.step
        first_value(spec, state, trial, fact, value)
        trial.attempt_step = furthest

    def heedless(spec: Any, state: State, fact: ev.Reported) -> Any:
        trial = state.trials[fact.trial]
        furthest, trial.attempt_step = trial.attempt_step, fact.step
        try:
            return reported(spec, state, fact)
        finally:
            trial.attempt_step = furthest

    reported = decide._RULES[ev.Reported]
    with (
        patch.object(judging, "_first_value", judged),
        patch.dict(decide._RULES, {ev.Reported: heedless}),
    ):
        yield


@contextmanager
def step_answered_twice() -> Iterator[None]:
    """A report that nobody waits with is answered: its trial takes that for the next answer."""

    def talkative(spec: Any, state: Any, fact: ev.Reported) -> Any:
        reaches = fact.step >= state.trials[fact.trial].gate
        return on_report(spec, state, replace(fact, waits=fact.waits or reaches))

    with patch.object(judging, "on_report", talkative):
        yield


@contextmanager
def target_awaited_in_vain() -> Iterator[None]:
    """A trial waits with what it takes for the target, which changed meanwhile: no answer."""

    def silent(spec: Any, state: Any, fact: ev.Reported) -> Any:
        return on_report(spec, state, replace(fact, waits=False))

    with patch.object(judging, "on_report", silent):
        yield


@contextmanager
def sigterm_exit_0_complete() -> Iterator[None]:
    """A trial that answers SIGTERM with an exit status of 0 is complete."""

    def credulous(_trial: Any, _ending: Any, exit_: ev.Exited) -> bool:
        return exit_.code == 0 and not (exit_.error or exit_.stopped or exit_.lost)

    with patch.object(attempts, "_is_done", credulous):
        yield


@contextmanager
def fixed_20s_grace_cuts_save() -> Iterator[None]:
    """Whatever a trial is doing, it has 20 s to leave."""
    with (
        patch.object(leaving, "is_saving", lambda _trial: False),
        patch.object(leaving, "leave_within", lambda *_: 20.0),
    ):
        yield


@contextmanager
def clock_not_shifted() -> Iterator[None]:
    """Deadlines stay where they were when the machine's clock is set."""
    with patch.dict(evolve._FOLDS, {ev.ClockStepped: lambda *_: None}):
        yield


@contextmanager
def clock_step_unnoticed() -> Iterator[None]:
    """Nobody looks whether the machine's clock was set."""
    with patch.object(ClockSteps, "__call__", lambda _self: 0.0):
        yield


@contextmanager
def watcher_stops_the_loop() -> Iterator[None]:
    """What a watcher raises goes through the engine, and what was decided is not done."""
    with patch.object(GuardedWatcher, "_try", lambda _self, act: act()):
        yield


@contextmanager
def complete_exit_hangs() -> Iterator[None]:
    """A process whose function has returned may stay for ever."""
    with patch.dict(evolve._FOLDS, {ev.Returned: lambda *_: None}):
        yield


@contextmanager
def complete_silence_for_ever() -> Iterator[None]:
    """A complete trial that neither reports nor returns is never ended."""
    due = leaving._deadlines

    def patient(state: State, trial: Any) -> Any:
        return [] if trial.at_maximum and trial.ending is None else due(state, trial)

    with patch.object(leaving, "_deadlines", patient):
        yield


@contextmanager
def complete_signalled_in_its_last_step() -> Iterator[None]:
    """A stop asks complete trials to leave, too, which may be saving their model."""
    halt = decide._RULES[ev.Halted]

    def harsh(spec: Any, state: State, fact: ev.Halted) -> Any:
        live = [state.trials[number] for number in state.running]
        more = [
            ev.Signal(fact.time, t.number, t.attempt, "ask", "drain", save=True)
            for t in live
            if t.at_maximum and t.ending is None and not fact.finish and not fact.now
        ]
        return [*halt(spec, state, fact), *more]

    with patch.dict(decide._RULES, {ev.Halted: harsh}):
        yield


@contextmanager
def blocked_launch_fails_trials() -> Iterator[None]:
    """A trial that could not be launched, by no fault of its own, has failed."""
    taken = attempts._interrupted

    def strict(state: State, trial: Any, exit_: ev.Exited) -> Any:
        return None if exit_.lost and exit_.error else taken(state, trial, exit_)

    with patch.object(attempts, "_interrupted", strict):
        yield


@contextmanager
def launched_while_blocked() -> Iterator[None]:
    """Launching goes on while nothing can be launched."""
    may_launch = property(lambda state: state.launching and not state.disk_low)
    with patch.object(State, "may_launch", may_launch):
        yield


@contextmanager
def leader_not_given_back() -> Iterator[None]:
    """A complete trial whose last report is worse than the one before keeps the lead."""

    def greedy(spec: Any, state: State, trial: Any) -> None:
        if ranking.leads(spec, state, trial):
            state.leader = trial.number

    with patch.object(ranking, "update_leader", greedy):
        yield


FIXED_BUGS = (
    first_report_only,
    lower_step_judged,
    step_answered_twice,
    target_awaited_in_vain,
    sigterm_exit_0_complete,
    fixed_20s_grace_cuts_save,
    clock_not_shifted,
    clock_step_unnoticed,
    watcher_stops_the_loop,
    complete_exit_hangs,
    complete_silence_for_ever,
    complete_signalled_in_its_last_step,
    blocked_launch_fails_trials,
    launched_while_blocked,
    leader_not_given_back,
)
