"""What does the training code say while it is imported, before there is any trial?"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from typing import TYPE_CHECKING

from tuitune.control.requests import RefusedError, Stop
from tuitune.core import events as ev
from tuitune.executors.local.exit_text import printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tuitune.control.requests import Answer, Request
    from tuitune.engine.engine import Engine

PATIENCE = 1.0  # s before an import is worth a word
PERIOD = 1.0  # s between two looks
CHUNK = 4096  # bytes of the log's end


@contextlib.asynccontextmanager
async def told(log: Path, note: Callable[[str], None]) -> AsyncIterator[None]:
    """Meanwhile pass on the newest line of the engine's log: a download shows its progress."""
    telling = asyncio.create_task(_tell(log, note))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(log: Path, note: Callable[[str], None]) -> None:
    start, seen = _size(log), ""
    await asyncio.sleep(PATIENCE)
    note(f"importing the training code; what it prints is in {log}")
    while True:
        line = _last_line(log, start)
        if line != seen:
            note(line)
            seen = line
        await asyncio.sleep(PERIOD)


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        return 0


def _last_line(log: Path, start: int) -> str:
    """The newest that is no blank; a progress bar writes its lines over each other."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, 2) - CHUNK))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [printable(line).strip() for line in text.replace("\r", "\n").split("\n")]
    return next((line for line in reversed(lines) if line), "")


if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[Request, str], Awaitable[Answer]]


class StoppedEarlyError(Exception):
    """The study was told to stop before any trial could start; str() says so."""


class StartupGate:
    """The control socket's handler: until it is `open`, a study can only be stopped."""

    def __init__(self) -> None:
        self._handler: Handler | None = None
        self._stopped = asyncio.Event()

    async def __call__(self, request: Request, by: str) -> Answer:
        """Raises RefusedError."""
        if self._handler is not None:
            return await self._handler(request, by)
        if not isinstance(request, Stop):
            raise RefusedError("its training code is still being imported; ask again after that")
        self.stop()
        return {"running": 0}

    def stop(self) -> None:
        """Whoever waits for the import waits no longer."""
        self._stopped.set()

    def open(self, handler: Handler) -> None:
        self._handler = handler

    async def wait_for(self, importing: Awaitable[None]) -> None:
        """Raises StoppedEarlyError, or what the import raises."""
        work = asyncio.ensure_future(importing)
        stop = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise StoppedEarlyError("stopped before its training code was imported")
            work.result()
        finally:
            work.cancel()
            stop.cancel()


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
        why = f"stopped by {self._seen[-1].replace('SIGINT', 'Ctrl-C')}"
        now = len(self._seen) > 1
        engine.take([ev.StopAsked(time.time(), finish=False, why=why, now=now)])
