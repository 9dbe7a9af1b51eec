"""What does the engine know of an attempt that runs?"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from tuitune.executors.local.listener import Connection
    from tuitune.executors.local.zygote_client import ZygoteClient
    from tuitune.trial.wire import Order, Stop


@dataclass(slots=True)
class Attempt:
    order: Order
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    zygote: ZygoteClient | None = None  # None: it waits for a zygote
    is_started: bool = False
    connections: list[Connection] = field(default_factory=list)
    speaker: Connection | None = None  # the first process that has reported
    stop: Stop | None = None  # asked for: each process that still connects must hear it
    may_end: bool = False  # it was signalled, or answered that it is to stop
    said: str | None = None  # its own word on how it ended
    stopped: bool = False  # it left through TrialStopped
    has_returned: bool = False  # its function, or its command, has come to its end
    exit_timer: TimerHandle | None = None  # until it is told that its process does not exit
    overstays: bool = False  # and that was told

    @property
    def key(self) -> tuple[int, int]:
        return self.order.trial, self.order.attempt

    @property
    def voice(self) -> Connection | None:
        """The process that reports speaks for the attempt; before one does, the last that came."""
        if self.speaker is not None and self.speaker.is_open:
            return self.speaker
        return next((line for line in reversed(self.connections) if line.is_open), None)

    @property
    def waiting(self) -> Connection | None:
        return next((line for line in self.connections if line.waits and line.is_open), None)

    @property
    def ends_too_early(self) -> bool:
        """Whether an end of its process before that of its function was not asked for."""
        is_function = self.order.command is None
        return is_function and self.said is None and self.stop is None and not self.may_end

    def may_report(self, connection: Connection) -> bool:
        """Only the first process that reports may: no verdict would come for a second one.

        Where no verdict is ever waited for, another may go on when the first is gone.
        """
        first = self.speaker
        if first is None or (not first.is_open and not self.order.waits()):
            self.speaker = connection
        return self.speaker is connection

    def read_out(self) -> None:
        """Take in all that its processes, which are gone, have left unread."""
        for connection in self.connections:
            while connection.read():
                pass
            connection.close()
