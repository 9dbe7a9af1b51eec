"""Opening of the app on a study, and the lines printed after it is closed.

Modules that only the start of an engine or the last lines need are imported then: the screen
comes first.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune import ui
from tuitune.cli.studies import StudyFolder, open_study, short_path
from tuitune.control import ControlError
from tuitune.store.errors import StoreError
from tuitune.store.folder import DOCUMENT, all_studies
from tuitune.studyfile import StudyFileError
from tuitune.ui.state.options import ConfigurationError, OpenedStudy, StudyList

if TYPE_CHECKING:
    from tuitune.cli.run_request import RunRequest

PROBLEMS = (StudyFileError, StoreError, ControlError, ConfigurationError)


@dataclass(frozen=True, slots=True)
class AppOptions:
    """How the app is to look and what it may do."""

    readonly: bool = False
    ascii_only: bool = False
    no_color: bool = False


def has_terminal() -> bool:
    """Whether an app can be shown: it reads keys, and steers what it writes to."""
    try:
        return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # closed, or never there
        return False


def run_with_app(request: RunRequest, look: AppOptions) -> int:
    """Begin, continue or attach to the study that was asked for, and show it."""
    from tuitune.cli.launch import PROBLEMS as NOT_BEGUN
    from tuitune.cli.launch import begin_engine

    try:
        study = begin_engine(request, meanwhile=partial(ui.load, **asdict(look)))
        return _show(_opened(study.path, request.file, request), look)
    except (*PROBLEMS, *NOT_BEGUN) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped before the study began", file=sys.stderr)
        return 130


def attach(text: str | None, runs: Path, look: AppOptions) -> int:
    """Show a study: this one, else the only one that runs, else the newest."""
    if not has_terminal():
        print("the app needs a terminal; `tuitune show STUDY` prints instead", file=sys.stderr)
        return 2
    if text is not None:
        study = open_study(text, runs)
        return 2 if study is None else _show_stored(study, look)
    folders = all_studies(runs)
    running = [folder for folder in folders if StudyFolder(folder).owner() is not None]
    if len(running) > 1 or not folders:
        return choose(runs, look)
    return _show_stored(StudyFolder((running or folders)[0]), look)


def choose(runs: Path, look: AppOptions) -> int:
    """Show this machine's studies, and the one that is chosen."""
    try:
        code, shown = ui.open_app(StudyList(runs, _stored), **asdict(look))
    except PROBLEMS as error:
        print(error, file=sys.stderr)
        return 2
    if code or shown is None:
        return code
    return _farewell(StudyFolder(shown.folder), shown.file)


def _show_stored(study: StudyFolder, look: AppOptions) -> int:
    try:
        return _show(_stored(study.path), look)
    except PROBLEMS as error:
        print(error, file=sys.stderr)
        return 2


def _stored(folder: Path) -> OpenedStudy:
    """The study of a folder, as it was run last."""
    source = StudyFolder(folder).reader.get("source")
    return _opened(folder, Path(source or folder / DOCUMENT))


def _opened(folder: Path, file: Path, request: RunRequest | None = None) -> OpenedStudy:
    """request: what an engine that is started again runs; None: the study as it is."""
    return OpenedStudy(
        folder, short_path(file.absolute()), partial(_restart, folder, file, request)
    )


def _show(study: OpenedStudy, look: AppOptions) -> int:
    folder = StudyFolder(study.folder)
    try:
        code, _ = ui.open_app(study, **asdict(look))
    except PROBLEMS as error:
        print(error, file=sys.stderr)
        if folder.owner() is not None:
            print(_running_on(folder.name))
        return 2
    return code or _farewell(StudyFolder(study.folder), study.file)


def _restart(folder: Path, file: Path, request: RunRequest | None) -> str:
    """Begins an engine; says why where it can't."""
    from tuitune.cli.launch import PROBLEMS as NOT_BEGUN
    from tuitune.cli.launch import begin_engine
    from tuitune.cli.run_request import RunRequest

    study = StudyFolder(folder)
    said = request or RunRequest(file, folder.parent)
    try:
        begin_engine(replace(said, overrides=(*said.overrides, *_kept(study))), study)
    except NOT_BEGUN as error:
        return str(error)
    return ""


def _kept(study: StudyFolder) -> list[str]:
    """What the app itself changes of a study: it goes on with that, whatever the file says."""
    search = study.spec.search
    asked = {"trials": search.trials, "concurrency": search.concurrency}
    return [f"search.{name}={number}" for name, number in asked.items() if number is not None]


def _farewell(study: StudyFolder, file: str) -> int:
    """How to come back, or how it ended: what stays on the terminal. The exit status."""
    from tuitune.cli.launch import remove_unbegun
    from tuitune.cli.summary import print_result, result_in

    name = study.name
    engine, row = study.reader.engine(), study.reader.study()
    leaving = row.finished and engine is not None and engine.phase != "importing"
    if study.owner() is not None and not leaving:
        print(_running_on(name))
        return 0
    if engine is not None and engine.phase == "failed":
        print(engine.words, file=sys.stderr)
        remove_unbegun(study.path)
        return 1 if engine.broke_down else 2
    if row.failed:
        print(row.halted, file=sys.stderr)
        return 1
    if row.state(running=False) != "finished":
        print(f"{name}: interrupted; `tuitune {file}` continues it")
        return 130
    return print_result(result_in(study))


def _running_on(name: str) -> str:
    return f"{name}: runs on; `tuitune attach {name}` shows it, `tuitune stop {name}` stops it"
