"""How a trial stands in the store's table, which the app and the commands read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.store.rows import TrialRow

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
    return "silent for long" if trial.silent else trial.note
