"""Start of an engine that outlives its terminal and its login session."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tuitune.cli import early_signals, run_request, startup_pipe, studies
from tuitune.engine.settings import CannotRunError
from tuitune.store import errors, owner
from tuitune.store.folder import DATABASE, DOCUMENT, LOG, remove_bare
from tuitune.store.reader import Reader
from tuitune.studyfile import StudyFileError

_ASK = (
    "busctl",
    "get-property",
    "org.freedesktop.login1",
    "/org/freedesktop/login1",
    "org.freedesktop.login1.Manager",
    "KillUserProcesses",
)
SCOPE = ("systemd-run", "--user", "--scope", "--quiet", "--collect")
PATIENCE = 2.0  # s
WORDS = (
    "this machine ends your processes when you log out (logind's KillUserProcesses); "
    "`loginctl enable-linger` lets studies run on"
)


class SessionScope(msgspec.Struct, frozen=True):
    """How an engine is started so that it outlives its user's session, and what prevents that.

    `prefix` goes before its command. `words` is empty if nothing does.
    """

    prefix: tuple[str, ...] = ()
    words: str = ""


def scope(root: Path = Path("/")) -> SessionScope:
    """Ask logind, where there is one; root's processes are never ended."""
    if os.getuid() == 0 or not (root / "run/systemd/system").is_dir() or not _would_kill(root):
        return SessionScope()
    lingers = (root / "var/lib/systemd/linger" / _user()).exists()
    has_manager = bool(os.environ.get("XDG_RUNTIME_DIR")) and shutil.which(SCOPE[0]) is not None
    return SessionScope(SCOPE if has_manager else (), "" if lingers and has_manager else WORDS)


def _would_kill(root: Path) -> bool:
    """Whether this process is in a login session whose processes logind ends at logout."""
    try:
        group = root / "proc/self/cgroup"
        if "/session-" not in group.read_text(encoding="utf-8", errors="replace"):
            return False
        asked = subprocess.run(_ASK, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.stdout.split() == ["b", "true"]


def _user() -> str:
    import pwd  # noqa: PLC0415 - only where logind ends processes

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


STEP = 0.02  # s
_TAIL = 15  # lines


class StartError(Exception):
    """No engine could begin; str() is a message or the training code's traceback."""


PROBLEMS = (StartError, run_request.RefusedError, CannotRunError, StudyFileError, errors.StoreError)


def begin_engine(
    request: run_request.RunRequest,
    study: studies.StudyFolder | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> studies.StudyFolder:
    """The requested study, with an engine unless it is finished.

    `meanwhile` is called while the engine starts. Raises PROBLEMS; later ones are in the store.
    """
    resolution = run_request.resolve(request, study)
    folder = resolution.study.path
    if resolution.does == "run":
        try:
            _start(request, folder, meanwhile)
        except BaseException:
            remove_unbegun(folder)
            raise
    return studies.StudyFolder(folder)  # opened again: the engine may have changed its study file


def remove_unbegun(folder: Path) -> bool:
    """Remove a study without facts, unless an engine holds it; whether it was removed.

    Files of trials or users are never removed, even if the database is damaged.
    """
    try:
        held = owner.claim(folder)
    except errors.StoreError:
        return False
    try:
        return not _has_facts(folder) and remove_bare(folder)
    except (OSError, errors.StoreError):
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


def _start(request: run_request.RunRequest, folder: Path, meanwhile: Callable[[], object]) -> None:
    """Raises StartError, and what `meanwhile` raises; the engine is ended first."""
    place = scope()
    if place.words:
        print(f"{folder.name}: {place.words}", file=sys.stderr)
    ours, theirs = os.pipe()
    try:
        engine = _spawn(request, folder, theirs, place.prefix)
    finally:
        os.close(theirs)
    try:
        with contextlib.closing(startup_pipe.StartupReader(ours)) as startup:
            meanwhile()
            _wait_for_start(startup, folder, request.timeouts)
    except BaseException:
        engine.terminate()
        engine.wait()
        raise


def _spawn(
    request: run_request.RunRequest, folder: Path, startup: int, prefix: tuple[str, ...]
) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tuitune", "engine", str(request.file.absolute())]
    words += ["--folder", str(folder)]
    words += ["--startup", str(startup)]
    words += [word for override in request.overrides for word in ("--set", override)]
    words += ["--steal"] if request.steal else []
    words += ["--hold"] if request.hold else []
    words += ["--executor", request.executor] if request.executor else []
    words += ["--on", request.on] if request.on else []
    words += ["--storage", request.storage] if request.storage else []
    with (folder / LOG).open("ab") as log, _signals_blocked():
        return subprocess.Popen(
            [*prefix, *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[startup],
            start_new_session=True,
        )


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Processes started within block the ending signals until they can handle them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, early_signals.ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_for_start(
    startup: startup_pipe.StartupReader, folder: Path, timeouts: startup_pipe.StartupTimeouts
) -> None:
    """Raises StartError."""
    seconds = timeouts.listening
    try:
        while isinstance(message := startup.wait(seconds), startup_pipe.Waiting):
            print(f"{folder.name}: {message.text}", file=sys.stderr)
    except TimeoutError:
        raise StartError(f"{folder}: its engine has not answered within {seconds:g} s") from None
    if message is None:
        raise StartError(f"{folder}: its engine failed to start:\n{_tail(folder)}")
    if isinstance(message, startup_pipe.Listening):
        try:
            message = startup.wait(timeouts.early_failure)
        except TimeoutError:
            return
    if isinstance(message, startup_pipe.Failed) and not (
        message.held and another_runs(folder, timeouts)
    ):
        raise StartError(message.error)


def another_runs(folder: Path, timeouts: startup_pipe.StartupTimeouts) -> bool:
    """Whether another engine, started at the same moment, runs this study. Waits for its name."""
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
    return "\n".join(text.splitlines()[-_TAIL:])
