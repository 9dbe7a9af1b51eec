"""`best`: the configuration of a trial in a form to paste, and its checkpoint."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tuitune.cli import studies
from tuitune.messages import configuration
from tuitune.messages.text import number, trial_name
from tuitune.store.errors import StoreError
from tuitune.store.rows import TrialRow

_WITH_COMMENTS = ("toml", "yaml", "python")


def find_trial(study: studies.StudyFolder, trial: int | None) -> TrialRow:
    """This trial, or the best one. Raises StoreError, also if there is none."""
    rows = study.reader.trials()
    if trial is None:
        found, _ = study.best(rows)
        if found is None:
            metric = study.spec.objective.metric
            raise StoreError(f"{study.name}: no trial has reported a number for {metric}")
        return found
    check_number(study, rows, trial)
    return rows[trial]


def check_number(study: studies.StudyFolder, rows: Sequence[TrialRow], trial: int) -> None:
    """Raises StoreError where the study has no trial of this number."""
    if trial >= len(rows):
        known = f"it has #0 to #{len(rows) - 1}" if rows else "it has none yet"
        raise StoreError(f"{study.name}: no trial {trial_name(trial)}: {known}")


def print_best(
    text: str | None,
    runs: Path,
    trial: int | None,
    form: configuration.ConfigurationForm,
    *,
    only_checkpoint: bool,
) -> int:
    """Print the best trial, or this one, as `form`; the exit status.

    What else is known of it goes into comments, or to stderr where the form has none.
    """
    study = studies.open_study(text, runs)
    row = find_trial(study, trial)
    checkpoint = study.checkpoint(row.number)
    if only_checkpoint:
        if checkpoint is None:
            print(f"{study.name}: {_no_checkpoint(row)}", file=sys.stderr)
            return 1
        print(studies.short_path(checkpoint))
        return 0
    out = sys.stdout if form in _WITH_COMMENTS else sys.stderr
    mark = "# " if form in _WITH_COMMENTS else ""
    for line in _about(study, row, checkpoint):
        print(f"{mark}{line}", file=out)
    flat = form == "flags"
    config = row.config if flat else study.spec.space.nested(row.config)
    print(configuration.configuration_text(config, form))
    return 0


def _about(study: studies.StudyFolder, row: TrialRow, checkpoint: Path | None) -> list[str]:
    what = f"{study.name} {trial_name(row.number)} ({row.state.lower()})"
    where = studies.short_path(checkpoint) if checkpoint is not None else _no_checkpoint(row)
    return [f"{what}: {value_words(study, row)}", f"checkpoint: {where}"]


def value_words(study: studies.StudyFolder, row: TrialRow) -> str:
    """As "loss 0.1 at epoch 3"."""
    reached = f" at {study.spec.pruning.unit} {row.step}" if row.step else ""
    return f"{study.spec.objective.metric} {number(row.value)}{reached}"


def _no_checkpoint(row: TrialRow) -> str:
    return f"none of {trial_name(row.number)} is kept; see keep_checkpoints in [trial]"
