"""Kills by the user: at once, or after a delay in which they can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core import events as ev
from tuitune.core.events import ENDED, StopReason, TrialState
from tuitune.core.reasons import Killed
from tuitune.core.study.pausing import pause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.spec import StudySpec
    from tuitune.core.study import state as st


def kill_asked(_spec: StudySpec, state: st.State, fact: ev.KillAsked) -> None:
    """Schedule a kill that waits; one without a delay needs no state."""
    trial = state.trials[fact.trial]
    if fact.after <= 0 or trial.state in ENDED or trial.is_being_killed():
        return
    state.kills[fact.trial] = fact.time + fact.after
    state.promotable.pop(fact.trial, None)


def undo_kill_asked(_spec: StudySpec, state: st.State, fact: ev.UndoKillAsked) -> None:
    """Cancel waiting kills; a trial at its rung may be promoted again."""
    for trial in (state.trials[number] for number in fact.trials):
        was_to_be_killed = state.kills.pop(trial.number, None) is not None
        if was_to_be_killed and trial.state == TrialState.PAUSED and not trial.is_live():
            pause(state, trial)


def on_kill_asked(_spec: StudySpec, state: st.State, fact: ev.KillAsked) -> Sequence[ev.Decision]:
    """Kill at once where the request has no delay."""
    return () if fact.after > 0 else kill(state.trials[fact.trial], fact.time)


def kill(trial: st.Trial, now: float) -> Sequence[ev.Decision]:
    """The decisions that kill a trial; empty where it has ended, or is being killed."""
    if trial.is_live():
        if trial.is_being_killed():
            return ()
        return (ev.Signal(now, trial.number, trial.attempt, "ask", StopReason.KILLED, save=False),)
    if trial.state in ENDED:
        return ()
    return (ev.Settled(now, trial.number, TrialState.KILLED, Killed()),)
