"""Signals that arrive before the engine can handle them.

Imports the standard library only, since it runs before everything else.
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
