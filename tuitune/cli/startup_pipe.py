"""The pipe by which a detached engine tells whoever started it how that went."""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import NamedTuple

import msgspec

from tuitune.ipc.frames import Codec, LineBuffer


class Listening(NamedTuple):
    """It has the study and answers requests."""


class Failed(NamedTuple):
    """It ends."""

    error: str
    held: bool = False  # another engine has the study


Message = Listening | Failed
_codec: Codec[Message] = Codec(Listening, Failed)


class StartupTimeouts(msgspec.Struct, frozen=True):
    """In seconds."""

    listening: float = 60.0  # until an engine has the study and answers
    early_failure: float = 0.15  # more, in which an import that fails at once may say so
    taking: float = 2.0  # in which an engine that has the study's lock writes its name


class StartupReader:
    """The end of whoever starts an engine."""

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
        """The engine may go on writing."""
        os.close(self._descriptor)


class StartupReporter:
    """The engine's end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - trials are not to hold it open

    def send(self, message: Message) -> None:
        """Nothing happens once nobody reads, or after `close`."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, _codec.encode(message))

    def close(self) -> None:
        """A second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None
