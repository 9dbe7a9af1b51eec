"""The engine's side of the socket that trials connect to, and the messages they send."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from tuitune.ipc.sockets import BoundSocket, is_own
from tuitune.trial.wire import LONGEST_LINE, MOST_STEP

_CHUNK = 1 << 18  # bytes
_BACKLOG = 1024

_Step = Annotated[int, msgspec.Meta(ge=0, le=MOST_STEP)]  # a larger one must not reach the journal


class Hello(msgspec.Struct, tag=True):
    """`wire.Hello`, checked while it is decoded, as the others here."""

    token: str
    trial: int
    attempt: int
    pid: int


class Report(msgspec.Struct, tag=True):
    """`wire.Report`."""

    step: _Step
    metrics: dict[str, float]
    wait: bool = False
    saves: bool = False
    odd: dict[str, str] | None = None
    open: bool = False


class Saving(msgspec.Struct, tag=True):
    """`wire.Saving`."""

    step: _Step
    failed: str = ""


class Checkpoint(msgspec.Struct, tag=True):
    """`wire.Checkpoint`."""

    step: _Step


class Warn(msgspec.Struct, tag=True):
    """`wire.Warn`."""

    text: str


class Done(msgspec.Struct, tag=True):
    """`wire.Done`."""

    error: str
    stopped: bool = False
    ignored: bool = False


class Frozen(msgspec.Struct, tag=True):
    """`wire.Frozen`."""


Message = Hello | Report | Saving | Checkpoint | Warn | Done | Frozen
decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


class Connection:
    """One process of a trial. Its messages are passed on in order, a chunk at a time."""

    def __init__(self, end: socket.socket, listener: Listener) -> None:
        self._socket = end
        self._listener = listener
        self._rest = b""
        self.attempt: Any = None  # the Attempt that it belongs to, once it has sent the token
        self.waits = False  # for a verdict
        self.is_open = True

    def send(self, line: bytes) -> None:
        """Never waits, and never fails: a process that can't be sent to is given up."""
        try:
            self._socket.send(line)
        except OSError:  # gone, or its socket is full, as it never reads answers
            self.close()

    def close(self) -> None:
        """A second call does nothing."""
        if self.is_open:
            self.is_open = False
            self._listener.forget(self._socket)
            self._socket.close()

    def read(self) -> bool:
        """Read what has arrived; False if there is nothing more for now, or ever."""
        buffer = self._listener.buffer
        try:
            count = self._socket.recv_into(buffer)
        except BlockingIOError:
            return False
        except OSError:
            count = 0
        if count == 0:
            self.close()
            return False
        text = bytes(memoryview(buffer)[:count])
        end = text.rfind(b"\n") + 1
        if end == 0:
            self._rest += text
            if len(self._rest) > LONGEST_LINE:
                self.close()
            return self.is_open
        lines = self._rest + text[:end] if self._rest else text[:end]
        self._rest = text[end:]
        self._listener.receive(self, _decode(lines))
        return self.is_open


class Listener:
    """The socket that trials connect to. `receive` gets each connection's messages in order."""

    def __init__(self, path: str, receive: Callable[[Connection, list[Message]], None]) -> None:
        self._path = Path(path)
        self.receive = receive
        self._bound: BoundSocket | None = None
        self._connections: dict[int, Connection] = {}
        self.buffer = bytearray(_CHUNK)

    def open(self) -> None:
        """Bind, or bind again if the path was removed: /tmp may be cleaned. Raises OSError."""
        if self._bound is not None and self._bound.is_in_place():
            return
        self._unbind()
        self._bound = BoundSocket(self._path, _BACKLOG)
        asyncio.get_running_loop().add_reader(self._bound.socket, self.accept)

    def close(self) -> None:
        """Remove the path, and close every connection."""
        self._unbind()
        for connection in list(self._connections.values()):
            connection.close()

    def accept(self) -> None:
        """Accept every process that has connected."""
        while self._bound is not None:
            try:
                end, _ = self._bound.socket.accept()
            except OSError:  # no connection is left, or no descriptor
                return
            if is_own(end):
                end.setblocking(False)  # noqa: FBT003
                connection = Connection(end, self)
                self._connections[end.fileno()] = connection
                asyncio.get_running_loop().add_reader(end, connection.read)
            else:
                end.close()

    def drain(self) -> None:
        """Read from processes that have not sent their token yet; they may be gone."""
        self.accept()
        for connection in list(self._connections.values()):
            if connection.attempt is None:
                connection.read()  # a Hello at least, if its process has sent one

    def forget(self, end: socket.socket) -> None:
        """Stop reading this connection."""
        asyncio.get_running_loop().remove_reader(end)
        self._connections.pop(end.fileno(), None)

    def _unbind(self) -> None:
        if self._bound is not None:
            asyncio.get_running_loop().remove_reader(self._bound.socket)
            self._bound.close()
            self._bound = None


def odd_numbers(odd: dict[str, str]) -> dict[str, float]:
    """The numbers that JSON has no form for: NaN and the infinities."""
    return {name: float(text) for name, text in odd.items() if text in ("nan", "inf", "-inf")}


def _decode(lines: bytes) -> list[Message]:
    try:
        return decoder.decode_lines(lines)
    except msgspec.MsgspecError:
        return [message for line in lines.splitlines() for message in _decode_one(line)]


def _decode_one(line: bytes) -> list[Message]:
    try:
        return [decoder.decode(line)]
    except msgspec.MsgspecError:  # no message of ours; its writer can't be answered
        return []
