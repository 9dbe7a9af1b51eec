"""Messages on a stream of bytes: lines, frames that give their length, and typed JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

_HEAD = 4  # bytes that give a frame's length, the most significant first


class LineBuffer:
    """Bytes in the chunks they arrive in, cut at line ends."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that this chunk completes, without their ends."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines


class FrameBuffer:
    """Bytes in the chunks they arrive in, cut into the frames that `frame` has made."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The bodies of the frames that this chunk completes."""
        self._buffer += chunk
        while len(self._buffer) >= _HEAD:
            end = _HEAD + int.from_bytes(self._buffer[:_HEAD], "big")
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_HEAD:end])
            del self._buffer[:end]
            yield body


def frame(body: bytes) -> bytes:
    """The body, with its length before it. Raises OverflowError at 4 GiB."""
    return len(body).to_bytes(_HEAD, "big") + body


class _Named(Protocol):
    """Any NamedTuple: they have no common base class."""

    def _asdict(self) -> dict[str, Any]: ...


_M = TypeVar("_M", bound=_Named)


class Codec(Generic[_M]):
    """One direction of a conversation: NamedTuples as JSON lines.

    The field `type` holds the class's name. Fields hold what JSON can; NaN and infinity pass, as
    Python's json writes them. Standard library only, since trials import it.
    """

    def __init__(self, *kinds: type[_M]) -> None:
        self._kinds = {kind.__name__: kind for kind in kinds}

    def encode(self, message: _M) -> bytes:
        """One line, its end included."""
        return json.dumps({"type": type(message).__name__, **message._asdict()}).encode() + b"\n"

    def decode(self, line: bytes | str) -> _M:
        """The message of a line. Raises ValueError, KeyError or TypeError for other lines."""
        body = json.loads(line)
        return self._kinds[body.pop("type")](**body)
