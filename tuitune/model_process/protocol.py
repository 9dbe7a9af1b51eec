"""The messages between an engine and its model's process: frames of msgpack, the first a pickle."""

from typing import Any

import msgspec
from msgspec.structs import replace

from tuitune.core import reasons, spec
from tuitune.core.search.proposal import Past
from tuitune.core.space import SearchSpace
from tuitune.ipc.frames import frame


class Brief(msgspec.Struct, frozen=True):
    """What a model is made of: the first message, once for each process."""

    space: SearchSpace
    search: spec.SearchSpec
    mode: spec.Mode
    rungs: tuple[int, ...]  # resource steps, rising
    foreign: tuple[Past, ...]  # trials of earlier studies


class Question(msgspec.Struct, frozen=True):
    """Asks for a proposal for `trial`, with what has changed since the last question."""

    trial: int
    changed: list[Past]  # new trials, and those that have changed since they were sent
    removed: list[int]  # numbers of trials
    tried: list[str]  # identities of configurations that are not to be proposed
    limited: bool = False  # as of the history


class Answer(msgspec.Struct, frozen=True):
    """A proposal; `config` is None if nothing untried is left, or if there is an `error`."""

    trial: int
    config: dict[str, Any] | None
    origin: str
    why: reasons.Why
    error: str = ""


_encode = msgspec.msgpack.Encoder().encode


def from_brief(brief: Brief) -> bytes:
    """Its frame, without an installed method's row, which the process looks up itself."""
    import pickle  # noqa: PLC0415 - not needed to start an engine

    search = replace(brief.search, installed=None)
    return frame(pickle.dumps(replace(brief, search=search)))


def to_brief(body: bytes) -> Brief:
    """Unpickles: only for bytes from the process that has started this one."""
    import pickle  # noqa: PLC0415 - as above

    brief = pickle.loads(body)  # noqa: S301 - see above
    assert isinstance(brief, Brief)
    return brief


def from_message(message: Question | Answer) -> bytes:
    """The message's frame."""
    return frame(_encode(message))


def to_question(body: bytes) -> Question:
    """The question in a frame's body. Raises MsgspecError."""
    return msgspec.msgpack.decode(body, type=Question)


def to_answer(body: bytes) -> Answer:
    """The answer in a frame's body. Raises MsgspecError."""
    return msgspec.msgpack.decode(body, type=Answer)
