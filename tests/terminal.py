"""A terminal without a screen: starts a program on a pty, answers it, keeps what it writes."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# what programs ask a terminal for, and what a modern one answers
ANSWERS = (
    (re.compile(rb"\x1b\[\?2026\$p"), b"\x1b[?2026;2$y"),  # synchronised output: known
    (re.compile(rb"\x1b\[\?2048\$p"), b"\x1b[?2048;0$y"),  # in-band resize: unknown
    (re.compile(rb"\x1b\[c"), b"\x1b[?62;4c"),
    (re.compile(rb"\x1b\[6n"), b"\x1b[1;1R"),
)
PATIENCE = 60.0  # s
GONE = -1


@dataclass
class Terminal:
    """A program on a pty. Times in seconds, sizes in bytes."""

    pid: int
    fd: int
    began: float
    status: int | None = None  # its exit status, minus the signal that ended it
    written: int = 0
    marks: list[tuple[float, int]] = field(default_factory=list)
    text: bytes = b""  # the last of what it wrote
    heard: Callable[[bytes], None] | None = None  # called with all that it writes

    def pump(self, seconds: float, until: Callable[[Terminal], bool] | None = None) -> bool:
        """Read for so long, or until the condition holds; whether it did."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            listened = [] if self.fd == GONE else [self.fd]
            ready, _, _ = select.select(listened, [], [], min(left, 0.05))
            if ready and not self._read():
                if self.ended():
                    return until is not None and until(self)
                time.sleep(0.01)  # it has closed its terminal, and is about to end
            if until is not None and until(self):
                return True
        return False

    def press(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def latency(self, keys: str) -> float:
        """From a key to the first that is written after it."""
        self.pump(0.02)
        start, before = time.monotonic(), self.written
        self.press(keys)
        self.pump(1.0, lambda t: t.written > before)
        return time.monotonic() - start

    @property
    def process(self) -> psutil.Process:
        return psutil.Process(self.pid)

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def pss(self) -> int:
        return int(self.process.memory_full_info().pss)

    def unread(self) -> int:
        """Bytes that it has written and that nobody has read."""
        count = fcntl.ioctl(self.fd, termios.FIONREAD, b"\0" * 4)
        return int.from_bytes(count, sys.byteorder)

    def resize(self, columns: int, lines: int) -> None:
        """The kernel tells the program (SIGWINCH)."""
        _resize(self.fd, columns, lines)

    def hang_up(self) -> None:
        """The terminal goes away; the kernel tells the program (SIGHUP)."""
        os.close(self.fd)
        self.fd = GONE

    def ended(self) -> bool:
        """Whether it has, once; its exit status is `status` then."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def close(self) -> None:
        """Ends the program, where it has not; the terminal goes too."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.ended():
                break
            os.kill(self.pid, number)
            end = time.monotonic() + 2.0
            while not self.ended() and time.monotonic() < end:
                self.pump(0.02)
        if self.fd != GONE:
            self.hang_up()

    def _read(self) -> bool:
        try:
            data = os.read(self.fd, 1 << 16)
        except OSError:
            return False
        if not data:
            return False
        self.written += len(data)
        self.marks.append((time.monotonic(), len(data)))
        self.text = (self.text + data)[-200_000:]
        if self.heard is not None:
            self.heard(data)
        for pattern, answer in ANSWERS:
            if pattern.search(data):
                os.write(self.fd, answer)
        return True


def start(
    command: Sequence[str],
    columns: int,
    lines: int,
    variables: Mapping[str, str],
    core: int | None = None,
    folder: Path | None = None,
) -> Terminal:
    """The program, with a terminal of this size as its own."""
    environment = {**os.environ, **variables}
    pid, fd = pty.fork()
    if pid == 0:
        _resize(0, columns, lines)
        if core is not None:
            os.sched_setaffinity(0, {core})
        if folder is not None:
            os.chdir(folder)
        os.execvpe(command[0], list(command), environment)
    return Terminal(pid, fd, time.monotonic())


def _resize(fd: int, columns: int, lines: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
