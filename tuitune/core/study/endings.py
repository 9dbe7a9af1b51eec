"""What does an attempt's exit leave its trial in?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tuitune.core import events as ev
from tuitune.core.events import StopReason, TrialState
from tuitune.core.study import gpu_packing
from tuitune.core.study import state as st

if TYPE_CHECKING:
    from tuitune.core.spec import StudySpec


def settle(spec: StudySpec, state: st.State, exit_: ev.Exited) -> ev.Settled:
    """The trial's next state, with the reason in words."""
    trial = state.trials[exit_.trial]
    if trial.at_maximum:
        return _complete(trial, exit_)
    if trial.ending is not None and trial.ending.reason != StopReason.RETURNED:
        return _ended(spec, state, trial, trial.ending, exit_)
    taken = _taken(state, trial, exit_)
    if taken is not None:
        return taken
    if exit_.error:
        return _crashed(state, trial, exit_, exit_.error)
    return _returned(spec, state, trial, exit_)


def _taken(state: st.State, trial: st.Trial, exit_: ev.Exited) -> ev.Settled | None:
    """What the world has ended, by no fault of the trial's; None where it ended by itself."""
    if exit_.lost:
        why = exit_.error or "its process was lost with the one that ran it"
        return _back(trial, exit_, why)
    if exit_.error and gpu_packing.is_lost(state, trial):
        return _back(trial, exit_, "its GPU was lost")
    if gpu_packing.is_crowded(state, trial, exit_):
        why = "too little memory was left on its GPU beside others; it waits for one alone"
        return msgspec.structs.replace(_back(trial, exit_, why), crowded=True)
    return None


def _complete(trial: st.Trial, exit_: ev.Exited) -> ev.Settled:
    why = f"reached the maximum, then: {exit_.error}" if exit_.error else "reached the maximum"
    return ev.Settled(exit_.time, trial.number, TrialState.COMPLETE, why)


def _ended(
    spec: StudySpec, state: st.State, trial: st.Trial, ending: st.Ending, exit_: ev.Exited
) -> ev.Settled:
    time, number, reason = exit_.time, trial.number, ending.reason
    if reason == StopReason.TIMEOUT:
        timeout = state.settings.timeout if state.settings else None
        return _crashed(state, trial, exit_, f"ran past its timeout of {timeout or 0:g} s")
    if reason in {StopReason.DRAIN, StopReason.PAUSED, StopReason.MOVED}:
        if _is_done(trial, ending, exit_):
            return _returned(spec, state, trial, exit_)
        why = "left its GPU" if reason == StopReason.MOVED else "interrupted"
        return _back(trial, exit_, "paused by hand" if trial.paused_by_user else why)
    ends: dict[StopReason, tuple[TrialState, str]] = {
        StopReason.PRUNED: (TrialState.PRUNED, trial.note),
        StopReason.AT_RUNG: (TrialState.PAUSED, trial.note + _unsaved(trial)),
        StopReason.KILLED: (TrialState.KILLED, "killed by hand"),
        StopReason.TARGET: (TrialState.COMPLETE, "reached the target"),
    }
    return ev.Settled(time, number, *ends[reason])


def _is_done(trial: st.Trial, ending: st.Ending, exit_: ev.Exited) -> bool:
    """Whether its function returned by itself, before it was told that it should leave.

    A signal tells it: an exit status of 0 after one says nothing about the work.
    """
    if exit_.error or exit_.stopped or exit_.lost:
        return False
    return trial.returned or (ending.how == "ask" and exit_.code == 0)


def _back(trial: st.Trial, exit_: ev.Exited, why: str) -> ev.Settled:
    """To where it can go on from: by itself, or when the hand that paused it says so."""
    state = TrialState.PAUSED if trial.paused_by_user else TrialState.WAITING
    why = f"{why}{_reached(trial)}; goes on from {_origin(trial)}{_how_it_left(trial)}"
    return ev.Settled(exit_.time, trial.number, state, why)


def _origin(trial: st.Trial) -> str:
    return f"step {trial.checkpoint}" if trial.checkpoint else "the start"


def _reached(trial: st.Trial) -> str:
    """How far it had come, where that is further than its checkpoint."""
    lost = trial.attempt_step > (trial.checkpoint or 0)
    return f" at step {trial.attempt_step}" if lost else ""


def _how_it_left(trial: st.Trial) -> str:
    """What kept its newest work from being saved; empty where nothing did."""
    if trial.saving:
        return ": a checkpoint was being written, and is not whole"
    if trial.ending is not None and trial.ending.how != "ask":
        return ": it did not leave in time, and was ended"
    return ""


def _unsaved(trial: st.Trial) -> str:
    """Of a trial that waits at a rung: whether what it did up to there is lost."""
    if trial.checkpoint == trial.attempt_step:
        return ""
    return f"; it has no checkpoint of step {trial.attempt_step}: goes on from {_origin(trial)}"


def _returned(spec: StudySpec, state: st.State, trial: st.Trial, exit_: ev.Exited) -> ev.Settled:
    if trial.value is None:
        why = f"ended without a report of {spec.objective.metric}"
        if spec.trial.metrics:
            why += ": no line of its output matches the pattern in [trial.metrics] with a number"
        return _crashed(state, trial, exit_, why)
    return ev.Settled(exit_.time, trial.number, TrialState.COMPLETE, "returned")


def _crashed(state: st.State, trial: st.Trial, exit_: ev.Exited, error: str) -> ev.Settled:
    retries = state.settings.retries if state.settings else 0
    if trial.crashes >= retries:
        return ev.Settled(
            exit_.time, trial.number, TrialState.FAILED, error, crashed=True, error=error
        )
    again = TrialState.PAUSED if trial.paused_by_user else TrialState.WAITING
    why = f"retry {trial.crashes + 1} of {retries} after: {error}"
    return ev.Settled(exit_.time, trial.number, again, why, crashed=True, error=error)
