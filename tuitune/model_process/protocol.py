"""What do an engine and its model's process say to each other, and how is it framed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from tuitune.core.search.proposal import Past

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuitune.core.space import SearchSpace
    from tuitune.core.spec import Mode, SearchSpec

HEAD = 4  # bytes that give a message's length


@dataclass(frozen=True, slots=True)
class Brief:
    """What a model is made of: the first message, once for each process."""

    space: SearchSpace
    search: SearchSpec
    mode: Mode
    rungs: tuple[int, ...]
    foreign: tuple[Past, ...]


class Question(msgspec.Struct, frozen=True):
    """Only what is new since the last one: `fresh` replaces trials by number."""

    trial: int
    fresh: list[Past]
    gone: list[int]
    tried: list[str]


class Answer(msgspec.Struct, frozen=True):
    """config is None where nothing untried is left, and where `error` says what went wrong."""

    trial: int
    config: dict[str, Any] | None
    origin: str
    why: str
    error: str = ""


_encode = msgspec.msgpack.Encoder().encode
to_question = msgspec.msgpack.Decoder(Question).decode
to_answer = msgspec.msgpack.Decoder(Answer).decode


def from_brief(brief: Brief) -> bytes:
    import pickle  # noqa: PLC0415 - the engine starts before it needs it

    return framed(pickle.dumps(brief))


def to_brief(body: bytes) -> Brief:
    """Of the process that has started us, over a socket that nobody else has."""
    import pickle  # noqa: PLC0415 - as above

    brief = pickle.loads(body)  # noqa: S301 - see above
    assert isinstance(brief, Brief)
    return brief


def from_message(message: Question | Answer) -> bytes:
    return framed(_encode(message))


def framed(body: bytes) -> bytes:
    return len(body).to_bytes(HEAD, "big") + body


class Frames:
    """Puts bytes together again as they arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._buffer += data
        while len(self._buffer) >= HEAD:
            end = HEAD + int.from_bytes(self._buffer[:HEAD], "big")
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[HEAD:end])
            del self._buffer[:end]
            yield body
