"""The entry point of `tuitune` and `python -m tuitune`."""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from tuitune.cli import early_signals

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

# new objects until cycles are looked for: by default 700, of which the imports alone make a hundred
# times as many, and each look takes longer than the one before
_COLLECT_AFTER = 100_000


def main() -> None:
    """Run the command line; a first argument that ends in .toml means `run` it."""
    if sys.platform != "linux":
        sys.exit(
            "tuitune runs on Linux: it needs its process control (sessions, subreapers, /proc)"
        )
    gc.set_threshold(_COLLECT_AFTER)
    _fill_streams()
    _write_all_text()
    words = _arguments()
    if words[:1] in (["run"], ["engine"]):
        early_signals.hold_back()
    from tuitune.cli.main import commands  # noqa: PLC0415 - the check above comes first

    try:
        try:
            commands(words, prog_name="tuitune")
        finally:
            sys.stdout.flush()
            gc.freeze()  # else the interpreter goes through all objects once more as it ends
    except OutputError as error:
        _end_without_output(error)


def _end_without_output(error: OutputError) -> NoReturn:
    """Say why the output can't be written, unless its reader is gone; exit with status 1."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # buffered output goes there at exit
    if error.errno != errno.EPIPE:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"the output can't be written: {error.strerror}\n")
            sys.stderr.flush()
    sys.exit(1)


def _arguments() -> list[str]:
    """The arguments, with `run` before a study file that stands alone."""
    words = sys.argv[1:]
    first = next((i for i, word in enumerate(words) if not word.startswith("-")), None)
    if first is not None and words[first].endswith(".toml"):
        words.insert(0, "run")
    return words


def _fill_streams() -> None:
    """Open /dev/null for closed standard streams.

    Else the next opened file would get the stream's number, and the output.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - the library's own
            stream = os.fdopen(descriptor, "w" if descriptor else "r", closefd=False)
            setattr(sys, name, stream)


class OutputError(OSError):
    """Standard output can't be written."""


class Output(io.FileIO):
    """Standard output that raises OutputError, which no other file raises."""

    def write(self, data: Buffer, /) -> int:
        """Raises OutputError."""
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(error.errno, error.strerror) from error


def _write_all_text() -> None:
    """Write characters that the terminal's encoding lacks as backslash escapes."""
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(Output(1, "w", closefd=False)),
        encoding=sys.stdout.encoding,
        errors="backslashreplace",
        line_buffering=sys.stdout.isatty(),
    )
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
