"""How does a trial talk with the engine, from any of its threads?"""

from __future__ import annotations

from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING

from tuitune.trial.reporter import SecondReporterError
from tuitune.trial.wire import LONGEST_LINE, Refused, Warn, encode, sendable

if TYPE_CHECKING:
    from tuitune.trial.channel import Channel
    from tuitune.trial.wire import Heard, Saving, Stop

LONGEST_WARNING = 1000


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


class Link:
    """Raises TrialStopped where the engine is gone, SecondReporterError where it refuses."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._send = channel.send
        # Apart from the trial's own: a save in a thread must not wait for a verdict to be told.
        self._sending = RLock()
        self._warned: set[str] = set()

    def send(self, line: bytes) -> None:
        if len(line) > LONGEST_LINE:
            raise ValueError(f"a report of {len(line):,} bytes: no more than 4 MB can be sent")
        lock = self._sending
        lock.acquire()  # `with` takes twice as long, and every report comes by here
        try:
            self._send(line)
        except OSError:
            raise TrialStopped("the engine is gone") from None
        finally:
            lock.release()

    def mention(self, message: Saving) -> None:
        """Say what nothing depends on: a save goes on without an engine, too."""
        with suppress(TrialStopped):
            self.send(encode(message))

    def warn(self, kind: str, text: str) -> None:
        """Once a trial for each kind of mistake: a loop would repeat it at every step."""
        if kind not in self._warned:
            self._warned.add(kind)
            self.send(encode(Warn(sendable(text, LONGEST_WARNING))))

    def wait(self) -> Heard:
        try:
            heard = self._channel.wait()
        except OSError:
            raise TrialStopped("the engine is gone") from None
        if isinstance(heard, Refused):
            raise SecondReporterError
        return heard

    def look(self) -> Stop | None:
        """What has arrived, without waiting."""
        try:
            heard = self._channel.poll()
        except OSError:
            raise TrialStopped("the engine is gone") from None
        if isinstance(heard, Refused):
            raise SecondReporterError
        return heard

    def have_forked(self) -> None:
        """In a child: a thread that held the lock is not here to let it go."""
        self._sending = RLock()
