"""What does an engine do at SIGINT, SIGTERM and SIGHUP?"""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING

from tuitune.core import events as ev

if TYPE_CHECKING:
    from tuitune.engine.engine import Engine
    from tuitune.engine.startup_gate import StartupGate


class Signals:
    """The first lets trials save and leave; the second doesn't wait for them.

    Before the training code is imported there are no trials, and the engine leaves at once. What
    was held back while the engine itself was imported comes now.
    """

    def __init__(self, gate: StartupGate) -> None:
        self._gate = gate
        self._engine: Engine | None = None
        self._seen: list[str] = []
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in numbers:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup's wish stands
                loop.add_signal_handler(number, self._hear, signal.Signals(number).name)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

    def hand_to(self, engine: Engine) -> None:
        """From now on there is a study that can be stopped, also by what came just before."""
        self._engine = engine
        if self._seen:
            self._stop(engine)

    def _hear(self, name: str) -> None:
        self._seen.append(name)
        if self._engine is None:
            self._gate.stop()
        else:
            self._stop(self._engine)

    def _stop(self, engine: Engine) -> None:
        why = f"interrupted by {self._seen[-1]}"
        now = len(self._seen) > 1
        engine.take([ev.StopAsked(time.time(), finish=False, why=why, now=now)])
