"""Which of the processes that a trial forks may report? The first that does, and no other."""

from __future__ import annotations

import os
from threading import RLock

SECOND_REPORTER = (
    "another process of this trial reports already, and only one may: report from the process "
    "that the trial began in, or from the one whose rank is 0"
)


class SecondReporterError(RuntimeError):
    def __init__(self) -> None:
        super().__init__(SECOND_REPORTER)


class Turn:
    """One turn for a process and all its forks, which share it. Any thread of theirs may ask."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._pipe, end = os.pipe()
        os.write(end, b"1")  # only one process can read it
        os.close(end)
        self.is_ours = False  # this process has it
        self._is_gone = False  # a process has it that this one was forked from

    def take(self) -> bool:
        """Take the turn; whether this process has it now."""
        with self._lock:
            if not self.is_ours and not self._is_gone and os.read(self._pipe, 1):
                self.is_ours = True
                os.close(self._pipe)
            return self.is_ours

    def have_forked(self) -> None:
        """In a child: a thread that held the lock is not here to let it go."""
        self._lock = RLock()
        self._is_gone = self._is_gone or self.is_ours
        self.is_ours = False
