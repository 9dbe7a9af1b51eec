"""What does an attempt's exit leave its trial in?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune import events as ev
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
    if exit_.lost:
        return ev.Settled(exit_.time, trial.number, st.WAITING, _lost(trial))
    if exit_.error:
        return _crashed(state, trial, exit_, exit_.error)
    return _returned(spec, state, trial, exit_)


def _complete(trial: st.Trial, exit_: ev.Exited) -> ev.Settled:
    why = f"reached the maximum, then: {exit_.error}" if exit_.error else "reached the maximum"
    return ev.Settled(exit_.time, trial.number, st.COMPLETE, why)


def _ended(
    spec: StudySpec, state: st.State, trial: st.Trial, reason: ev.StopReason, exit_: ev.Exited
) -> ev.Settled:
    time, number = exit_.time, trial.number
    if reason == "pruned":
        return ev.Settled(time, number, st.PRUNED, trial.note)
    if reason == "killed":
        return ev.Settled(time, number, st.KILLED, "killed by hand")
    if reason == "target":
        return ev.Settled(time, number, st.COMPLETE, "reached the target")
    if reason == "timeout":
        timeout = state.settings.timeout if state.settings else None
        return _crashed(state, trial, exit_, f"ran past its timeout of {timeout or 0:g} s")
    if not exit_.error and not exit_.stopped and not exit_.lost and exit_.code == 0:
        return _returned(spec, state, trial, exit_)  # it was done before it heard of the drain
    where = f"from step {trial.checkpoint}" if trial.checkpoint else "from the start"
    return ev.Settled(time, number, st.WAITING, f"interrupted; goes on {where}")


def _returned(spec: StudySpec, state: st.State, trial: st.Trial, exit_: ev.Exited) -> ev.Settled:
    if trial.value is None:
        why = f"ended without a report of {spec.objective.metric}"
        return _crashed(state, trial, exit_, why)
    return ev.Settled(exit_.time, trial.number, st.COMPLETE, "returned")


def _crashed(state: st.State, trial: st.Trial, exit_: ev.Exited, error: str) -> ev.Settled:
    retries = state.settings.retries if state.settings else 0
    if trial.crashes < retries:
        why = f"retry {trial.crashes + 1} of {retries} after: {error}"
        return ev.Settled(exit_.time, trial.number, st.WAITING, why, crashed=True)
    return ev.Settled(exit_.time, trial.number, st.FAILED, error, crashed=True)


def _lost(trial: st.Trial) -> str:
    where = f"step {trial.checkpoint}" if trial.checkpoint else "the start"
    return f"its process was lost with the one that ran it; goes on from {where}"
