"""The messages between the engine and an agent, which a `link` carries."""

from typing import Any, Literal

import msgspec

from tuitune.core.events import Event, Gpu, Park, SetAside, Settings, Unpark
from tuitune.core.placement.snapshots import NodeReadings
from tuitune.core.spec import DevicesSpec
from tuitune.core.study.checkpoints import Keep
from tuitune.executors.base import Plan


class Code(msgspec.Struct, frozen=True):
    """A study file as the engine sees it."""

    file: str
    inode: int
    size: int  # bytes
    changed: int  # ns


class Files(msgspec.Struct, frozen=True):
    """How nodes find the study's files, and each other's."""

    study: str = ""  # its name among the studies of all users
    mark: str = ""  # see `mark`: in the study folder
    saves: str | None = None  # a command's files that are its checkpoints
    storage: str = ""  # a path or a URL; empty: none
    storage_mark: str = ""  # in the study's folder there; empty: it is a URL
    earlier: tuple[str, ...] = ()  # storages of earlier runs, the newest first
    code: Code | None = None  # None: trials run in a folder that each node has


class Setup(msgspec.Struct, frozen=True, tag=True):
    """The first message to an agent: import the target."""

    plan: Plan
    node: str
    lease: float  # see `link.LEASE`
    cpus: float  # CPU slots for the study's trials
    memory: int  # bytes, the same
    swept: tuple[str, ...] = ()  # agents of before, of which nothing may be left on this node
    devices: DevicesSpec | None = None  # None: trials have no GPUs
    settings: Settings | None = None
    files: Files = Files()


class Launch(msgspec.Struct, frozen=True, tag=True):
    """Start an attempt. order: as `wire.encode_order` writes it."""

    order: str


class Answer(msgspec.Struct, frozen=True, tag=True):
    """As `Executor.answer`."""

    trial: int
    attempt: int
    action: str
    save: bool


class AskStop(msgspec.Struct, frozen=True, tag=True):
    """As `Executor.ask_stop`."""

    trial: int
    attempt: int
    reason: str
    save: bool


class Release(msgspec.Struct, frozen=True, tag=True):
    """As `Executor.release`."""

    trial: int
    attempt: int


class Signal(msgspec.Struct, frozen=True, tag=True):
    """As `Executor.signal`."""

    trial: int
    attempt: int
    how: Literal["term", "kill"]


class Sample(msgspec.Struct, frozen=True, tag=True):
    """As `Executor.sample`; `Sampled` with this number answers."""

    number: int
    targets: dict[str, str]
    seed: str
    config: dict[str, Any]


class Piece(msgspec.Struct, frozen=True, tag=True):
    """A part of the packed training code. problem: why there is none."""

    offset: int
    data: bytes
    size: int  # of the whole, in bytes
    problem: str = ""


class AskLog(msgspec.Struct, frozen=True, tag=True):
    """Send what an attempt has printed, from this byte on; -1: from where a `LogPage` begins."""

    trial: int
    attempt: int
    start: int


class Leave(msgspec.Struct, frozen=True, tag=True):
    """As `Folders.leave`; in_storage: there as well."""

    keeps: dict[int, Keep]
    in_storage: bool


class Close(msgspec.Struct, frozen=True, tag=True):
    """As `Executor.close`; `Closed` answers."""


class Change(msgspec.Struct, frozen=True, tag=True):
    """The study's settings have changed."""

    settings: Settings


class Act(msgspec.Struct, frozen=True, tag=True):
    """Carry out a fact about GPUs, of the study of this name."""

    fact: SetAside | Park | Unpark
    study: str


class Clear(msgspec.Struct, frozen=True, tag=True):
    """As `HasNodes.clear`."""

    which: str


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The target is imported: trials may be launched here."""

    gpus: tuple[Gpu, ...] = ()


class Found(msgspec.Struct, frozen=True, tag=True):
    """The node's files are found. shared: it sees the study folder."""

    shared: bool


class NeedsCode(msgspec.Struct, frozen=True, tag=True):
    """The node does not see the training code: send the `Piece` from this byte on."""

    offset: int


class Unimportable(msgspec.Struct, frozen=True, tag=True):
    """The target can't be imported; the traceback. Or the storage can't be used, and why."""

    text: str
    storage: bool = False


class LogPage(msgspec.Struct, frozen=True, tag=True):
    """A part of what an attempt has printed, where the engine doesn't see it.

    The end of it comes unasked when the attempt has ended.
    """

    trial: int
    attempt: int
    start: int  # byte of what the attempt has printed
    text: bytes
    size: int  # bytes of the whole log so far


class Happened(msgspec.Struct, frozen=True, tag=True):
    """Events of the agent's attempts; their times mean nothing to the engine."""

    events: list[Event]


class Sampled(msgspec.Struct, frozen=True, tag=True):
    """The values of `Sample`, or why there are none."""

    number: int
    values: dict[str, Any]
    error: str = ""
    not_now: bool = False  # the error may pass


class Read(msgspec.Struct, frozen=True, tag=True):
    """The load of the node."""

    readings: NodeReadings


class Leaving(msgspec.Struct, frozen=True, tag=True):
    """The agent was told to end: its trials are to save and leave."""

    why: str


class Closed(msgspec.Struct, frozen=True, tag=True):
    """Nothing of the agent runs any more."""


OfAttempt = Launch | Answer | AskStop | Release | Signal
ToAgent = Setup | OfAttempt | Sample | Change | Act | Clear | Piece | AskLog | Leave | Close
OfTrials = Happened | LogPage | Sampled
FromAgent = Found | NeedsCode | Ready | Unimportable | OfTrials | Read | Leaving | Closed

encode = msgspec.msgpack.Encoder().encode
_to_agent: msgspec.msgpack.Decoder[ToAgent] = msgspec.msgpack.Decoder(ToAgent)
_from_agent: msgspec.msgpack.Decoder[FromAgent] = msgspec.msgpack.Decoder(FromAgent)


def for_agent(message: bytes) -> ToAgent:
    """Decode a message of the engine. Raises MsgspecError."""
    return _to_agent.decode(message)


def of_agent(message: bytes) -> FromAgent:
    """Decode a message of an agent. Raises MsgspecError."""
    return _from_agent.decode(message)
