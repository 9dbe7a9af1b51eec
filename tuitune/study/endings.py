"""What does an attempt's exit leave its trial in?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tuitune import events as ev
from tuitune.study import sharing
from tuitune.study import state as st

if TYPE_CHECKING:
    from tuitune.spec import StudySpec


def settle(spec: StudySpec, state: st.State, exit_: ev.Exited) -> ev.Settled:
    """The trial's next state, with the reason in words."""
    trial = state.trials[exit_.trial]
    if trial.complete:
        return _complete(trial, exit_)
    if trial.ending is not None:
        return _ended(spec, state, trial, trial.ending.reason, exit_)
    taken = _taken(state, trial, exit_)
    if taken is not None:
        return taken
    if exit_.error:
        return _crashed(state, trial, exit_, exit_.error)
    return _returned(spec, state, trial, exit_)


def _taken(state: st.State, trial: st.Trial, exit_: ev.Exited) -> ev.Settled | None:
    """What the world has ended, by no fault of the trial's; None where it ended by itself."""
    if exit_.lost:
        return _back(trial, exit_, "its process was lost with the one that ran it")
    if exit_.error and sharing.is_lost(state, trial):
        return _back(trial, exit_, "its GPU was lost")
    if sharing.is_crowded(state, trial, exit_):
        why = "too little memory was left on its GPU beside others; it waits for one alone"
        return msgspec.structs.replace(_back(trial, exit_, why), crowded=True)
    return None


def _complete(trial: st.Trial, exit_: ev.Exited) -> ev.Settled:
    why = f"reached the maximum, then: {exit_.error}" if exit_.error else "reached the maximum"
    return ev.Settled(exit_.time, trial.number, st.COMPLETE, why)


def _ended(
    spec: StudySpec, state: st.State, trial: st.Trial, reason: ev.StopReason, exit_: ev.Exited
) -> ev.Settled:
    time, number = exit_.time, trial.number
    if reason == "timeout":
        timeout = state.settings.timeout if state.settings else None
        return _crashed(state, trial, exit_, f"ran past its timeout of {timeout or 0:g} s")
    if reason in ("drain", "paused", "moved"):
        if not exit_.error and not exit_.stopped and not exit_.lost and exit_.code == 0:
            return _returned(spec, state, trial, exit_)  # it was done before it heard of it
        why = "left its GPU" if reason == "moved" else "interrupted"
        return _back(trial, exit_, "paused by hand" if trial.held else why)
    ends: dict[str, tuple[str, str]] = {
        "pruned": (st.PRUNED, trial.note),
        "parked": (st.PAUSED, trial.note),
        "killed": (st.KILLED, "killed by hand"),
        "target": (st.COMPLETE, "reached the target"),
    }
    return ev.Settled(time, number, *ends[reason])


def _back(trial: st.Trial, exit_: ev.Exited, why: str) -> ev.Settled:
    """To where it can go on from: by itself, or when the hand that paused it says so."""
    where = f"step {trial.checkpoint}" if trial.checkpoint else "the start"
    state = st.PAUSED if trial.held else st.WAITING
    return ev.Settled(exit_.time, trial.number, state, f"{why}; goes on from {where}")


def _returned(spec: StudySpec, state: st.State, trial: st.Trial, exit_: ev.Exited) -> ev.Settled:
    if trial.value is None:
        why = f"ended without a report of {spec.objective.metric}"
        if spec.trial.metrics:
            why += ": no line of its output matches the pattern in [trial.metrics]"
        return _crashed(state, trial, exit_, why)
    return ev.Settled(exit_.time, trial.number, st.COMPLETE, "returned")


def _crashed(state: st.State, trial: st.Trial, exit_: ev.Exited, error: str) -> ev.Settled:
    retries = state.settings.retries if state.settings else 0
    if trial.crashes >= retries:
        return ev.Settled(exit_.time, trial.number, st.FAILED, error, crashed=True, error=error)
    again = st.PAUSED if trial.held else st.WAITING
    why = f"retry {trial.crashes + 1} of {retries} after: {error}"
    return ev.Settled(exit_.time, trial.number, again, why, crashed=True, error=error)
