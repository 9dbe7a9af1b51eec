"""How long an attempt that is being ended may take, and what it is told next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tuitune.core.events import StopReason
from tuitune.core.study.lifecycle import move
from tuitune.core.study.state import Ending

if TYPE_CHECKING:
    from tuitune.core import events as ev
    from tuitune.core.study import state as st

# Seconds from one step of ending an attempt to the next: asked, SIGTERM, SIGKILL.
ASK_GRACE: Final[dict[StopReason, float]] = {
    StopReason.PRUNED: 10.0,
    StopReason.KILLED: 5.0,
    StopReason.TIMEOUT: 10.0,
    StopReason.OVERDUE: 10.0,
    StopReason.PAUSED: math.inf,  # it goes on until its next report, whenever that is
    StopReason.MOVED: math.inf,  # the same
}
LEAST_LEAVE = 20.0  # to save and leave in, where the study file says nothing
SLOWER = 1.5  # times the slowest step seen: the next one may be slower
AFTER_SAVE = 20.0  # from the end of a save to the exit
EXIT_GRACE = 60.0  # from the return of a function to the exit of its process
TERM_GRACE = 10.0
KILL_GRACE = 10.0
HASTY: Final = frozenset(
    {StopReason.KILLED, StopReason.PRUNED, StopReason.TIMEOUT}
)  # no save is waited for


def begin(
    state: st.State, trial: st.Trial, how: ev.SignalHow, reason: StopReason, now: float
) -> None:
    """It has been told to end. One whose function has returned gets no more time by that."""
    if how == "ask":
        due = now + grace_of(state, trial, reason, now)
        if trial.returned and trial.ending is not None:
            due = min(due, trial.ending.due)
    else:
        due = now + (TERM_GRACE if how == "term" else KILL_GRACE)
    move(trial, Ending(reason, how, due))


def grace_of(state: st.State, trial: st.Trial, reason: StopReason, now: float) -> float:
    """Seconds that an attempt has to leave by itself, once it was asked to."""
    fixed = ASK_GRACE.get(reason)
    return leave_within(state, trial, now) if fixed is None else fixed


def leave_within(state: st.State, trial: st.Trial, now: float) -> float:
    """Seconds for a trial to reach its next report, save and leave.

    By default long enough for the slowest step that any trial has shown, the one under way
    included.
    """
    if state.settings is not None and state.settings.leave_within is not None:
        return state.settings.leave_within
    return max(LEAST_LEAVE, SLOWER * state.slowest, now - trial.stepped)


def longest(state: st.State, now: float) -> float:
    """Seconds until the last trial that was asked to leave is ended, but for saves under way.

    One without a process, as where it waits for an import, is ended at once.
    """
    trials = [state.trials[number] for number in state.running]
    endings = [trial.ending for trial in trials if trial.ending and trial.pid is not None]
    return max((e.due - now for e in endings if e.how == "ask" and e.due < math.inf), default=0.0)


def is_saving(trial: st.Trial) -> bool:
    """Whether its end waits for a checkpoint that is being written."""
    ending = trial.ending
    if ending is None or not trial.saving:
        return False
    return ending.how == "ask" and ending.reason not in HASTY


def save_ended(trial: st.Trial, now: float) -> None:
    """A checkpoint was written, or could not be: the time to leave begins again."""
    trial.saving = max(0, trial.saving - 1)
    trial.heard = now
    if trial.ending is not None and trial.ending.reason not in HASTY:
        trial.ending.due = max(trial.ending.due, now + AFTER_SAVE)


def returned(trial: st.Trial, now: float) -> None:
    """Its function has returned: what is left of its process has a while to exit."""
    if trial.frozen is not None:
        return  # it goes on, and leaves, once it is released
    if trial.ending is None:
        move(trial, Ending(StopReason.RETURNED, "ask", now + EXIT_GRACE))
    else:
        trial.ending.due = min(trial.ending.due, now + EXIT_GRACE)
