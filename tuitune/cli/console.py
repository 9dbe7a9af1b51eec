"""Output that never makes the study wait for its reader."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import select
import struct
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING, TextIO, cast

from tuitune.messages.as_json import as_json, is_utf8

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 256 * 1024 * 1024  # bytes that wait for a reader; what comes beyond is counted and dropped
_CHUNK = 4096  # bytes a write: what is seen of a slow reader's progress
_SHORT = 5.0  # s at the end without a byte read, after a study was told to stop
_LONG = 60.0  # s, after one that came to its end
_LOOK = 0.1  # s between two looks at how far a reader is
_PAUSE = 0.02  # s after each write: lines of many trials are written together
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # a disk that may have room again


class Outlet(io.TextIOBase):
    """A stream that takes text at once; a thread of its own hands it on as fast as it is read.

    What its encoding doesn't have is written with backslashes. Once nobody can read it any more
    (a pipe whose reader is gone) it takes everything and keeps nothing.
    """

    def __init__(self, stream: TextIO, dropped: Callable[[int], str], most: int = MOST) -> None:
        self._descriptor = stream.fileno()
        self._encoding = stream.encoding
        self._is_terminal = stream.isatty()
        self._dropped_words = dropped  # what stands in the place of so many lines
        self._most = most
        self._state = threading.Condition()  # guards all below
        self._waiting = bytearray()
        self._live = b""  # the newest repaint of the live line, below all that waits
        self._in_hand = 0  # bytes that the thread is writing
        self._written = 0
        self._dropped = 0  # lines
        self._deaf = False
        self._leaving = threading.Event()
        self.is_full = False  # the disk, and what was written last is lost
        self._thread: threading.Thread | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return self._is_terminal

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        data = text.encode(self._encoding, "backslashreplace")
        with self._state:
            self._take(data)
            self._wake()
        return len(text)

    def repaint(self, text: str) -> None:
        """Write a live line over the one before; only the newest is kept for a slow terminal."""
        with self._state:
            if not self._deaf:
                self._live = text.encode(self._encoding, "backslashreplace")
                self._wake()

    def drain(self, patience: float) -> int:
        """Wait until all is read, but no longer than `patience` without progress.

        The number of bytes that are left.
        """
        self._leaving.set()
        with self._state:
            if self._dropped:
                self._waiting += self._notice()
                self._wake()
            seen, since = self._progress(), time.monotonic()
            while left := len(self._waiting) + self._in_hand:
                self._state.wait(_LOOK)
                now = self._progress()
                if now != seen:
                    seen, since = now, time.monotonic()
                elif time.monotonic() - since > patience:
                    break
            return left

    def _take(self, data: bytes) -> None:
        if self._deaf:
            return
        if len(self._waiting) + len(data) > self._most:
            self._dropped += data.count(b"\n")
            return
        if self._dropped:
            self._waiting += self._notice()
        self._waiting += data

    def _notice(self) -> bytes:
        words = self._dropped_words(self._dropped)
        self._dropped = 0
        return words.encode(self._encoding, "backslashreplace")

    def _wake(self) -> None:
        if self._thread is None:
            # a daemon: a write that is stuck for ever must not keep the process
            self._thread = threading.Thread(target=self._hand_on, name="console", daemon=True)
            self._thread.start()
        self._state.notify_all()

    def _progress(self) -> tuple[int, int]:
        """Changes whenever somebody reads: bytes written, and those that lie in the pipe."""
        in_pipe = bytearray(struct.calcsize("i"))
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._descriptor, termios.FIONREAD, in_pipe)
        return self._written, struct.unpack("i", in_pipe)[0]

    # --- the thread --------------------------------------------------------------------------

    def _hand_on(self) -> None:
        while True:
            with self._state:
                while not self._waiting and not self._live:
                    self._state.wait()
                chunk = self._next()
                self._in_hand = len(chunk)
            self._write_out(chunk)
            with self._state:
                self._in_hand = 0
                self._state.notify_all()
            if not self._waiting:
                self._leaving.wait(_PAUSE)

    def _next(self) -> bytes:
        """Whole lines where they fit; the live line once nothing else waits."""
        if not self._waiting:
            chunk, self._live = self._live, b""
            return chunk
        end = len(self._waiting)
        if end > _CHUNK:
            end = self._waiting.rfind(b"\n", 0, _CHUNK) + 1 or _CHUNK
        chunk = bytes(self._waiting[:end])
        del self._waiting[:end]
        return chunk

    def _write_out(self, chunk: bytes) -> None:
        while chunk:
            try:
                written = os.write(self._descriptor, chunk)
            except BlockingIOError:  # whoever shares the terminal has made it so
                select.select([], [self._descriptor], [])
                continue
            except OSError as error:
                with self._state:
                    self._failed(error, chunk)
                return
            chunk = chunk[written:]
            with self._state:
                self.is_full = False
                self._written += written
                self._in_hand = len(chunk)

    def _failed(self, error: OSError, chunk: bytes) -> None:
        if error.errno in FULL:
            self.is_full = True
            self._dropped += chunk.count(b"\n")
            return
        self._deaf = True
        self._dropped = 0
        self._waiting.clear()
        self._live = b""


def without_waiting(work: Callable[[], int], *, json_lines: bool = False) -> int:
    """Do this with a standard output and error that never make it wait; its exit status.

    At the end a reader that makes progress is waited for, and one that makes none for some
    seconds is not.
    """
    try:
        out, errors = _outlets(json_lines=json_lines)
    except io.UnsupportedOperation:  # no file behind them: a caller's own, in memory
        return work()
    patience = _LONG
    try:
        with (
            contextlib.redirect_stdout(cast("TextIO", out)),
            contextlib.redirect_stderr(cast("TextIO", errors)),
        ):
            status = work()
            patience = _SHORT if status == 130 else _LONG
    finally:
        with contextlib.suppress(KeyboardInterrupt):  # no need to wait, then
            _see_off(out, errors, patience)
    return status


def print_json(value: object, *, indent: int = 0) -> None:
    """One JSON document on standard output, in ASCII where that is not UTF-8."""
    print(as_json(value, indent=indent, ascii_only=not is_utf8(sys.stdout.encoding)))


def _outlets(*, json_lines: bool) -> tuple[Outlet, Outlet]:
    """Standard output and error: one outlet where both go to one place, to keep their order."""
    out = Outlet(sys.stdout, _dropped_object if json_lines else _dropped_words)
    if os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno()):
        return out, out
    return out, Outlet(sys.stderr, _dropped_words)


def _dropped_words(lines: int) -> str:
    return f"({lines} lines are missing here: nobody read them, or the disk was full)\n"


def _dropped_object(lines: int) -> str:
    return as_json({"event": "dropped", "lines": lines}) + "\n"


def _see_off(out: Outlet, errors: Outlet, patience: float) -> None:
    left = out.drain(patience)
    if errors is out:
        return
    if left:
        words = f"{left} bytes of output are lost: nothing was read for {patience:g} s\n"
        errors.write(words)
    elif out.is_full:
        errors.write("lines of the output are lost: there is no room on the disk that they go to\n")
    errors.drain(_SHORT if left else patience)
