"""What does a signal do before there is an engine that could hear it?

Imports nothing of ours: it comes before all that takes its time.
"""

from __future__ import annotations

import signal

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def hold_back() -> None:
    """Let signals wait until an engine can leave in words.

    An exception that a handler raises would be lost in some import's bare `except`.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def let_come() -> None:
    """Let them do again what they do in any program, those that have waited first."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
