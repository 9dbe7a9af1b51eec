"""Messages between the engine and its bridge to Ray."""

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
    """As `Transport.end`."""

    agent: str
    failed: bool = False


class WantRoom(msgspec.Struct, frozen=True, tag=True):
    """As `Transport.want_room`."""

    wanted: bool


class Connected(msgspec.Struct, frozen=True, tag=True):
    """The bridge has joined a cluster. started: it has started one on this machine."""

    address: str
    started: bool
    has_gpus: bool  # some node has


class Refused(msgspec.Struct, frozen=True, tag=True):
    """It has not, or no agent will ever start there, and why."""

    why: str


class Failing(msgspec.Struct, frozen=True, tag=True):
    """The bridge ends by a mistake of its own; an error in one line."""

    why: str


class Leaves(msgspec.Struct, frozen=True, tag=True):
    """As `Arrivals.leaves`."""

    agent: str
    why: str


class Joined(msgspec.Struct, frozen=True, tag=True):
    """As `Arrivals.joined`."""

    agent: str
    room: Room


class From(msgspec.Struct, frozen=True, tag=True):
    """As `Arrivals.came`, of several frames, each with its length before it."""

    agent: str
    frames: bytes


class Gone(msgspec.Struct, frozen=True, tag=True):
    """As `Arrivals.gone`."""

    agent: str
    why: str
    ended: bool


class Note(msgspec.Struct, frozen=True, tag=True):
    """A message for the user."""

    text: str


class Survey(msgspec.Struct, frozen=True, tag=True):
    """Ask every node of this cluster; question: as `engine.node_check` reads it."""

    where: str
    question: bytes


class Surveyee(msgspec.Struct, frozen=True):
    """A node. room, free: of "CPU", "memory" (bytes) and "GPU", as Ray counts them."""

    name: str
    room: dict[str, float]
    free: dict[str, float]
    held: list[str]  # other programs that hold resources there
    drains: str  # why it will leave the cluster
    answer: bytes  # as `engine.node_check` writes it; empty where there is none
    why: str  # there is none


class Surveyed(msgspec.Struct, frozen=True, tag=True):
    """A cluster, its versions of Ray and Python, and its nodes."""

    address: str
    ray: str
    python: str
    nodes: list[Surveyee]


OfSurvey = Surveyed | Refused
ToBridge = Connect | To | WantRoom | End
OfBridge = Connected | Refused | Failing | Joined | From | Leaves | Gone | Note

_encode = msgspec.msgpack.Encoder().encode
to_bridge: msgspec.msgpack.Decoder[ToBridge] = msgspec.msgpack.Decoder(ToBridge)
of_bridge: msgspec.msgpack.Decoder[OfBridge] = msgspec.msgpack.Decoder(OfBridge)
to_survey: msgspec.msgpack.Decoder[Survey] = msgspec.msgpack.Decoder(Survey)
of_survey: msgspec.msgpack.Decoder[OfSurvey] = msgspec.msgpack.Decoder(OfSurvey)


def encoded(message: ToBridge | OfBridge | Survey | OfSurvey) -> bytes:
    """The message with its length before it."""
    return frame(_encode(message))
