"""What carries frames between an engine and its agents: started by an executor, told of by it."""

from typing import Protocol

import msgspec


class Room(msgspec.Struct, frozen=True):
    """The part of a node that an agent has for this study."""

    node: str  # the node's name: no other node of the study has it
    cpus: float
    memory: int  # bytes
    gpus: int = 0


class Arrivals(Protocol):
    """What a transport tells. Called on the thread of the event loop."""

    def joined(self, agent: str, room: Room) -> None:
        """An agent has started; no other has ever had this id."""

    def came(self, agent: str, frame: bytes) -> None:
        """A frame of this agent, without its length."""

    def gone(self, agent: str, why: str, *, ended: bool) -> None:
        """Nothing more comes of this agent. ended: its process is known to have exited."""

    def leaves(self, agent: str, why: str) -> None:
        """Its node will soon be lost."""

    def broken(self, why: str) -> None:
        """Nothing more comes of any agent, now or later."""


class Transport(Protocol):
    """Starts an agent on each node, and another one where one is gone."""

    has_gpus: bool  # whether some node has GPUs, once it is open
    place: str  # what its nodes are, in words, once it is open

    async def open(self, arrivals: Arrivals) -> None:
        """Begin; agents join from now on. Raises UnreachableError."""

    def send(self, agent: str, data: bytes) -> None:
        """Send a frame, with its length before it. It may be lost."""

    def end(self, agent: str, *, failed: bool = False) -> None:
        """Kill an agent that is given up; another one may take its place.

        failed: it has died, and no trial had ended there by itself.
        """

    def want_room(self, wanted: bool) -> None:  # noqa: FBT001
        """As `HasNodes.want_room`."""

    async def close(self) -> None:
        """Kill all agents, and wait until they are gone."""
