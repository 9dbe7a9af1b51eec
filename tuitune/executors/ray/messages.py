"""Messages between the engine and its bridge to Ray."""

from __future__ import annotations

import msgspec

from tuitune.executors.remote.transport import Room
from tuitune.ipc.frames import frame


class Connect(msgspec.Struct, frozen=True, tag=True):
    """The first message: join this cluster, and put an agent on each node with room."""

    where: str  # "ray", or HOST:PORT
    cpus: float  # of a trial
    memory: int  # bytes, the same
    gpus: int  # that a trial needs at least
    wants_gpus: bool  # whether trials may use GPUs
    most_cpus: float | None  # of all trials that may run at once; None: no limit
    log: str  # where agents write what they print, if they see this path


class To(msgspec.Struct, frozen=True, tag=True):
    """Send this to an agent. It may be lost."""

    agent: str
    data: bytes


class End(msgspec.Struct, frozen=True, tag=True):
    """Kill an agent; another one may take its place."""

    agent: str


class Connected(msgspec.Struct, frozen=True, tag=True):
    """The bridge has joined a cluster. started: it has started one on this machine."""

    address: str
    started: bool
    has_gpus: bool  # some node has


class Refused(msgspec.Struct, frozen=True, tag=True):
    """It has not, and why."""

    why: str


class Joined(msgspec.Struct, frozen=True, tag=True):
    """As `Arrivals.joined`."""

    agent: str
    room: Room


class From(msgspec.Struct, frozen=True, tag=True):
    """As `Arrivals.came`, of several frames."""

    agent: str
    frames: list[bytes]


class Gone(msgspec.Struct, frozen=True, tag=True):
    """As `Arrivals.gone`."""

    agent: str
    why: str
    ended: bool


class Note(msgspec.Struct, frozen=True, tag=True):
    """A message for the user."""

    text: str


ToBridge = Connect | To | End
OfBridge = Connected | Refused | Joined | From | Gone | Note

_encode = msgspec.msgpack.Encoder().encode
to_bridge: msgspec.msgpack.Decoder[ToBridge] = msgspec.msgpack.Decoder(ToBridge)
of_bridge: msgspec.msgpack.Decoder[OfBridge] = msgspec.msgpack.Decoder(OfBridge)


def encoded(message: ToBridge | OfBridge) -> bytes:
    """The message with its length before it."""
    return frame(_encode(message))
