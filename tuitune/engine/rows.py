"""How a trial stands in the store's table, which the app and the commands read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.store.rows import TrialRow
from tuitune.study.state import PAUSED

if TYPE_CHECKING:
    from tuitune.spec import Objective
    from tuitune.study.state import Trial


def trial_row(trial: Trial, objective: Objective) -> TrialRow:
    return TrialRow(
        number=trial.number,
        state=trial.state,
        config=trial.config,
        origin=trial.origin,
        why=trial.why,
        value=trial.counted(objective),
        step=trial.step,
        attempt=trial.attempt + 1,
        started=trial.started,
        ended=trial.ended,
        error=trial.error,
        device=trial.device,
        note=_note(trial),
    )


def _note(trial: Trial) -> str:
    if trial.ending is not None and trial.ending.reason != "pruned":
        return f"ending: {trial.ending.reason}"
    if trial.state == PAUSED:
        return f"{trial.note}; {_keeps(trial)}"
    return "silent for long" if trial.silent else trial.note


def _keeps(trial: Trial) -> str:
    """What a trial that is paused keeps from others, or keeps for itself."""
    if trial.frozen is not None:
        memory = f" and {trial.memory / 1e9:.1f} GB" if trial.memory else ""
        return f"holds {trial.cpus:g} CPU slots{memory}, and all that it has on them"
    if trial.checkpoint is not None:
        return f"holds nothing but its checkpoint of step {trial.checkpoint}"
    return "holds nothing"
