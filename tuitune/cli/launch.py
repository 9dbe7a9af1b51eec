"""How does an engine begin that outlives the terminal it was asked for at?"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tuitune.cli import early_signals
from tuitune.cli.logind import scope
from tuitune.cli.run_request import RefusedError, resolve
from tuitune.cli.startup_pipe import Failed, Listening, StartupReader
from tuitune.cli.studies import StudyFolder
from tuitune.engine.settings import CannotRunError
from tuitune.store import owner
from tuitune.store.errors import StoreError
from tuitune.store.folder import DATABASE, DOCUMENT, LOG, create_study, remove_bare
from tuitune.store.reader import Reader
from tuitune.studyfile import StudyFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tuitune.cli.run_request import RunRequest
    from tuitune.cli.startup_pipe import StartupTimeouts

STEP = 0.02  # s
TAIL = 15  # lines


class StartError(Exception):
    """No engine could begin; str() says why, in words or as the training code's traceback."""


PROBLEMS = (StartError, RefusedError, CannotRunError, StudyFileError, StoreError)


def begin_engine(
    request: RunRequest,
    study: StudyFolder | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> StudyFolder:
    """The study that the wish means, with an engine unless it is finished.

    `meanwhile` is called while the engine starts. What the import of the training code says later
    than at once is in the store. Raises PROBLEMS.
    """
    resolution = resolve(request, study)
    if resolution.does in {"follow", "tell"}:
        assert resolution.study is not None
        return resolution.study
    found = resolution.study
    if found is None:
        folder = create_study(request.runs, resolution.spec.name, another=request.new)
        if folder is None:  # somebody has begun it at the same moment
            return begin_engine(request, None, meanwhile)
        found = StudyFolder(folder)
    for change in resolution.taken:
        print(f"{found.name}: taken over: {change}", file=sys.stderr)
    try:
        _start(request, found.path, meanwhile)
    except BaseException:
        remove_unbegun(found.path)
        raise
    return StudyFolder(found.path)  # read anew: the study file may be another now


def remove_unbegun(folder: Path) -> bool:
    """Remove a study in which nothing has happened, unless an engine has it.

    What trials or users have left there is never removed, whatever has become of the database.
    """
    try:
        held = owner.claim(folder)
    except StoreError:
        return False
    try:
        return not _has_facts(folder) and remove_bare(folder)
    except (OSError, StoreError):
        return False
    finally:
        held.release()


def _has_facts(folder: Path) -> bool:
    path = folder / DATABASE
    if not path.exists():
        return False
    reader = Reader.open(path)
    try:
        return reader.changes().seq > 0
    finally:
        reader.close()


def _start(request: RunRequest, folder: Path, meanwhile: Callable[[], object]) -> None:
    """Raises StartError, and what `meanwhile` raises, with the engine told to end."""
    place = scope()
    if place.words:
        print(f"{folder.name}: {place.words}", file=sys.stderr)
    ours, theirs = os.pipe()
    try:
        engine = _spawn(request, folder, theirs, place.prefix)
    finally:
        os.close(theirs)
    try:
        with contextlib.closing(StartupReader(ours)) as startup:
            meanwhile()
            _wait_for_start(startup, folder, request.timeouts)
    except BaseException:
        engine.terminate()
        engine.wait()
        raise


def _spawn(
    request: RunRequest, folder: Path, startup: int, prefix: tuple[str, ...]
) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tuitune", "engine", str(request.file.absolute())]
    words += ["--folder", str(folder)]
    words += ["--startup", str(startup)]
    words += [word for override in request.overrides for word in ("--set", override)]
    words += ["--steal"] if request.steal else []
    words += ["--executor", request.executor] if request.executor else []
    with (folder / LOG).open("ab") as log, _held_back():
        return subprocess.Popen(
            [*prefix, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[startup],
            start_new_session=True,
        )


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """What is started meanwhile gets signals once it says that it can hear them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, early_signals.ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_for_start(startup: StartupReader, folder: Path, timeouts: StartupTimeouts) -> None:
    """Raises StartError."""
    seconds = timeouts.listening
    try:
        message = startup.wait(seconds)
    except TimeoutError:
        raise StartError(f"{folder}: its engine has not answered within {seconds:g} s") from None
    if message is None:
        raise StartError(f"{folder}: its engine died at its start:\n{_tail(folder)}")
    if isinstance(message, Listening):
        try:
            message = startup.wait(timeouts.early_failure)
        except TimeoutError:
            return
    if isinstance(message, Failed) and not (message.held and another_runs(folder, timeouts)):
        raise StartError(message.error)


def another_runs(folder: Path, timeouts: StartupTimeouts) -> bool:
    """Whether an engine that was begun at the same moment has this study, which is held."""
    end = time.monotonic() + timeouts.taking
    while time.monotonic() < end:
        if owner.running(folder) is not None and (folder / DOCUMENT).exists():
            return True
        time.sleep(STEP)
    return False


def _tail(folder: Path) -> str:
    try:
        text = (folder / LOG).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-TAIL:])
