"""An agent as the bridge sees it: the actor that hosts it, and what is sent there."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Any

_SOON = 0.005  # s in which what the engine answers to frames goes with the next call


@dataclass(slots=True)
class Hosted:
    """An agent. Each call of its actor costs about a millisecond of CPU on either side."""

    name: str
    node: str  # Ray's id of it
    handle: Any = None  # of its actor
    ending: str = ""  # how it has ended, where that is known
    _pulls: bool = False  # a call waits there for frames
    _unsent: bytes = b""  # goes with the next such call
    _has_unsent: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, data: bytes) -> None:
        """Send frames: with the next call, or in one of their own where one waits already."""
        if self._pulls:
            # nobody waits for what it returns: that costs half
            self.handle.push.options(num_returns=0).remote(data)
        else:
            self._unsent += data
            self._has_unsent.set()

    async def pull(self) -> bytes | str:
        """As `Host.pull`, with what is to be sent, which may be lost. Raises RayError."""
        data, self._unsent = self._unsent, b""
        self._has_unsent.clear()
        self._pulls = True
        try:
            found: bytes | str = await self.handle.pull.remote(data)
        finally:
            self._pulls = False
        return found

    async def wait_for_answer(self) -> None:
        """Until there is something to send, for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SOON):
                await self._has_unsent.wait()
