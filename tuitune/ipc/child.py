"""A child process that runs a module of this package: its start, its socket and its end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tuitune.ipc import entry

_CHUNK = 1 << 16  # bytes; for more, each read would map and unmap memory of its own
_STEPS = 0.001, 0.01  # s between two looks at a process that is to end: at first, and at most


def start(
    module: str,
    *arguments: str,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    new_session: bool = False,
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a child process, out of reach of a Ctrl-C; what it prints is appended to `log`.

    The other end of the socket is `entry.connect_to_parent`. The child dies with the thread that
    has started it. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    values = str(theirs.fileno()), str(os.getpid()), *arguments
    try:
        with theirs, contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
            process = subprocess.Popen(
                entry.command(python, module, *values),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                pass_fds=[theirs.fileno()],
                start_new_session=new_session,
                process_group=None if new_session else 0,
            )
    except OSError:
        ours.close()
        raise
    return process, ours


def ending_of(code: int) -> str:
    """Text such as "SIGKILL" or "exit status 3", of what `Popen.returncode` has."""
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


class Child:
    """A child process of `start` whose socket belongs to an event loop.

    `receive` gets what the child sends, in chunks; `lost` is called when it closes its socket.
    Neither is called after `close`.
    """

    def __init__(  # noqa: PLR0913 - what a process is started with
        self,
        module: str,
        *arguments: str,
        receive: Callable[[bytes], None],
        lost: Callable[[], object],
        python: str = sys.executable,
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        new_session: bool = False,
    ) -> None:
        """Start it; see `start`. To be called in the main thread. Raises OSError."""
        self._receive = receive
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._unsent = bytearray()
        self._is_open = True
        self._process, self._socket = start(
            module, *arguments, python=python, env=env, log=log, new_session=new_session
        )
        self._socket.setblocking(False)  # noqa: FBT003
        self._loop.add_reader(self._socket, self._read)

    @property
    def pid(self) -> int:
        """Its process id; still there when it has ended."""
        return self._process.pid

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed the socket."""
        return self._is_open

    def send(self, data: bytes) -> None:
        """Never waits, and never fails: nothing is sent once the socket is closed."""
        if self._is_open:
            self._unsent += data
            self._write()

    def close(self) -> None:
        """Close the socket, upon which the child ends by itself."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()

    def kill(self, patience: float = 0.0) -> None:
        """Kill it, and block until it is gone, for `patience` seconds at most."""
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)

    def poll(self) -> int | None:
        """Its exit status, minus a signal's number; None while it runs."""
        return self._process.poll()

    async def wait(self, patience: float = math.inf) -> int | None:
        """Wait for its end, `patience` seconds at most. Returns as `poll`."""
        waited, (step, longest) = 0.0, _STEPS
        while self.poll() is None and waited < patience:
            await asyncio.sleep(step)
            waited += step
            step = min(2 * step, longest)
        return self._process.returncode

    def how_it_ended(self) -> str:
        """As `ending_of`; to be called after its end."""
        return ending_of(self._process.returncode)

    def _read(self) -> None:
        try:
            chunk = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if chunk:
            self._receive(chunk)
        else:
            self.close()
            self._lost()

    def _write(self) -> None:
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(self._unsent)  # the socket is closed: the reader will see that
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._socket, self._write)
        else:
            self._loop.remove_writer(self._socket)
