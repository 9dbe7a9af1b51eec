"""What a run is asked for, and the executor that follows from it."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tuitune import control, plugins
from tuitune.core.placement.snapshots import Snapshot
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study
from tuitune.engine import cluster, orders, ports, settings, storing
from tuitune.executors import base, registry
from tuitune.executors.local.interpreter import Interpreter
from tuitune.messages.command import variables_of_all
from tuitune.store.journal import Journal
from tuitune.studyfile.trial import working_folder

Note = Callable[[str], None]
MakeExecutor = Callable[[base.Sink, Note, Study], base.Executor]


class Opening(msgspec.Struct, frozen=True):
    """The study to be run, its folder and its file."""

    spec: StudySpec
    folder: Path  # the study folder, which exists
    as_run: str  # the text of its study.toml
    source: Path  # the study file
    steal: bool = False
    executor: str | None = None  # its name; None: the one of the last run, or the default
    is_whole_process: bool = False  # this process does nothing else
    on: str | None = None  # the Ray cluster whose nodes run the trials, as `--on` names it
    storage: str | None = None  # a path or a URL; None: the study folder keeps the checkpoints
    hold: float = 0.0  # s that a finished study waits for a first request, which may add to it
    timeouts: ports.Timeouts = ports.Timeouts()


def executor_maker(
    opening: Opening, journal: Journal, python: Interpreter, seen: Snapshot
) -> MakeExecutor:
    """Makes the executor that is asked for, or that ran the study last. Raises CannotRunError."""
    plan = _plan(opening, python, seen)
    stored = storing.moved_storage(journal, opening.storage)
    if opening.on is not None:
        files = storing.files_of(opening.spec, journal, opening.folder, opening.storage)
        return _noting(stored, cluster.cluster_executor(opening.on, plan, opening.spec, files))
    before = journal.get("executor") or registry.DEFAULT
    name = opening.executor or before
    try:
        factory = registry.find_executor(name)
    except plugins.PluginError as error:
        raise settings.CannotRunError(f"{opening.folder.name}: its executor: {error}") from error
    if name != before:
        journal.put("executor", name)
    return _noting(stored, lambda sink, _, __: factory(plan, sink, time.time))


def moved(journal: Journal, place: str, *, has_run: bool) -> str:
    """A message if the study ran elsewhere before; remembers the place where it runs now.

    place: as `HasNodes.place`; empty: this machine.
    """
    before = journal.get("on") or ""
    if place != before:
        journal.put("on", place)
    if place == before or not has_run:
        return ""
    return f"ran on {before or 'this machine'} before, now on {place or 'this machine'}"


def _noting(text: str, make: MakeExecutor) -> MakeExecutor:
    def noting(sink: base.Sink, note: Note, study: Study) -> base.Executor:
        if text:
            note(text)
        return make(sink, note, study)

    return noting


def _plan(opening: Opening, python: Interpreter, seen: Snapshot) -> base.Plan:
    spec, folder = opening.spec, opening.folder
    return base.Plan(
        target=spec.trial.target,
        folder=str(working_folder(spec.file, spec.trial.cwd)),
        study_folder=str(folder),
        socket=str(control.socket_path(folder, "trials")),
        env={
            **orders.import_environment(spec, seen),
            **variables_of_all(spec.trial.env, {p.name for p in spec.space.parameters}),
        },
        samplers=tuple(p.target for p in spec.space.sampled),
        python=python.path,
        adopt_orphans=opening.is_whole_process,
    )
