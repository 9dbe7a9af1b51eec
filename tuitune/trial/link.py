"""A trial's connection to the engine, for all its threads and only one process."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from threading import RLock, get_ident, main_thread
from typing import TYPE_CHECKING

from tuitune.trial import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.trial.channel import Channel

_LONGEST_WARNING = 1000
SECOND_REPORTER = (
    "another process of this trial reports already, and only one may: report from the process "
    "that the trial began in, or from the one whose rank is 0"
)


class TrialStopped(SystemExit):
    """The trial must end: it was pruned, paused, drained or killed, or is complete.

    Not an Exception, so that `except Exception` lets it pass; uncaught it ends a script
    silently, with status 0.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(0)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


CAUGHT = (
    "its code has caught TrialStopped, which tells it to end, and goes on; it is ended after a "
    "while. A bare `except:` and `except BaseException:` catch it: write `except Exception:`, or "
    "raise it again"
)


class CaughtStop:
    """Whether the main thread has caught TrialStopped and goes on."""

    def __init__(self) -> None:
        self._was_raised = False  # in the main thread
        self._is_told = False

    def raised(self) -> None:
        """To be called where TrialStopped is raised."""
        self._was_raised = self._was_raised or get_ident() == main_thread().ident

    def is_news(self) -> bool:
        """Whether it has and does, True once; not in an `except` or `finally` on the way out."""
        here = self._was_raised and get_ident() == main_thread().ident
        if not here or self._is_told:
            return False
        error = sys.exc_info()[1]
        while error is not None and not isinstance(error, TrialStopped):
            error = error.__context__
        self._is_told = error is None
        return self._is_told


class Link:
    """Sends and receives a trial's messages, on any thread.

    Methods raise TrialStopped if the engine is gone, SecondReporterError if it refuses reports.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._send = channel.send
        # Not the trial's lock: a save must not wait for a verdict that another thread waits for.
        self._sending = RLock()
        self._warned: set[str] = set()

    def send(self, line: bytes) -> None:
        """Send a message, its line end included. Raises ValueError for more than 4 MB."""
        if len(line) > wire.LONGEST_LINE:
            raise ValueError(f"a report of {len(line):,} bytes: no more than 4 MB can be sent")
        lock = self._sending
        lock.acquire()  # `with` takes twice as long, at every report
        try:
            self._send(line)
        except OSError:
            raise TrialStopped("the engine is gone") from None
        finally:
            lock.release()

    def mention(self, message: wire.Saving) -> None:
        """Send, or do nothing if the engine is gone: a save must not fail by that."""
        with suppress(TrialStopped):
            self.send(wire.encode(message))

    def warn(self, kind: str, text: str) -> None:
        """Send a warning, once for each kind: a loop would repeat it at every step."""
        if kind not in self._warned:
            self._warned.add(kind)
            self.send(wire.encode(wire.Warn(wire.sendable(text, _LONGEST_WARNING))))

    def wait(self) -> wire.Instruction:
        """The next message, however long it takes."""
        try:
            message = self._channel.wait()
        except OSError:
            raise TrialStopped("the engine is gone") from None
        if isinstance(message, wire.Refused):
            raise SecondReporterError
        return message

    def look(self) -> wire.Stop | None:
        """The stop that has arrived, without waiting."""
        try:
            message = self._channel.poll()
        except OSError:
            raise TrialStopped("the engine is gone") from None
        if isinstance(message, wire.Refused):
            raise SecondReporterError
        return message

    def have_forked(self) -> None:
        """To be called in a forked child: the thread that held the lock is not there."""
        self._sending = RLock()


class SecondReporterError(RuntimeError):
    """Another process of this trial reports already."""

    def __init__(self) -> None:
        super().__init__(SECOND_REPORTER)


class SoleReporter:
    """The right to report, which only one of a process and all its forks can take.

    Any thread may ask for it.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._process = os.getpid()
        self._pipe: int | None = None  # made before the first fork: most trials never fork
        self.is_ours = False  # this process has it
        self._is_gone = False  # the process that this one was forked from has it

    def take(self) -> bool:
        """Take the right if no process has it. Returns whether this process has it now."""
        with self._lock:
            if not self.is_ours and not self._is_gone:
                self.is_ours = self._take()
            return self.is_ours

    def _take(self) -> bool:
        if self._pipe is None:
            return os.getpid() == self._process  # a fork unknown to Python has not the right
        if not os.read(self._pipe, 1):
            return False
        os.close(self._pipe)
        return True

    def follow_forks(self, in_child: Callable[[], None]) -> None:
        """Share the right with all forks of this process; `in_child` is called in each of them."""

        def forked() -> None:
            in_child()
            self._have_forked()

        os.register_at_fork(
            before=self._before_fork,
            after_in_parent=lambda: self._lock.release(),  # noqa: PLW0108 - a fork has another lock
            after_in_child=forked,
        )

    def _before_fork(self) -> None:
        self._lock.acquire()
        if self._pipe is None and not self.is_ours and not self._is_gone:
            self._pipe, end = os.pipe()
            os.write(end, b"1")  # only one process can read it
            os.close(end)

    def _have_forked(self) -> None:
        self._lock = RLock()  # the thread that held it is not here
        self._is_gone = self._is_gone or self.is_ours
        self.is_ours = False
