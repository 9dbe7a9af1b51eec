"""Standard output and error that never block the study."""

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
from collections.abc import Callable
from typing import TextIO, cast

from tuitune.messages.as_json import as_json, is_utf8

MOST = 256 * 1024 * 1024  # bytes kept for a slow reader; further lines are dropped and counted
_CHUNK = 4096  # bytes of one write: small, so that a slow reader's progress is seen
_SHORT = 5.0  # s to wait at the end without a byte read, after a study was stopped
_LONG = 60.0  # s, after one that ended by itself
_LOOK = 0.1  # s between two looks at the reader's progress
_PAUSE = 0.1  # s after each write: lines of many trials are written together
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # a disk that may have room again


class Outlet(io.TextIOBase):
    """A stream whose writes never block: a thread writes the text out as fast as it is read.

    Characters that the encoding lacks are written as backslash escapes. Once the reader of a pipe
    is gone, all text is discarded.
    """

    def __init__(self, stream: TextIO, dropped: Callable[[int], str], most: int = MOST) -> None:
        self._descriptor = stream.fileno()
        self._encoding = stream.encoding
        self._is_terminal = stream.isatty()
        self._dropped_words = dropped  # the line that replaces so many dropped ones
        self._most = most
        self._state = threading.Condition()  # guards all below
        self._waiting = bytearray()
        self._live = b""  # the newest repaint of the live line, written after all that waits
        self._in_flight = 0  # bytes of the write in progress
        self._written = 0
        self._dropped = 0  # lines
        self._reader_gone = False
        self._leaving = threading.Event()
        self.is_full = False  # the disk is full, and the last write is lost
        self._thread: threading.Thread | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream that is written to."""
        return self._encoding

    @property
    def errors(self) -> str:  # type: ignore[override]
        """How characters are written that the encoding lacks."""
        return "backslashreplace"

    def fileno(self) -> int:
        """The descriptor that is written to."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether that is a terminal, as seen at the start."""
        return self._is_terminal

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, text: str) -> int:
        """Queue the text, or drop and count its lines if too much waits; its length."""
        data = text.encode(self._encoding, "backslashreplace")
        with self._state:
            self._append(data)
            self._wake()
        return len(text)

    def repaint(self, text: str) -> None:
        """Queue the live line; it replaces one that is not written yet."""
        with self._state:
            if not self._reader_gone:
                self._live = text.encode(self._encoding, "backslashreplace")
                self._wake()

    def drain(self, patience: float) -> int:
        """Wait until all is written, at most `patience` s without progress; the bytes left."""
        self._leaving.set()
        with self._state:
            if self._dropped:
                self._waiting += self._notice()
                self._wake()
            seen, since = self._progress(), time.monotonic()
            while left := len(self._waiting) + self._in_flight:
                self._state.wait(_LOOK)
                now = self._progress()
                if now != seen:
                    seen, since = now, time.monotonic()
                elif time.monotonic() - since > patience:
                    break
            return left

    def _append(self, data: bytes) -> None:
        if self._reader_gone:
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
            # a daemon: a write that blocks for ever must not keep the process alive
            self._thread = threading.Thread(target=self._write_loop, name="console", daemon=True)
            self._thread.start()
        self._state.notify_all()

    def _progress(self) -> tuple[int, int]:
        """Changes whenever the reader reads: the bytes written, and those still in the pipe."""
        in_pipe = bytearray(struct.calcsize("i"))
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._descriptor, termios.FIONREAD, in_pipe)
        return self._written, struct.unpack("i", in_pipe)[0]

    # --- the thread --------------------------------------------------------------------------

    def _write_loop(self) -> None:
        while True:
            with self._state:
                while not self._waiting and not self._live:
                    self._state.wait()
                chunk = self._next()
                self._in_flight = len(chunk)
            self._write_out(chunk)
            with self._state:
                self._in_flight = 0
                self._state.notify_all()
            if not self._waiting:
                self._leaving.wait(_PAUSE)

    def _next(self) -> bytes:
        """The next bytes to write: whole lines where they fit; the live line once nothing waits."""
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
            except BlockingIOError:  # another process has made the shared terminal non-blocking
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
                self._in_flight = len(chunk)

    def _failed(self, error: OSError, chunk: bytes) -> None:
        if error.errno in FULL:
            self.is_full = True
            self._dropped += chunk.count(b"\n")
            return
        self._reader_gone = True
        self._dropped = 0
        self._waiting.clear()
        self._live = b""


def without_waiting(work: Callable[[], int], *, json_lines: bool = False) -> int:
    """Do `work` with standard output and error that never block it; its exit status.

    At the end the rest is written as long as the reader makes progress.
    """
    try:
        out, errors = _outlets(json_lines=json_lines)
    except io.UnsupportedOperation:  # streams in memory, without a file
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
            _drain_both(out, errors, patience)
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
    return f"({lines} lines are missing here: they were not read, or the disk was full)\n"


def _dropped_object(lines: int) -> str:
    return as_json({"event": "dropped", "lines": lines}) + "\n"


def _drain_both(out: Outlet, errors: Outlet, patience: float) -> None:
    left = out.drain(patience)
    if errors is out:
        return
    if left:
        words = f"{left} bytes of output are lost: nothing was read for {patience:g} s\n"
        errors.write(words)
    elif out.is_full:
        errors.write("lines of the output are lost: the disk that they are written to is full\n")
    errors.drain(_SHORT if left else patience)
