"""Signals that arrive before the engine can handle them.

Imports the standard library only, since it runs before everything else.
"""

import signal

# SIGUSR1 is what SLURM is often told to send before a job's time is up
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def hold_back() -> None:
    """Block these signals until the engine can stop with a message.

    An exception raised by a handler could be lost in an import's bare `except`.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def let_come() -> None:
    """Unblock them: those that came meanwhile take effect now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
