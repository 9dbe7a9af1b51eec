"""The request of a run command, and the study that it means."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from tuitune.cli.startup_pipe import StartupTimeouts
from tuitune.cli.studies import StudyFolder, short_path
from tuitune.core.events import TrialState
from tuitune.devices.host import host_room
from tuitune.devices.watchdog import has_driver
from tuitune.engine.cluster import check_cluster
from tuitune.engine.settings import check_machine, look_for
from tuitune.executors.registry import DEFAULT, find_executor
from tuitune.plugins import PluginError
from tuitune.store import owner
from tuitune.store.folder import create_study, newest_study
from tuitune.studyfile import load_whole
from tuitune.studyfile.changes import changes
from tuitune.studyfile.document import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tuitune.core.spec import StudySpec
    from tuitune.store.rows import TrialRow


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The arguments of a run command."""

    file: Path
    runs: Path  # absolute: trials have another current folder
    overrides: tuple[str, ...] = ()
    new: bool = False
    steal: bool = False
    as_json: bool = False
    hold: bool = False  # run a finished study, which is about to be asked for more
    executor: str | None = None  # its name; None: as before, or the default one
    on: str | None = None  # the Ray cluster whose nodes run the trials; None: this machine does
    timeouts: StartupTimeouts = field(default_factory=StartupTimeouts)


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a request leads to: run the study, follow its engine, or print how it ended."""

    does: Literal["run", "follow", "tell"]
    spec: StudySpec
    document: Mapping[str, Any]  # the study file's tables
    study: StudyFolder


class RefusedError(Exception):
    """The request can't be met; str() says why and what to do."""


def resolve(request: RunRequest, study: StudyFolder | None = None) -> Resolution:
    """Resolve a request for `study`, else for the newest of the file, else for a new one.

    Creates the folder of a new study. Prints which changes of the file a continued study adopts.
    Raises StudyFileError, CannotRunError, StoreError and RefusedError.
    """
    spec, document = load_whole(request.file, overrides=request.overrides)
    _check_executor(request.executor)
    if request.on is None:
        check_machine(spec, host_room(), None if has_driver() else look_for(spec))
    else:
        check_cluster(request.on, spec)
    if study is None:
        found = None if request.new else newest_study(request.runs, spec.name)
        if found is None:
            folder = create_study(request.runs, spec.name, another=request.new)
            if folder is None:  # another command has begun it at the same moment
                return resolve(request)
            return Resolution("run", spec, document, StudyFolder(folder))
        study = StudyFolder(found)
    taken, refused = changes(study.spec, spec)
    rows = study.reader.trials()
    if refused and rows:
        raise RefusedError(_refusal(request, study, [str(change) for change in refused]))
    if _is_run_elsewhere(study, steal=request.steal):
        return Resolution("follow", spec, document, study)
    trials_then = study.spec.search.trials
    is_over = study.state() == "finished" and spec.search.trials <= max(len(rows), trials_then)
    if is_over and not request.hold and not _has_never_worked(rows):
        return Resolution("tell", spec, document, study)
    for change in taken:
        print(f"{study.name}: changed: {change}", file=sys.stderr)
    return Resolution("run", spec, document, study)


def _has_never_worked(rows: Sequence[TrialRow]) -> bool:
    """Whether all trials have failed before they reported, which a run tries again."""
    return bool(rows) and all(
        row.state == TrialState.FAILED and row.value is None and row.started is not None
        for row in rows
    )


def _is_run_elsewhere(study: StudyFolder, *, steal: bool) -> bool:
    """Whether an engine runs it; of one in another container of this machine, the lock decides."""
    engine = study.owner()
    if engine is None:
        return False
    may_be_dead = owner.is_alive(engine) is None
    return not (may_be_dead and (steal or owner.is_of_this_kernel(engine)))


def _check_executor(name: str | None) -> None:
    try:
        find_executor(name or DEFAULT)
    except PluginError as error:
        raise RefusedError(f"--executor {name}: {error}") from error


def as_run(request: RunRequest, document: Mapping[str, Any], name: str) -> str:
    """The text of the study file with the overrides of the command line in it."""
    named = {**document, "study": {**document.get("study", {}), "name": name}}
    return f"# {request.file.resolve()} as it was last run\n\n{written(named)}"


def _refusal(request: RunRequest, study: StudyFolder, differences: list[str]) -> str:
    flags = [word for override in request.overrides for word in ("--set", override)]
    command = shlex.join(["tuitune", short_path(request.file), *flags, "--new"])
    lines = [
        f"{study.name}: {request.file} describes a different search than the stored study:",
        *(f"  {difference}" for difference in differences),
        f"`{command}` starts a new study; or change these keys back to continue {study.name}.",
    ]
    return "\n".join(lines)
