"""The actor on a node: it starts the agent, and passes frames between it and the bridge."""

import contextlib
import importlib.metadata
import math
import os
import select
import socket
import subprocess
import threading
import time
from pathlib import Path

from tuitune.executors.remote.link import LEASE
from tuitune.ipc import child, process_tree
from tuitune.ipc.frames import FrameBuffer, frame

_POLL = 1.0  # s that a call waits for frames
_PARTING = 2.0  # s for the agent to end once it has closed its socket
_CHUNK = 1 << 16  # bytes
_LOOK = 0.5  # s between two looks at whether the agent is silent
CALLS = 4  # that may be under way at once: one that pulls, one that was cut off, and two that push


def version() -> str:
    """The version of tuitune on this node."""
    return importlib.metadata.version("tuitune")


def _writable(log: str) -> Path | None:
    """The log, where this node sees it and may write to it."""
    try:
        os.close(os.open(log, os.O_WRONLY))
    except OSError:
        return None
    return Path(log)


class Host:
    """A plain class, of which Ray makes an actor. Calls come in any order, CALLS at once.

    They block, each in a thread of Ray's: a call of an asynchronous actor costs half as much again.
    Frames may be doubled, lost or overtaken between here and the engine, but not here.

    An agent of which nothing was passed on for LEASE seconds is ended here with all that it runs.
    It has ended itself by then, unless it stands still; so nothing of it is left when the engine,
    which has heard nothing for LOST seconds, starts its trials elsewhere.
    """

    def __init__(self) -> None:
        self._name: str
        self._process: subprocess.Popen[bytes]
        self._socket: socket.socket
        self._frames = FrameBuffer()
        self._readable = select.poll()
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._ended = ""
        self._passed_at = math.inf  # when something that the agent has said was passed on
        self._is_silent = False

    def start(self, name: str, log: str) -> str:
        """Start the agent. Returns tuitune's version here."""
        self._name = name
        self._process, self._socket = child.start("engine.agent", name, log=_writable(log))
        self._readable.register(self._socket, select.POLLIN)
        threading.Thread(target=self._watch, daemon=True).start()
        return version()

    def push(self, data: bytes) -> None:
        """Send frames to the agent; nothing where it has ended."""
        with self._writing, contextlib.suppress(OSError):
            self._socket.sendall(data)

    def pull(self, data: bytes) -> bytes | str:
        """Send frames to the agent, as `push`. Those that come from it; or how it has ended.

        Ray carries bytes without pickling them.
        """
        if data:
            self.push(data)
        with self._reading:
            return self._ended or self._read()

    def _read(self) -> bytes | str:
        """Whole frames, each with its length before it; none where none come for a while."""
        until = time.monotonic() + _POLL
        frames = b""
        while not frames and (left := until - time.monotonic()) > 0:
            if not self._readable.poll(left * 1000):
                break
            try:
                chunk = self._socket.recv(_CHUNK)
            except OSError:
                chunk = b""
            if not chunk:
                self._ended = self._how_it_ended()
                return self._ended
            self._passed_at = time.monotonic()
            frames = b"".join(map(frame, self._frames.feed(chunk)))
        return frames

    def _how_it_ended(self) -> str:
        """Once nothing is left of it: what it ran is soon started elsewhere."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PARTING)
        code = self._end()
        return f"not heard for {LEASE:g} s" if self._is_silent else child.ending_of(code)

    def _watch(self) -> None:
        while self._process.poll() is None:
            time.sleep(_LOOK)
            if time.monotonic() - self._passed_at >= LEASE:
                self._is_silent = True
                self._end()

    def _end(self) -> int:
        """End what is left of it; its exit status."""
        self._process.kill()
        code = self._process.wait()
        process_tree.sweep(self._name, process_tree.AGENT)
        return code
