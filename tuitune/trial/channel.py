"""Where a trial's messages go: to the engine, to the terminal, or nowhere."""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import TYPE_CHECKING, Protocol

from tuitune.trial.wire import (
    Checkpoint,
    Hello,
    Refused,
    Report,
    Saving,
    Stop,
    Verdict,
    Warn,
    decode,
    decode_instruction,
    encode,
)

if TYPE_CHECKING:
    from tuitune.trial.wire import Instruction, Order

_CONNECT_SECONDS = 5.0  # the engine may be about to bind its socket again


class Channel(Protocol):
    """Raises OSError if the other side is gone."""

    def send(self, line: bytes) -> None:
        """A message with its line end."""

    def poll(self) -> Stop | Refused | None:
        """What has arrived, without waiting."""

    def wait(self) -> Instruction | Refused:
        """The next message, however long it takes."""


class SocketChannel:
    """To the engine."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._socket = _connect(order.socket)
        self.send = self._socket.sendall  # not a method that calls it, for every report's sake
        self._buffer = b""
        self.send(encode(Hello(order.token, order.trial, order.attempt, os.getpid())))

    def fileno(self) -> int:
        return self._socket.fileno()

    def send_last(self, line: bytes) -> None:
        """On another socket if the target has closed this one, among all that it found open."""
        try:
            self.send(line)
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.ENOTSOCK):
                raise
            SocketChannel(self._order).send(line)

    def poll(self) -> Stop | Refused | None:
        try:
            self._receive(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        while b"\n" in self._buffer:
            message = self._next()
            if isinstance(message, Stop | Refused):
                return message
        return None  # a verdict that a stop overtook, a release that a save overtook

    def wait(self) -> Instruction | Refused:
        while b"\n" not in self._buffer:
            self._receive()
        return self._next()

    def _receive(self, flags: int = 0) -> None:
        received = self._socket.recv(4096, flags)
        if not received:
            raise ConnectionResetError("the engine is gone")
        self._buffer += received

    def _next(self) -> Instruction | Refused:
        line, _, self._buffer = self._buffer.partition(b"\n")
        return decode_instruction(line)


class PrintedChannel:
    """To the terminal: a script that was started by hand."""

    def send(self, line: bytes) -> None:
        match decode(line):
            case Report(step=step, metrics=metrics, odd=odd):
                values = {**metrics, **odd}
                shown = ", ".join(f"{name}={value}" for name, value in values.items())
                print(f"report {step}: {shown}", flush=True)  # noqa: T201
            case Warn(text):
                print(f"warning: {text}", flush=True)  # noqa: T201
            case Saving(step, failed) if failed:
                print(f"checkpoint {step} failed: {failed}", flush=True)  # noqa: T201
            case Checkpoint(step):
                print(f"checkpoint {step}", flush=True)  # noqa: T201

    def poll(self) -> Stop | None:
        return None

    def wait(self) -> Instruction:
        return Verdict("go", save=False)


class SilentChannel:
    """Nowhere: every process but the first of a distributed trial."""

    def send(self, line: bytes) -> None: ...

    def poll(self) -> Stop | None:
        return None

    def wait(self) -> Instruction:
        return Verdict("go", save=False)


def _connect(path: str) -> socket.socket:
    deadline = time.monotonic() + _CONNECT_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(path)
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError) as error:
            connection.close()
            if time.monotonic() > deadline:
                raise ConnectionError(f"no tuitune engine answers at {path}") from error
            time.sleep(0.02)
        else:
            return connection
