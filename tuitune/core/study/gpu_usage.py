"""GPU time and energy of trials. A GPU that trials share is divided among them."""

from __future__ import annotations

from collections.abc import Iterable

from tuitune.core import events as ev
from tuitune.core.spec import StudySpec
from tuitune.core.study import state as st
from tuitune.core.study.nodes import home


def account(
    state: st.State, now: float, trials: Iterable[st.Trial], leaving: st.Trial | None = None
) -> None:
    """Add the time since it was last added to these trials, which share their GPUs since then.

    leaving: one more, which runs no more from now on.
    """
    for trial in trials if leaving is None else (*trials, leaving):
        if trial.gpus:
            on, left = home(state, trial).on, () if leaving is None else leaving.gpus
            parts = sum(1 / (len(on.get(uuid, ())) + (uuid in left) or 1) for uuid in trial.gpus)
            trial.gpu_seconds += max(0.0, now - trial.metered) * parts
            trial.metered = now


def opened(state: st.State, now: float) -> None:
    """Another engine has opened the study: nothing ran since the last fact of the one before."""
    running = [state.trials[number] for number in state.running]
    account(state, state.now, running)
    for trial in running:
        trial.metered = now


def used(_spec: StudySpec, state: st.State, fact: ev.GpuUsed) -> None:
    """Add the energy, and the time up to now."""
    trial = state.trials[fact.trial]
    if trial.number in state.running:
        account(state, fact.time, (trial,))
    if fact.joules is not None:
        trial.energy = (trial.energy or 0.0) + fact.joules
