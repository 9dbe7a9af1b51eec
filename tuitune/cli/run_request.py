"""The request of a run command, and the study that it means."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from tuitune import plugins, studyfile
from tuitune.cli import startup_pipe, studies
from tuitune.core.events import TrialState
from tuitune.core.spec import StudySpec
from tuitune.devices import host, watchdog
from tuitune.engine import cluster, settings, storing
from tuitune.executors.registry import DEFAULT, find_executor
from tuitune.store import owner
from tuitune.store.folder import create_study, newest_study
from tuitune.store.rows import TrialRow
from tuitune.studyfile.changes import changes
from tuitune.studyfile.document import written


class RunRequest(msgspec.Struct, frozen=True):
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
    storage: str | None = None  # a path or a URL, as `storing.place_of` gives it
    timeouts: startup_pipe.StartupTimeouts = startup_pipe.StartupTimeouts()


class Resolution(msgspec.Struct, frozen=True):
    """What a request leads to: run the study, follow its engine, or print how it ended."""

    does: Literal["run", "follow", "tell"]
    spec: StudySpec
    document: Mapping[str, Any]  # the study file's tables
    study: studies.StudyFolder


class RefusedError(Exception):
    """The request can't be met; str() says why and what to do."""


def resolve(request: RunRequest, study: studies.StudyFolder | None = None) -> Resolution:
    """Resolve a request for `study`, else for the newest of the file, else for a new one.

    Creates the folder of a new study. Prints which changes of the file a continued study adopts.
    Raises StudyFileError, CannotRunError, StoreError and RefusedError.
    """
    spec, document = studyfile.load_whole(request.file, overrides=request.overrides)
    _check_executor(request.executor)
    if request.storage is not None:
        storing.check_storage(request.storage, request.on)
    if request.on is None:
        settings.check_machine(
            spec, host.host_room(), None if watchdog.has_driver() else settings.look_for(spec)
        )
    else:
        cluster.check_cluster(request.on, spec)
    if study is None:
        found = None if request.new else newest_study(request.runs, spec.name)
        if found is None:
            folder = create_study(request.runs, spec.name, another=request.new)
            if folder is None:  # another command has begun it at the same moment
                return resolve(request)
            return Resolution("run", spec, document, studies.StudyFolder(folder))
        study = studies.StudyFolder(found)
    taken, refused = changes(study.spec, spec)
    rows = study.reader.trials()
    if refused and rows:
        raise RefusedError(_refusal(request, study, [str(change) for change in refused]))
    if _is_run_elsewhere(study, steal=request.steal):
        _check_place(request, study)
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


def _is_run_elsewhere(study: studies.StudyFolder, *, steal: bool) -> bool:
    """Whether an engine runs it; of one in another container of this machine, the lock decides."""
    engine = study.owner()
    if engine is None:
        return False
    may_be_dead = owner.is_alive(engine) is None
    return not (may_be_dead and (steal or owner.is_of_this_kernel(engine)))


def _check_place(request: RunRequest, study: studies.StudyFolder) -> None:
    """Raise RefusedError if it runs now where `--on` does not mean."""
    on, place = request.on, study.reader.get("on") or "this machine"
    if on is None or on in place or (on == "ray" and place != "this machine"):
        return
    raise RefusedError(
        f"--on {on}: {study.name} runs on {place} now: `tuitune stop {study.name}` stops it, and "
        f"the same command goes on there"
    )


def _check_executor(name: str | None) -> None:
    try:
        find_executor(name or DEFAULT)
    except plugins.PluginError as error:
        raise RefusedError(f"--executor {name}: {error}") from error


def as_run(request: RunRequest, document: Mapping[str, Any], name: str) -> str:
    """The text of the study file with the overrides of the command line in it."""
    named = {**document, "study": {**document.get("study", {}), "name": name}}
    return f"# {request.file.resolve()} as it was last run\n\n{written(named)}"


def _refusal(request: RunRequest, study: studies.StudyFolder, differences: list[str]) -> str:
    flags = [word for override in request.overrides for word in ("--set", override)]
    command = shlex.join(["tuitune", studies.short_path(request.file), *flags, "--new"])
    lines = [
        f"{study.name}: {request.file} describes a different search than the stored study:",
        *(f"  {difference}" for difference in differences),
        f"`{command}` starts a new study; or change these keys back to continue {study.name}.",
    ]
    return "\n".join(lines)
