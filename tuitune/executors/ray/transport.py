"""The engine's side of the bridge to Ray: a `Transport` whose agents are on a cluster's nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tuitune.executors.base import UnreachableError
from tuitune.executors.ray import messages
from tuitune.executors.ray.messages import Connect
from tuitune.executors.remote.transport import Arrivals
from tuitune.ipc.child import Child
from tuitune.ipc.frames import FrameBuffer

_PATIENCE = 90.0  # s to join a cluster, or to start one
_PARTING = 10.0  # s for the bridge to end its agents
_STARTS = 2  # of the bridge: one that dies is started once more


class RayTransport:
    """Keeps a bridge: a process of its own, since Ray ends the process that holds a connection."""

    def __init__(self, connect: Connect, log: Path, note: Callable[[str], None]) -> None:
        self._connect = connect
        self._log = log
        self._note = note
        self._child: Child | None = None
        self._agents: set[str] = set()
        self._starts = 0
        self._joined: asyncio.Future[messages.Connected] | None = None
        self._again: asyncio.Task[None] | None = None
        self._arrivals: Arrivals | None = None
        self._closed = False
        self.has_gpus = False

    async def open(self, arrivals: Arrivals) -> None:
        """Join the cluster. Raises UnreachableError."""
        self._arrivals = arrivals
        await self._start()

    def send(self, agent: str, data: bytes) -> None:
        """As `Transport.send`."""
        self._tell(messages.To(agent, data))

    def end(self, agent: str) -> None:
        """As `Transport.end`."""
        self._agents.discard(agent)
        self._tell(messages.End(agent))

    async def close(self) -> None:
        """Ray ends the agents of a bridge that has ended."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
        if self._child is not None:
            self._child.close()
            if await self._child.wait(_PARTING) is None:
                self._child.kill(1.0)

    async def _start(self) -> None:
        self._starts += 1
        frames = FrameBuffer()
        joined = self._joined = asyncio.get_running_loop().create_future()

        def receive(chunk: bytes) -> None:
            for body in frames.feed(chunk):
                self._hear(messages.of_bridge.decode(body))

        self._child = Child(
            "executors.ray.bridge", receive=receive, lost=self._have_lost, log=self._log
        )
        self._tell(self._connect)
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await joined
        except TimeoutError:
            raise UnreachableError(f"Ray has not answered within {_PATIENCE:g} s") from None
        self.has_gpus = found.has_gpus
        kind = "a Ray cluster of this study's own was started at" if found.started else "on Ray at"
        self._note(f"{kind} {found.address}")

    def _tell(self, message: messages.ToBridge) -> None:
        if self._child is not None:
            self._child.send(messages.encoded(message))

    def _hear(self, message: messages.OfBridge) -> None:
        assert self._arrivals is not None
        assert self._joined is not None
        match message:
            case messages.Connected():
                self._joined.set_result(message)
            case messages.Refused(why):
                self._joined.set_exception(UnreachableError(why))
            case messages.Joined(agent, room):
                self._agents.add(agent)
                self._arrivals.joined(agent, room)
            case messages.From(agent, frames):
                for frame in frames:
                    self._arrivals.came(agent, frame)
            case messages.Gone(agent, why, ended):
                self._agents.discard(agent)
                self._arrivals.gone(agent, why, ended=ended)
            case messages.Note(text):
                self._note(text)

    def _have_lost(self) -> None:
        """The bridge has ended: its agents end as well, but nobody tells when."""
        assert self._arrivals is not None
        assert self._joined is not None
        if not self._joined.done():
            self._joined.set_exception(UnreachableError(f"Ray's client has ended; see {self._log}"))
            return
        for agent in self._agents:
            self._arrivals.gone(agent, "the connection to Ray was lost", ended=False)
        self._agents.clear()
        if not self._closed:
            self._again = asyncio.ensure_future(self._restart())

    async def _restart(self) -> None:
        assert self._arrivals is not None
        why = "the connection to Ray was lost twice"
        if self._starts < _STARTS:
            try:
                await self._start()
            except (UnreachableError, OSError) as error:
                why = f"the connection to Ray was lost: {error}"
            else:
                return
        self._arrivals.broken(why)
