"""The pipe on which a detached engine reports its start to the command that started it."""

import contextlib
import os
import select
import time
from typing import NamedTuple

import msgspec

from tuitune.ipc.frames import Codec, LineBuffer


class Listening(NamedTuple):
    """The engine holds the study and answers requests."""


class Waiting(NamedTuple):
    """The engine waits for something, and goes on."""

    text: str


class Failed(NamedTuple):
    """The engine ends with an error."""

    error: str
    held: bool = False  # another engine holds the study


Message = Listening | Waiting | Failed
_codec: Codec[Message] = Codec(Listening, Waiting, Failed)


class StartupTimeouts(msgspec.Struct, frozen=True):
    """How long a command waits for the engine that it starts; seconds."""

    listening: float = 60.0  # until the engine holds the study and answers
    early_failure: float = 0.15  # further, for an import that fails at once
    taking: float = 2.0  # for an engine that holds the study's lock to write its name


class StartupReader:
    """The reading end, in the command that starts the engine."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines = LineBuffer()
        self._messages: list[Message] = []  # read, and not waited for yet

    def wait(self, seconds: float) -> Message | None:
        """The next message; None if the engine has closed its end. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not self._messages:
            left = max(0.0, end - time.monotonic())
            if not select.select([self._descriptor], [], [], left)[0]:
                raise TimeoutError
            chunk = os.read(self._descriptor, 1 << 16)
            if not chunk:
                return None
            self._messages += map(_codec.decode, self._lines.feed(chunk))
        return self._messages.pop(0)

    def close(self) -> None:
        """Close this end; later messages of the engine are lost."""
        os.close(self._descriptor)


class StartupReporter:
    """The writing end, in the engine."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - trials are not to hold it open

    def send(self, message: Message) -> None:
        """Send a message; ignored after `close` or once the reader is gone."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, _codec.encode(message))

    def close(self) -> None:
        """Close this end; a second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None
