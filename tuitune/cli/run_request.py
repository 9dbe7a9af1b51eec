"""What does `tuitune FILE` mean now: begin, go on, follow, or tell how it ended?"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tuitune.cli.startup_pipe import StartupTimeouts
from tuitune.cli.studies import StudyFolder, short_path
from tuitune.devices.host import host_room
from tuitune.devices.watchdog import has_driver, look
from tuitune.engine.settings import check_machine
from tuitune.executors.registry import DEFAULT, find_executor
from tuitune.plugins import PluginError
from tuitune.store.folder import newest_study
from tuitune.studyfile import load, load_document
from tuitune.studyfile.changes import changes
from tuitune.studyfile.document import written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuitune.core.spec import StudySpec


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was said on the command line."""

    file: Path
    runs: Path  # absolute: trials have another current folder
    overrides: tuple[str, ...] = ()
    new: bool = False
    steal: bool = False
    as_json: bool = False
    executor: str | None = None  # its name; None: as before, or the default one
    timeouts: StartupTimeouts = field(default_factory=StartupTimeouts)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a wish comes to. `taken`: what the study file has that the study is yet to take over."""

    does: Literal["begin", "go on", "follow", "tell"]
    spec: StudySpec
    study: StudyFolder | None  # None where one is to begin
    taken: Sequence[str] = ()


class RefusedError(Exception):
    """The request can't be met; str() says why and the mend."""


def resolve(request: RunRequest, study: StudyFolder | None = None) -> Resolution:
    """Of this study, or of the newest that the file has begun.

    Raises StudyFileError, CannotRunError, StoreError and RefusedError.
    """
    spec = load(request.file, overrides=request.overrides)
    _check_executor(request.executor)
    check_machine(spec, host_room(), None if has_driver() else look())
    if study is None:
        found = None if request.new else newest_study(request.runs, spec.name)
        if found is None:
            return Resolution("begin", spec, None)
        study = StudyFolder(found)
    taken, refused = changes(study.spec, spec)
    rows = study.reader.trials()
    if refused and rows:
        raise RefusedError(_refusal(request, study, [str(change) for change in refused]))
    if study.owner() is not None:
        return Resolution("follow", spec, study)
    trials_then = study.spec.search.trials
    if study.state() == "finished" and spec.search.trials <= max(len(rows), trials_then):
        return Resolution("tell", spec, study)
    return Resolution("go on", spec, study, [str(change) for change in taken])


def _check_executor(name: str | None) -> None:
    try:
        find_executor(name or DEFAULT)
    except PluginError as error:
        raise RefusedError(f"--executor {name}: {error}") from error


def as_run(request: RunRequest, name: str) -> str:
    """The study file with what was said on the command line worked in."""
    document = load_document(request.file, request.overrides)
    named = {**document, "study": {**document.get("study", {}), "name": name}}
    return f"# {request.file.resolve()} as it was last run\n\n{written(named)}"


def _refusal(request: RunRequest, study: StudyFolder, differences: list[str]) -> str:
    said = [word for override in request.overrides for word in ("--set", override)]
    command = shlex.join(["tuitune", short_path(request.file), *said, "--new"])
    lines = [
        f"{study.name}: {request.file} describes a different search than the stored study:",
        *(f"  {difference}" for difference in differences),
        f"`{command}` starts a new study; or change these keys back to continue {study.name}.",
    ]
    return "\n".join(lines)
