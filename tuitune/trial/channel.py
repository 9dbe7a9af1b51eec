"""Channels for a trial's messages: to the engine, to the terminal, or nowhere."""

from __future__ import annotations

import errno
import os
import socket
import time
from contextlib import suppress
from typing import Protocol

from tuitune.trial import wire

_CONNECT_SECONDS = 5.0  # the engine may be about to bind its socket again


class Channel(Protocol):
    """Carries a trial's messages. Methods raise OSError if the other side is gone."""

    def send(self, line: bytes) -> None:
        """Send a message; `line` includes its line end."""

    def poll(self) -> wire.Stop | wire.Refused | None:
        """The order to stop that has arrived, without waiting."""

    def wait(self) -> wire.Instruction | wire.Refused:
        """The next message, however long it takes."""


class SocketChannel:
    """A channel to the engine, over its Unix socket."""

    def __init__(self, order: wire.Order) -> None:
        self._order = order
        self._socket = _connect(order.socket)
        self.send = self._socket.sendall  # not a method: every report would pay for the call
        self._buffer = b""
        self.send(wire.encode(wire.Hello(order.token, order.trial, order.attempt, os.getpid())))

    def fileno(self) -> int:
        """The socket's descriptor, for `poll`."""
        return self._socket.fileno()

    def send_last(self, line: bytes) -> None:
        """As `send`, on a new socket if the target has closed all descriptors, this one too."""
        try:
            self.send(line)
        except OSError as error:
            if error.errno not in (errno.EBADF, errno.ENOTSOCK):
                raise
            SocketChannel(self._order).send(line)

    def poll(self) -> wire.Stop | wire.Refused | None:
        """Drops other messages. Raises ConnectionResetError if the engine is gone."""
        with suppress(BlockingIOError):  # a message may have come together with an earlier one
            self._receive(socket.MSG_DONTWAIT)
        while b"\n" in self._buffer:
            message = self._next()
            if isinstance(message, wire.Stop | wire.Refused):
                return message
        return None  # others came too late: a verdict after a stop, a release after a save

    @property
    def holds_more(self) -> bool:
        """Whether a message has come with an earlier one: the socket is not readable for it."""
        return b"\n" in self._buffer

    def wait(self) -> wire.Instruction | wire.Refused:
        """The engine's next message. Raises ConnectionResetError if the engine is gone."""
        while b"\n" not in self._buffer:
            self._receive()
        return self._next()

    def _receive(self, flags: int = 0) -> None:
        received = self._socket.recv(4096, flags)
        if not received:
            raise ConnectionResetError("the engine is gone")
        self._buffer += received

    def _next(self) -> wire.Instruction | wire.Refused:
        line, _, self._buffer = self._buffer.partition(b"\n")
        return wire.decode_instruction(line)


class PrintedChannel:
    """Prints the messages of a script that runs outside a study."""

    def send(self, line: bytes) -> None:
        """Print what a user needs to see; nothing for other messages."""
        match wire.decode(line):
            case wire.Report(step=step, metrics=metrics, odd=odd):
                values = {**metrics, **odd}
                shown = ", ".join(f"{name}={value}" for name, value in values.items())
                print(f"report {step}: {shown}", flush=True)  # noqa: T201
            case wire.Warn(text):
                print(f"warning: {text}", flush=True)  # noqa: T201
            case wire.Saving(step, failed) if failed:
                print(f"checkpoint {step} failed: {failed}", flush=True)  # noqa: T201
            case wire.Checkpoint(step):
                print(f"checkpoint {step}", flush=True)  # noqa: T201

    def poll(self) -> wire.Stop | None:
        """Always None."""
        return None

    def wait(self) -> wire.Instruction:
        """Always to go on, without a checkpoint."""
        return wire.Verdict("go", save=False)


class SilentChannel:
    """Sends nothing: for all processes of a distributed trial except the first."""

    def send(self, line: bytes) -> None:
        """Does nothing."""

    def poll(self) -> wire.Stop | None:
        """Always None."""
        return None

    def wait(self) -> wire.Instruction:
        """Always to go on, without a checkpoint."""
        return wire.Verdict("go", save=False)


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
