"""The engine's side of the bridge to Ray: a `Transport` whose agents are on a cluster's nodes."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tuitune.executors.base import UnreachableError
from tuitune.executors.ray import protocol
from tuitune.executors.remote.transport import Arrivals
from tuitune.ipc.child import Child
from tuitune.ipc.frames import FrameBuffer

_PATIENCE = 90.0  # s to join a cluster, or to start one
_PARTING = 10.0  # s for the bridge to end its agents
_STARTS = 2  # of the bridge: one that dies is started once more


class RayTransport:
    """Keeps a bridge: a process of its own, since Ray ends the process that holds a connection."""

    def __init__(self, connect: protocol.Connect, log: Path, note: Callable[[str], None]) -> None:
        self._connect = connect
        self._log = log
        self._note = note
        self._child: Child | None = None
        self._agents: set[str] = set()
        self._starts = 0
        self._joined: asyncio.Future[protocol.Connected] | None = None
        self._again: asyncio.Task[None] | None = None
        self._arrivals: Arrivals | None = None
        self._closed = False
        self._wants_room = False
        self._failing = ""
        self.has_gpus = False
        self.place = ""

    async def open(self, arrivals: Arrivals) -> None:
        """Join the cluster. Raises UnreachableError."""
        self._arrivals = arrivals
        await self._start()

    def send(self, agent: str, data: bytes) -> None:
        """As `Transport.send`."""
        self._tell(protocol.To(agent, data))

    def end(self, agent: str, *, failed: bool = False) -> None:
        """As `Transport.end`."""
        self._agents.discard(agent)
        self._tell(protocol.End(agent, failed))

    def want_room(self, wanted: bool) -> None:  # noqa: FBT001
        """As `Transport.want_room`."""
        if wanted != self._wants_room:
            self._wants_room = wanted
            self._tell(protocol.WantRoom(wanted))

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
        self._wants_room = False
        frames = FrameBuffer()
        joined = self._joined = asyncio.get_running_loop().create_future()

        def receive(chunk: bytes) -> None:
            for body in frames.feed(chunk):
                self._hear(protocol.of_bridge.decode(body))

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

    def _tell(self, message: protocol.ToBridge) -> None:
        if self._child is not None:
            self._child.send(protocol.encoded(message))

    def _hear(self, message: protocol.OfBridge) -> None:
        assert self._arrivals is not None
        assert self._joined is not None
        match message:
            case protocol.Connected(address, started):
                own = "a Ray cluster of its own" if started else ""
                self.place = own or f"Ray at {address}"
                self._note(f"runs on {own or 'Ray'} at {address}")
                self._joined.set_result(message)
            case protocol.Refused(why) if self._joined.done():
                self._arrivals.broken(why)
            case protocol.Refused(why):
                self._joined.set_exception(UnreachableError(why))
            case protocol.Failing(why):
                self._failing = why
                self._note(f"the process that speaks with Ray has failed ({why}); see {self._log}")
            case protocol.Leaves(agent, why):
                self._arrivals.leaves(agent, why)
            case protocol.Joined(agent, room):
                self._agents.add(agent)
                self._arrivals.joined(agent, room)
            case protocol.From(agent, frames):
                for frame in FrameBuffer().feed(frames):
                    self._arrivals.came(agent, frame)
            case protocol.Gone(agent, why, ended):
                self._agents.discard(agent)
                self._arrivals.gone(agent, why, ended=ended)
            case protocol.Note(text):
                self._note(text)

    def _have_lost(self) -> None:
        """The bridge has ended: its agents end as well, but nobody tells when."""
        assert self._arrivals is not None
        assert self._joined is not None
        if not self._joined.done():
            why = self._failing or "it has ended"
            error = f"the process that speaks with Ray: {why}; see {self._log}"
            self._joined.set_exception(UnreachableError(error))
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
