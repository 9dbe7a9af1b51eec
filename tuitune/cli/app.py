"""Opening of the app on a study, and the lines printed after it is closed.

Modules that only the start of an engine or the last lines need are imported late, so that the
screen appears sooner.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import asdict, replace

from tuitune import control, studyfile, ui
from tuitune.cli.arguments import Refusal
from tuitune.cli.studies import StudyFolder, candidates, file_words, open_study
from tuitune.store import errors, owner
from tuitune.store.folder import DATABASE
from tuitune.ui.state.options import ConfigurationError, OpenedStudy, Options, StudyList, Training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.cli.run_request import RunRequest

_ENDING_ALL = frozenset(("slurmstepd", "tini", "docker-init", "dumb-init", "catatonit"))
_POLL = 0.2  # s
_SIGNALLED = 128  # an app's status above it: the number of a signal
PROBLEMS = (studyfile.StudyFileError, errors.StoreError, control.ControlError, ConfigurationError)


class AppOptions(msgspec.Struct, frozen=True):
    """How the app is drawn, and whether it may change the study."""

    readonly: bool = False
    ascii_only: bool = False
    no_color: bool = False
    theme: str = ""  # "": by the user's file or the terminal's background


def has_terminal() -> bool:
    """Whether standard input and output are a terminal that is not dumb."""
    try:
        return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # closed, or never there
        return False


def run_with_app(request: RunRequest, look: AppOptions) -> int:
    """Begin, continue or attach to the requested study, and show it; the exit status."""
    from tuitune.cli.launch import PROBLEMS as NOT_BEGUN, begin_engine

    try:
        load = cache(partial(ui.load, **asdict(look)))
        study = begin_engine(request, meanwhile=load)  # not called for a study that has ended
        return _show(_opened(study.path, request.file, request), load())
    except (*PROBLEMS, *NOT_BEGUN) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped before the study began", file=sys.stderr)
        return 130


def attach(text: str | None, runs: Path, look: AppOptions) -> int:
    """Show a study: the named one, the only one that runs, or the newest; the exit status."""
    if not has_terminal():
        raise Refusal("the app needs a terminal; `tuitune show STUDY` prints instead")
    if text is not None:
        return _show_stored(open_study(text, runs), look)
    running, folders = candidates(runs)
    if len(running) > 1 or not folders:
        return choose(runs, look)
    return _show_stored(StudyFolder((running or folders)[0]), look)


def show_in_browser(text: str | None, runs: Path, look: AppOptions, server: int) -> int:
    """Show a study by textual-serve; the exit status.

    server: the process of `tuitune serve`, which has started this one and is its terminal.
    """
    from tuitune.ipc.process_tree import die_with_parent

    die_with_parent(server)
    code = 2
    try:
        code = _show_stored(open_study(text, runs), look)
    finally:
        if code == 2:  # Textual may not have said that the app begins, or ends: the page waits
            end = b'{"type": "exit"}'
            os.write(1, b"__GANGLION__\nM%s%s" % (len(end).to_bytes(4, "big"), end))
    return code


def choose(runs: Path, look: AppOptions) -> int:
    """Show this machine's studies, then the one that is chosen; the exit status."""
    try:
        return _left(*ui.open_app(StudyList(runs, _stored), ui.load(**asdict(look))))
    except PROBLEMS as error:
        print(error, file=sys.stderr)
        return 2


def _show_stored(study: StudyFolder, look: AppOptions) -> int:
    try:
        options = ui.load(**asdict(look))
        os.environ.pop("TEXTUAL_DRIVER", None)  # read by now; not for an engine started from here
        return _show(_stored(study.path), options)
    except PROBLEMS as error:
        print(error, file=sys.stderr)
        return 2


def _stored(folder: Path) -> OpenedStudy:
    """The study of a folder, as it was run last."""
    return _opened(folder, StudyFolder(folder).source)


def _opened(folder: Path, file: Path, request: RunRequest | None = None) -> OpenedStudy:
    """request: what an engine that is started again runs; None: the study as it is."""
    restart, train = partial(_restart, folder, file, request), partial(_train, folder)
    return OpenedStudy(folder, file_words(folder, file), restart, train)


def _show(study: OpenedStudy, options: Options) -> int:
    folder = StudyFolder(study.folder)
    try:
        code, left = ui.open_app(StudyList(folder.path.parent, _stored), options, study)
    except PROBLEMS as error:
        print(error, file=sys.stderr)
        if folder.owner() is not None:
            print(_running_on(folder.name))
        return 2
    return _left(code, left)


def _left(code: int, study: OpenedStudy | None) -> int:
    """After the app has ended with this status, on this study or on the list: the command's own."""
    if study is None or not (study.folder / DATABASE).exists():  # it may have been deleted
        return code
    folder = StudyFolder(study.folder)
    if code > _SIGNALLED:
        return _signalled(folder, study.file, code)
    return code or _farewell(folder, study.file)


def _restart(
    folder: Path,
    file: Path,
    request: RunRequest | None,
    overrides: Sequence[str] = (),
    *,
    hold: bool = False,
) -> str:
    """Start an engine; the error message, empty if it has started. See `Restart`."""
    from tuitune.cli.launch import PROBLEMS as NOT_BEGUN, begin_engine
    from tuitune.cli.run_request import RunRequest

    study = StudyFolder(folder)
    base = request or RunRequest(file, folder.parent)
    try:
        changed = (*base.overrides, *_stored_settings(study), *overrides)
        begin_engine(replace(base, overrides=changed, hold=hold), study)
    except NOT_BEGUN as error:
        return str(error)
    return ""


def _train(folder: Path, trial: int, to: int) -> Training:
    """See `TrainOn`."""
    from tuitune.cli.training import train_in_background

    return train_in_background(folder, trial, to)


def _stored_settings(study: StudyFolder) -> list[str]:
    """The settings that the app can change, as overrides: stored values win over the file's."""
    search = study.spec.search
    asked = {"trials": search.trials, "concurrency": search.concurrency}
    return [f"search.{name}={number}" for name, number in asked.items() if number is not None]


def _farewell(study: StudyFolder, file: str) -> int:
    """Print how to open the app again, or how the study ended; the exit status."""
    from tuitune.cli.launch import remove_unbegun
    from tuitune.cli.summary import AGAIN, print_result, result_in

    name = study.name
    engine, row = study.reader.engine(), study.reader.study()
    # a restarted engine has stored a phase later than the end of the study, and no fact yet
    leaving = (
        row.finished
        and engine is not None
        and (engine.phase in ("ended", "failed") or engine.time <= row.opened)
    )
    if study.owner() is not None and not leaving:
        if _is_ended_with_us(study):
            return _stay(study, file)
        print(_running_on(name))
        return 0
    if engine is not None and engine.phase == "failed":
        print(engine.words, file=sys.stderr)
        remove_unbegun(study.path)
        return 1 if engine.broke_down else 2
    if row.failed:
        print(f"{row.halted}; {AGAIN}", file=sys.stderr)
        return 1
    if row.state(running=False) != "finished":
        print(f"{name}: interrupted; `tuitune {file}` continues it")
        return 130
    return print_result(result_in(study))


def _is_ended_with_us(study: StudyFolder) -> bool:
    """Whether its engine ends when this process does, as in a container or a step of SLURM."""
    from tuitune.ipc.process_tree import children

    engine = study.owner()
    if engine is None or not owner.is_alive(engine) or engine.pid not in children(os.getpid()):
        return False
    try:
        parent = Path(f"/proc/{os.getppid()}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        parent = ""
    return os.getpid() == 1 or parent in _ENDING_ALL


def _signalled(study: StudyFolder, file: str, code: int) -> int:
    """The app was told to end by a signal: so is a study that would end with it. The status."""
    if not _is_ended_with_us(study):
        return _farewell(study, file) or code
    _stop(study)
    return _farewell(StudyFolder(study.path), file)


def _stay(study: StudyFolder, file: str) -> int:
    """Wait for the engine; SIGINT, SIGTERM and SIGUSR1 stop the study. The exit status."""
    print(
        f"{study.name}: this container, or job step, ends with this command, so it waits for the "
        f"study; Ctrl-C stops it",
        flush=True,
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):  # process 1 has no defaults
        signal.signal(number, signal.default_int_handler)
    try:
        _wait_for_end(study)
    except KeyboardInterrupt:
        _stop(study)
    return _farewell(StudyFolder(study.path), file)


def _stop(study: StudyFolder) -> None:
    """Stop the study, and wait until its trials have saved and left."""
    from tuitune.control import request, socket_path
    from tuitune.control.requests import Stop

    with suppress(control.ControlError):
        request(socket_path(study.path, "control"), Stop(finish=False, now=False), timeout=10.0)
    _wait_for_end(study)


def _wait_for_end(study: StudyFolder) -> None:
    while study.owner() is not None:
        time.sleep(_POLL)


def _running_on(name: str) -> str:
    return (
        f"{name}: still running; `tuitune attach {name}` shows it, `tuitune stop {name}` stops it"
    )
