"""What is due though nothing happens: limits, timeouts, silence, harsher signals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuitune import events as ev

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.spec import StudySpec
    from tuitune.study import state as st

SILENCE = 600.0  # s without a report before a trial is called silent, or
SILENT_PAUSES = 10.0  # so many times its longest pause between reports, whichever is later
TIME_IS_UP = "the study's time limit is reached"


def next_deadline(state: st.State) -> float | None:
    """When, in Unix seconds, something is due though nothing happens; None for never."""
    due = [d for number in state.running for d in _deadlines(state, state.trials[number])]
    limit = time_limit(state)
    if limit is not None:
        due.append(limit)
    return min((moment for moment in due if moment < math.inf), default=None)


def time_limit(state: st.State) -> float | None:
    settings = state.settings
    if settings is None or settings.time_limit is None or state.halted or state.finished:
        return None
    return state.opened + settings.time_limit - state.elapsed


def _deadlines(state: st.State, trial: st.Trial) -> list[float]:
    if trial.frozen is not None:
        return []
    if trial.ending is not None and trial.ending.due < math.inf:
        return [trial.ending.due]
    due = [] if trial.silent else [_silent_from(trial)]
    timeout = state.settings.timeout if state.settings else None
    return due if timeout is None else [*due, trial.launched + timeout]


def _silent_from(trial: st.Trial) -> float:
    return trial.heard + max(SILENCE, SILENT_PAUSES * trial.pause)


def on_deadline(
    _spec: StudySpec, state: st.State, fact: ev.DeadlinePassed
) -> Sequence[ev.Decision]:
    decisions: list[ev.Decision] = []
    limit = time_limit(state)
    if limit is not None and limit <= fact.time:
        decisions.append(ev.Halted(fact.time, TIME_IS_UP, finish=False, failed=False))
    for number in state.running:
        trial = state.trials[number]
        if trial.frozen is not None:
            continue
        if trial.ending is not None and trial.ending.due < math.inf:
            if trial.ending.due <= fact.time:
                decisions.append(_further(trial, fact.time))
            continue
        timeout = state.settings.timeout if state.settings else None
        if timeout is not None and trial.launched + timeout <= fact.time:
            decisions.append(
                ev.Signal(fact.time, number, trial.attempt, "ask", "timeout", save=False)
            )
        elif not trial.silent and _silent_from(trial) <= fact.time:
            decisions.append(ev.Silent(fact.time, number, trial.attempt, fact.time - trial.heard))
    return decisions


def _further(trial: st.Trial, now: float) -> ev.Signal:
    """The next, harsher way to end an attempt that has not left."""
    ending = trial.ending
    assert ending is not None
    how: ev.SignalHow = "term" if ending.how == "ask" else "kill"
    return ev.Signal(now, trial.number, trial.attempt, how, ending.reason, save=False)
