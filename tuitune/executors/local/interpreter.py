"""Other interpreters than tuitune's own: whether they can run trials, and how they find tuitune."""

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tuitune.executors.local.exit_text import printable
from tuitune.ipc import entry

_SECONDS = 60.0  # an environment on a network file system starts slowly
_OLDEST = (3, 10)
_MARK = "tuitune: "
# Any Python since 2.6 can read this. The trial's side is loaded only by one that is new enough.
_CODE = f"""
import sys
sys.stdout.write("\\n{_MARK}%d.%d.%d\\n" % sys.version_info[:3])
sys.stdout.flush()
if sys.version_info >= {_OLDEST!r}:
    sys.path[0] or sys.path.pop(0)
    sys.path.insert(0, {entry.ROOT!r})
    import tuitune.zygote.main, tuitune.trial.commands
"""


class Interpreter(NamedTuple):
    """A Python that can run trials."""

    path: str
    version: str  # as "3.12.1"


OURS = Interpreter(sys.executable, ".".join(map(str, sys.version_info[:3])))


class InterpreterError(Exception):
    """An interpreter that can't run trials; str() says why, and what to do."""


def ask_version(python: Path) -> Interpreter:
    """The interpreter and its version. Raises InterpreterError if it can't run trials."""
    try:
        done = subprocess.run(
            [python, "-c", _CODE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except OSError as error:
        raise InterpreterError(f"{python} can't be run: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise InterpreterError(f"{python} has not answered within {_SECONDS:g} s") from None
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    told = [line.removeprefix(_MARK) for line in lines if line.startswith(_MARK)]
    errors = printable(done.stderr.decode("utf-8", "replace")).strip().splitlines()
    last = f": {errors[-1]:.200}" if errors else ""
    if not told:
        raise InterpreterError(f"{python} is not a Python interpreter{last}")
    oldest = ".".join(map(str, _OLDEST))
    if tuple(map(int, told[0].split(".")[:2])) < _OLDEST:
        raise InterpreterError(
            f"{python} is Python {told[0]}, and a target needs {oldest} or later; make an "
            "environment with a newer one, or run the code as a command"
        )
    if done.returncode:
        raise InterpreterError(f"{python} can't load what runs a trial{last}")
    return Interpreter(str(python), told[0])


def link_package(socket: str) -> str:
    """A folder for PYTHONPATH, next to the trials' socket, that holds a link to tuitune alone.

    Other packages that are installed with tuitune are made for its own interpreter. Raises OSError.
    """
    folder = Path(f"{socket}.path")
    folder.mkdir(exist_ok=True)
    link, package = folder / "tuitune", Path(entry.ROOT, "tuitune")
    if link.is_symlink() and link.readlink() != package:
        link.unlink()
    if not link.is_symlink():
        link.symlink_to(package)
    return str(folder)


def unlink_package(socket: str) -> None:
    """Remove what `link_package` has made, if it has."""
    folder = Path(f"{socket}.path")
    with contextlib.suppress(OSError):
        (folder / "tuitune").unlink()
        folder.rmdir()
