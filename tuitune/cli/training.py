"""A trial of a study trained on: the study of its own that this takes, and its start."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tuitune.cli import best, launch, prepared, run_request, studies
from tuitune.core.space import Sampled
from tuitune.messages.text import trial_name
from tuitune.store import errors, rows
from tuitune.store.folder import DOCUMENT, newest_study
from tuitune.studyfile import StudyFileError, load_whole, nesting
from tuitune.studyfile.document import written
from tuitune.studyfile.problems import Problems
from tuitune.studyfile.trial import working_folder
from tuitune.trial.checkpoints import CHECKPOINTS
from tuitune.ui.state.options import Training

Document = dict[str, Any]
_KEPT_LIMITS, _DROPPED = ("disk_free",), ("timeout", "keep_checkpoints")  # keys


class _RefusedError(Exception):
    """The trial can't be trained on; str() says why."""


REFUSALS = (errors.StoreError, StudyFileError, _RefusedError, OSError)


def train_in_background(folder: Path, trial: int, to: int) -> Training:
    """As `train_on`, by an engine that is started for it and left to itself."""
    study, name = studies.StudyFolder(folder), trial_name(trial)
    try:
        file, notes = prepared_file(study, best.find_trial(study, trial), to)
        started = launch.begin_engine(run_request.RunRequest(file, folder.parent.absolute()))
    except (*REFUSALS, *launch.PROBLEMS) as error:
        return Training(words(study, error), failed=True)
    if started.owner() is None:
        return Training(f"{started.name} has ended; it trained {name} on up to {to}")
    without = [note for note in notes if "no checkpoint" in note]
    return Training("; ".join([*without, f"{name} is trained on as {started.name}"]))


def words(study: studies.StudyFolder, error: Exception) -> str:
    """The message for one of REFUSALS."""
    if isinstance(error, OSError):
        return f"{error.filename or study.path}: {error.strerror or error}"
    return str(error)


def prepared_file(
    study: studies.StudyFolder, row: rows.TrialRow, to: int
) -> tuple[Path, list[str]]:
    """The study file that trains it on, and what is to be said about it.

    Its folder holds the checkpoint that the trial goes on from.
    """
    runs, name = study.path.parent, f"{study.name}-{row.number}-to-{to}"
    before = newest_study(runs, name)
    if before is not None and prepared.file_of(before).is_file():
        return prepared.file_of(before), []
    checkpoint = study.saved(row.number)
    reached = 0 if checkpoint is None else int(checkpoint.name)
    unit = study.spec.pruning.unit
    if to <= reached:
        has = f"{trial_name(row.number)} has a checkpoint of {unit} {reached}"
        raise _RefusedError(f"{study.name}: {has}; give more than that")
    notes = []
    if checkpoint is None:
        without = f"{trial_name(row.number)} has no checkpoint{_why_none(study, row)}"
        notes.append(f"{without}; it starts from the beginning")
    folder = prepared.new_folder(runs, name)
    about = f"# {trial_name(row.number)} of {study.name}, trained on to {unit} {to}\n\n"
    file, text = prepared.file_of(folder), about + written(_document(study, row, name, to))
    file.write_text(text, encoding="utf-8")
    _fill(folder, study, row, checkpoint)
    prepared.prepare(folder, text, study.spec.objective.metric)
    what = f"{trial_name(row.number)} is trained on as {folder.name}, from {unit} {reached}"
    return file, [*notes, f"{what}; its study file is {studies.short_path(file)}"]


def _why_none(study: studies.StudyFolder, row: rows.TrialRow) -> str:
    """Why a trial has no checkpoint, as far as is known: ", as …"."""
    if not study.spec.trial.may_save:
        return ", as its code saves none"
    found, _ = study.best(study.reader.trials())
    is_best = found is not None and found.number == row.number
    if study.spec.trial.keep_checkpoints == "best" and not is_best:
        return ', as keep_checkpoints = "best" keeps it of the best trial only'
    return "" if row.checkpoint is None else ", as the one it had was removed"


def _fill(
    folder: Path, study: studies.StudyFolder, row: rows.TrialRow, checkpoint: Path | None
) -> None:
    """Give the first trial of the new study its configuration and its checkpoint."""
    trial = folder / prepared.ASIDE / "0000"
    trial.mkdir(parents=True, mode=0o700)
    config = study.spec.space.nested(row.config)
    (trial / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    if checkpoint is not None:
        try:
            shutil.copytree(checkpoint, trial / CHECKPOINTS / checkpoint.name)
        except shutil.Error as error:
            words = f"{study.name}: {checkpoint}: was removed while it was copied; try again"
            raise _RefusedError(words) from error


def _document(study: studies.StudyFolder, row: rows.TrialRow, name: str, to: int) -> Document:
    """The study file of one trial: this configuration, no pruning, no limits."""
    _, document = load_whole(study.path / DOCUMENT, check_target=False)
    spec, source = study.spec, study.source
    trial = {key: v for key, v in document["trial"].items() if key not in _DROPPED}
    trial["cwd"] = str(working_folder(str(source), spec.trial.cwd))
    if (python := spec.trial.python) is not None and (source.parent / python).exists():
        trial["python"] = str(source.parent / python)
    trial["keep_checkpoints"] = "all"
    pruning: Document = {"max": to}
    if spec.pruning.resource is not None:
        pruning["resource"] = spec.pruning.resource
    limits = document.get("limits", {})
    made: Document = {
        "study": {"name": name},
        "objective": document["objective"],
        "trial": trial,
        "space": _space(study, row, document["space"]),
        "search": {
            "method": "random",
            "trials": 1,
            "seed": spec.search.seed,
            "points": [{n: v for n, v in row.config.items() if n in _searched(study)}],
            "from": f"{trial_name(row.number)} of {study.name}",
        },
        "pruning": pruning,
        "limits": {key: limits[key] for key in _KEPT_LIMITS if key in limits},
        "log": {"to": list(spec.log.to)},
    }
    return made | {key: document[key] for key in ("devices", "notify") if key in document}


def _searched(study: studies.StudyFolder) -> set[str]:
    return {p.name for p in study.spec.space.parameters if not isinstance(p, Sampled)}


def _space(study: studies.StudyFolder, row: rows.TrialRow, content: Document) -> Document:
    """The same space, with the values of this trial where a function has sampled them.

    Its constraints may have changed since, and are left out.
    """
    space = {name: entry for name, entry in content.items() if name != nesting.CONSTRAINTS}
    sampled = {p.name for p in study.spec.space.sampled if p.name in row.config}
    if not sampled:
        return space
    flat, _ = nesting.flattened(space, Problems(""))
    for name in sampled:
        flat[name] = {"value": row.config[name]}
    return study.spec.space.nested(flat)
