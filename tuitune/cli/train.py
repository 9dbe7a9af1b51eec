"""`train`: a trial of a study trained on, as the only trial of a study of its own."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuitune.cli.app import AppOptions, has_terminal, run_with_app
from tuitune.cli.best import find_trial
from tuitune.cli.prepared import ASIDE, file_of, new_folder, prepare
from tuitune.cli.run import run_study
from tuitune.cli.run_request import RunRequest
from tuitune.cli.studies import StudyFolder, open_study, short_path
from tuitune.core.space import Sampled
from tuitune.messages.text import trial_name
from tuitune.store.errors import StoreError
from tuitune.store.folder import DOCUMENT, newest_study
from tuitune.studyfile import load_whole
from tuitune.studyfile.document import written
from tuitune.studyfile.nesting import CONSTRAINTS, flattened
from tuitune.studyfile.problems import Problems
from tuitune.studyfile.trial import working_folder
from tuitune.trial.checkpoints import CHECKPOINTS

if TYPE_CHECKING:
    from tuitune.store.rows import TrialRow

Document = dict[str, Any]
_KEPT_LIMITS, _DROPPED = ("disk_free",), ("timeout", "keep_checkpoints")  # keys


class _RefusedError(Exception):
    """The trial can't be trained on; str() says why."""


def train_on(
    text: str | None, runs: Path, trial: int | None, to: int, app: AppOptions | None
) -> int:
    """Train this trial, or the best one, on to step `to`; the exit status of the run.

    app: None for lines, also where there is no terminal.
    """
    study = open_study(text, runs)
    if study is None:
        return 2
    try:
        file = _prepared(study, find_trial(study, trial), to)
    except (StoreError, _RefusedError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename or study.path}: {error.strerror or error}", file=sys.stderr)
        return 2
    request = RunRequest(file, study.path.parent.absolute())
    if app is not None and has_terminal():
        return run_with_app(request, app)
    return run_study(request)


def _prepared(study: StudyFolder, row: TrialRow, to: int) -> Path:
    """The study file that trains it on; its folder holds the checkpoint that it goes on from."""
    runs, name = study.path.parent, f"{study.name}-{row.number}-to-{to}"
    before = newest_study(runs, name)
    if before is not None and file_of(before).is_file():
        return file_of(before)
    checkpoint = study.saved(row.number)
    reached = 0 if checkpoint is None else int(checkpoint.name)
    unit = study.spec.pruning.unit
    if to <= reached:
        has = f"{trial_name(row.number)} has a checkpoint of {unit} {reached}"
        raise _RefusedError(f"{study.name}: {has}: --to has to be more than that")
    if checkpoint is None:
        kept = 'as keep_checkpoints = "best" keeps it of the best trial only'
        words = f"{trial_name(row.number)} has no checkpoint, {kept}; it starts from the beginning"
        print(f"{study.name}: {words}", file=sys.stderr)
    folder = new_folder(runs, name)
    about = f"# {trial_name(row.number)} of {study.name}, trained on to {unit} {to}\n\n"
    file, text = file_of(folder), about + written(_document(study, row, name, to))
    file.write_text(text, encoding="utf-8")
    _fill(folder, study, row, checkpoint)
    prepare(folder, text, study.spec.objective.metric)
    what = f"{trial_name(row.number)} is trained on as {folder.name}, from {unit} {reached}"
    print(f"{study.name}: {what}; its study file is {short_path(file)}", file=sys.stderr)
    return file


def _fill(folder: Path, study: StudyFolder, row: TrialRow, checkpoint: Path | None) -> None:
    """Give the first trial of the new study its configuration and its checkpoint."""
    trial = folder / ASIDE / "0000"
    trial.mkdir(parents=True, mode=0o700)
    config = study.spec.space.nested(row.config)
    (trial / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    if checkpoint is not None:
        try:
            shutil.copytree(checkpoint, trial / CHECKPOINTS / checkpoint.name)
        except shutil.Error as error:
            words = f"{study.name}: {checkpoint}: was removed while it was copied; try again"
            raise _RefusedError(words) from error


def _document(study: StudyFolder, row: TrialRow, name: str, to: int) -> Document:
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


def _searched(study: StudyFolder) -> set[str]:
    return {p.name for p in study.spec.space.parameters if not isinstance(p, Sampled)}


def _space(study: StudyFolder, row: TrialRow, content: Document) -> Document:
    """The same space, with the values of this trial where a function has sampled them.

    Its constraints may have changed since, and are left out.
    """
    space = {name: entry for name, entry in content.items() if name != CONSTRAINTS}
    sampled = {p.name for p in study.spec.space.sampled if p.name in row.config}
    if not sampled:
        return space
    flat, _ = flattened(space, Problems(""))
    for name in sampled:
        flat[name] = {"value": row.config[name]}
    return study.spec.space.nested(flat)
