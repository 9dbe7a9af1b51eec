"""What does an engine answer before its training code is imported?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class StoppedEarlyError(Exception):
    """The study was told to stop before any trial could start; str() says so."""


class StartupGate:
    """The control socket's handler: until it is `open`, a study can only be stopped."""

    def __init__(self) -> None:
        self._handler: Handler | None = None
        self._stopped = asyncio.Event()

    async def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._handler is not None:
            return await self._handler(request)
        if request.get("do") != "stop":
            return {"error": "its training code is still being imported; ask again after that"}
        self.stop()
        return {"ok": True, "running": 0}

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
