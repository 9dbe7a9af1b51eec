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
        self.holder = 0  # the process that has the turn; 0: none, as far as this one knows

    def take(self) -> bool:
        """Take the turn; whether this process has it now."""
        pid = os.getpid()
        if self.holder == 0:
            with self._lock:
                if self.holder == 0 and os.read(self._pipe, 1):
                    self.holder = pid
                    os.close(self._pipe)
        return self.holder == pid

    def have_forked(self) -> None:
        """In a child: a thread that held the lock is not here to let it go."""
        self._lock = RLock()
