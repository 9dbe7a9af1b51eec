"""The actor on a node: it starts the agent, and passes frames between it and the bridge."""

import asyncio
import contextlib
import importlib.metadata
from pathlib import Path

from tuitune.ipc.child import Child
from tuitune.ipc.frames import FrameBuffer, frame

_POLL = 1.0  # s that a call waits for frames


def version() -> str:
    """The version of tuitune on this node."""
    return importlib.metadata.version("tuitune")


def _seen(log: str) -> Path | None:
    path = Path(log)
    return path if path.is_file() else None


class Host:
    """A plain class, of which Ray makes an asynchronous actor. Calls may come in any order."""

    def __init__(self) -> None:
        self._frames = b""  # whole ones, each with its length before it
        self._buffer = FrameBuffer()
        self._fresh = asyncio.Event()
        self._child: Child | None = None
        self._ended = ""

    async def start(self, name: str, log: str) -> str:
        """Start the agent. Returns tuitune's version here."""
        self._child = Child(
            "engine.agent", name, receive=self._receive, lost=self._lost, log=_seen(log)
        )
        return version()

    async def push(self, data: bytes) -> None:
        """Send frames to the agent."""
        if self._child is not None:
            self._child.send(data)

    async def pull(self, data: bytes) -> bytes | str:
        """Send frames to the agent, as `push`. Those that come from it; or how it has ended.

        Ray carries bytes without pickling them.
        """
        if data:
            await self.push(data)
        if not self._frames and not self._ended:
            self._fresh.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await self._fresh.wait()
        frames, self._frames = self._frames, b""
        return frames or self._ended or b""

    def _receive(self, chunk: bytes) -> None:
        self._frames += b"".join(map(frame, self._buffer.feed(chunk)))
        self._fresh.set()

    def _lost(self) -> None:
        self._end = asyncio.ensure_future(self._note_end())

    async def _note_end(self) -> None:
        assert self._child is not None
        if await self._child.wait(2.0) is None:
            self._child.kill(2.0)
        self._ended = self._child.how_it_ended()
        self._fresh.set()
