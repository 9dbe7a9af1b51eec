"""What the engine and an agent say to each other over a `link`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tuitune.core.events import Event, Gpu, SetAside, Settings
from tuitune.core.placement.snapshots import NodeReadings
from tuitune.core.spec import DevicesSpec
from tuitune.executors.base import Plan

TAG = "TUITUNE_AGENT"  # the variable by which an agent's processes are known on its node


class Setup(msgspec.Struct, frozen=True, tag=True):
    """The first word to an agent: import the target."""

    plan: Plan
    node: str
    lease: float  # see `link.LEASE`
    cpus: float  # CPU slots for the study's trials
    memory: int  # bytes, the same
    swept: tuple[str, ...] = ()  # agents of before, of which nothing may be left on this node
    devices: DevicesSpec | None = None  # None: trials have no GPUs
    settings: Settings | None = None
    nonce: str = ""  # the name of a file in the study folder, by which it is known


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


class Close(msgspec.Struct, frozen=True, tag=True):
    """As `Executor.close`; `Closed` answers."""


class Change(msgspec.Struct, frozen=True, tag=True):
    """The study's settings have changed."""

    settings: Settings


class Aside(msgspec.Struct, frozen=True, tag=True):
    """As the fact `SetAside`."""

    fact: SetAside
    study: str


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The target is imported: trials may be launched here."""

    gpus: tuple[Gpu, ...] = ()


class Unimportable(msgspec.Struct, frozen=True, tag=True):
    """The target can't be imported; the traceback."""

    text: str


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


class Closed(msgspec.Struct, frozen=True, tag=True):
    """Nothing of the agent runs any more."""


ToAgent = Setup | Launch | Answer | AskStop | Release | Signal | Sample | Change | Aside | Close
FromAgent = Ready | Unimportable | Happened | Sampled | Read | Closed

encode = msgspec.msgpack.Encoder().encode
_to_agent: msgspec.msgpack.Decoder[ToAgent] = msgspec.msgpack.Decoder(ToAgent)
_from_agent: msgspec.msgpack.Decoder[FromAgent] = msgspec.msgpack.Decoder(FromAgent)


def for_agent(word: bytes) -> ToAgent:
    """Decode a word of the engine. Raises MsgspecError."""
    return _to_agent.decode(word)


def of_agent(word: bytes) -> FromAgent:
    """Decode a word of an agent. Raises MsgspecError."""
    return _from_agent.decode(word)
