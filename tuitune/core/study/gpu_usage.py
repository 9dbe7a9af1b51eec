"""GPU time and energy of trials. A GPU that trials share is divided among them."""

from __future__ import annotations

from collections import Counter

from tuitune.core import events as ev
from tuitune.core.spec import StudySpec
from tuitune.core.study import state as st


def account(state: st.State, now: float, leaving: st.Trial | None = None) -> None:
    """Add the time since it was last added; `leaving`: a trial that runs no more from now on."""
    trials = [state.trials[number] for number in state.running]
    if leaving is not None:
        trials.append(leaving)
    on = Counter(uuid for trial in trials for uuid in trial.gpus)
    for trial in trials:
        if trial.gpus:
            parts = sum(1 / on[uuid] for uuid in trial.gpus)
            trial.gpu_seconds += max(0.0, now - trial.metered) * parts
            trial.metered = now


def opened(state: st.State, now: float) -> None:
    """Another engine has opened the study: nothing ran since the last fact of the one before."""
    account(state, state.now)
    for number in state.running:
        state.trials[number].metered = now


def used(_spec: StudySpec, state: st.State, fact: ev.GpuUsed) -> None:
    """Add the energy, and the time up to now."""
    trial = state.trials[fact.trial]
    account(state, fact.time)
    if fact.joules is not None:
        trial.energy = (trial.energy or 0.0) + fact.joules
