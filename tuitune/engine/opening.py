"""What a run is asked for, and the executor that follows from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tuitune.control import socket_path
from tuitune.core.placement.snapshots import Snapshot
from tuitune.core.spec import StudySpec
from tuitune.engine.cluster import cluster_executor
from tuitune.engine.orders import import_environment
from tuitune.engine.ports import Timeouts
from tuitune.engine.settings import CannotRunError
from tuitune.executors.base import Executor, Plan, Sink
from tuitune.executors.local.interpreter import Interpreter
from tuitune.executors.registry import DEFAULT, find_executor
from tuitune.messages.command import variables_of_all
from tuitune.plugins import PluginError
from tuitune.store.journal import Journal
from tuitune.studyfile.trial import working_folder

Note = Callable[[str], None]
MakeExecutor = Callable[[Sink, Note], Executor]


@dataclass(frozen=True, slots=True)
class Opening:
    """The study to be run, its folder and its file."""

    spec: StudySpec
    folder: Path  # the study folder, which exists
    as_run: str  # the text of its study.toml
    source: Path  # the study file
    steal: bool = False
    executor: str | None = None  # its name; None: the one of the last run, or the default
    is_whole_process: bool = False  # this process does nothing else
    on: str | None = None  # the Ray cluster whose nodes run the trials, as `--on` names it
    hold: float = 0.0  # s that a finished study waits for a first request, which may add to it
    timeouts: Timeouts = field(default_factory=Timeouts)


def executor_maker(
    opening: Opening, journal: Journal, python: Interpreter, seen: Snapshot
) -> MakeExecutor:
    """Makes the executor that is asked for, or that ran the study last. Raises CannotRunError."""
    plan = _plan(opening, python, seen)
    moved = _moved(opening, journal)
    if opening.on is not None:
        return _noting(moved, cluster_executor(opening.on, plan, opening.spec))
    before = journal.get("executor") or DEFAULT
    name = opening.executor or before
    try:
        factory = find_executor(name)
    except PluginError as error:
        raise CannotRunError(f"{opening.folder.name}: its executor: {error}") from error
    if name != before:
        journal.put("executor", name)
    return _noting(moved, lambda sink, _: factory(plan, sink, time.time))


def _moved(opening: Opening, journal: Journal) -> str:
    """A message if the study ran elsewhere before; remembers where it runs now."""
    before, now = journal.get("on") or "", opening.on or ""
    if now == before:
        return ""
    journal.put("on", now)
    if not (journal.get("source") and before):
        return ""
    return f"ran on {before} before, now {f'on {now}' if now else 'on this machine'}"


def _noting(text: str, make: MakeExecutor) -> MakeExecutor:
    def noting(sink: Sink, note: Note) -> Executor:
        if text:
            note(text)
        return make(sink, note)

    return noting


def _plan(opening: Opening, python: Interpreter, seen: Snapshot) -> Plan:
    spec, folder = opening.spec, opening.folder
    return Plan(
        target=spec.trial.target,
        folder=str(working_folder(spec.file, spec.trial.cwd)),
        study_folder=str(folder),
        socket=str(socket_path(folder, "trials")),
        env={
            **import_environment(spec, seen),
            **variables_of_all(spec.trial.env, {p.name for p in spec.space.parameters}),
        },
        samplers=tuple(p.target for p in spec.space.sampled),
        python=python.path,
        adopt_orphans=opening.is_whole_process,
    )
