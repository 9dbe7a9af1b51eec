"""What is due though nothing happens: limits, timeouts, silence, harsher signals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuitune.core import events as ev
from tuitune.core.events import ENDED, StopReason, TrialState
from tuitune.core.study import leaving
from tuitune.core.study import state as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitune.core.spec import StudySpec

    Due = Callable[[st.Trial, float], ev.Decision]

SILENCE = 600.0  # s without a report before a trial is called silent, or
SILENT_PAUSES = 10.0  # so many times its longest pause between reports, whichever is later
TIME_IS_UP = "the study's time limit is reached"


def next_deadline(state: st.State) -> float | None:
    """When, in Unix seconds, something is due though nothing happens; None for never."""
    due = [at for number in state.running for at, _ in _deadlines(state, state.trials[number])]
    if not state.finished:
        due += state.kills.values()
    limit = time_limit(state)
    return min(due if limit is None else [*due, limit], default=None)


def time_limit(state: st.State) -> float | None:
    settings = state.settings
    if settings is None or settings.time_limit is None or state.halted or state.finished:
        return None
    return state.opened + settings.time_limit - state.elapsed


def on_deadline(
    _spec: StudySpec, state: st.State, fact: ev.DeadlinePassed
) -> Sequence[ev.Decision]:
    struck = [n for n, at in state.kills.items() if at <= fact.time and not state.finished]
    if struck:  # one at a time, by itself: its end may be the end of others, and the rest stays due
        return kill(state.trials[struck[0]], fact.time)
    decisions: list[ev.Decision] = []
    limit = time_limit(state)
    if limit is not None and limit <= fact.time:
        decisions.append(ev.Halted(fact.time, TIME_IS_UP, finish=False, failed=False))
    for trial in (state.trials[number] for number in state.running):
        due = [decide for at, decide in _deadlines(state, trial) if at <= fact.time]
        decisions += [decide(trial, fact.time) for decide in due[:1]]
    return decisions


def kill(trial: st.Trial, now: float) -> Sequence[ev.Decision]:
    """What ends a trial for good; nothing where it has ended, or is being killed."""
    if trial.is_live():
        if trial.is_being_killed():
            return ()
        return (ev.Signal(now, trial.number, trial.attempt, "ask", StopReason.KILLED, save=False),)
    if trial.state in ENDED:
        return ()
    return (ev.Settled(now, trial.number, TrialState.KILLED, "killed by hand"),)


def _deadlines(state: st.State, trial: st.Trial) -> list[tuple[float, Due]]:
    """(when, what follows) of a trial with a process; of several that are due the first follows."""
    if trial.frozen is not None or (trial.pid is None and "code" in state.blocked):
        return []  # it stands still, or waits for the code to be imported
    quiet = trial.heard + max(SILENCE, SILENT_PAUSES * trial.pause)
    timeout = state.settings.timeout if state.settings else None
    if leaving.is_saving(trial):
        return _deadlines_of_save(trial, quiet, timeout)
    if trial.ending is not None and trial.ending.due < math.inf:
        return [(trial.ending.due, _further)]
    if trial.at_maximum:
        return [] if trial.saving else [(quiet, _overdue)]
    due: list[tuple[float, Due]] = []
    if timeout is not None:
        due.append((trial.launched + timeout, _timed_out))
    if not trial.silent:
        due.append((quiet, _silent))
    return due


def _deadlines_of_save(
    trial: st.Trial, quiet: float, timeout: float | None
) -> list[tuple[float, Due]]:
    """Nothing but its timeout cuts a save short that is the answer to a first request."""
    assert trial.ending is not None
    due: list[tuple[float, Due]] = [] if trial.silent else [(quiet, _silent)]
    if timeout is not None:
        due.insert(0, (max(trial.ending.due, trial.launched + timeout), _further))
    return due


def _timed_out(trial: st.Trial, now: float) -> ev.Decision:
    return ev.Signal(now, trial.number, trial.attempt, "ask", StopReason.TIMEOUT, save=False)


def _overdue(trial: st.Trial, now: float) -> ev.Decision:
    """It has reached the maximum, and holds its slot without a sign of life."""
    return ev.Signal(now, trial.number, trial.attempt, "ask", StopReason.OVERDUE, save=False)


def _silent(trial: st.Trial, now: float) -> ev.Decision:
    return ev.Silent(now, trial.number, trial.attempt, now - trial.heard)


def _further(trial: st.Trial, now: float) -> ev.Decision:
    """The next, harsher way to end an attempt that has not left."""
    ending = trial.ending
    assert ending is not None
    how: ev.SignalHow = "term" if ending.how == "ask" else "kill"
    return ev.Signal(now, trial.number, trial.attempt, how, ending.reason, save=False)
