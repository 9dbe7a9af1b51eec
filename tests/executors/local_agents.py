"""A transport whose agents are processes of this machine, which tests can cut off, stop and kill."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tuitune.executors.remote.transport import Arrivals, Room
from tuitune.ipc.child import Child
from tuitune.ipc.frames import FrameBuffer

_NOBODY = 65534  # a user
_UNSHARE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))


class LocalAgents:
    """A `Transport` with one agent on each of these made-up nodes.

    cut: nodes of which no frame passes any more, either way. again: whether another agent takes
    the place of one that is gone. pythons: of nodes that see other files, as `blinded` makes them.
    """

    def __init__(
        self,
        rooms: Sequence[Room],
        log: Path,
        *,
        again: bool = True,
        pythons: Mapping[str, str] | None = None,
    ) -> None:
        self._pythons = pythons or {}
        self.agents: dict[str, tuple[Child, Room]] = {}
        self.cut: set[str] = set()
        self._rooms = rooms
        self._log = log
        self._again = again
        self._arrivals: Arrivals
        self._closed = False
        self.has_gpus = False
        self.place = "the nodes of a test"
        self.wants_room = False
        self.failures = 0  # agents that have died before a trial ended there by itself

    async def open(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        for room in self._rooms:
            self.start(room)

    def start(self, room: Room) -> None:
        """An agent on this node joins."""
        name = f"{room.node}-{secrets.token_hex(4)}"  # others run these tests on this machine too
        frames = FrameBuffer()

        def receive(chunk: bytes) -> None:
            for body in frames.feed(chunk):
                if room.node not in self.cut:
                    self._arrivals.came(name, body)

        child = Child(
            "engine.agent",
            name,
            receive=receive,
            lost=lambda: self._have_lost(name),
            log=self._log,
            new_session=True,
            python=self._pythons.get(room.node, sys.executable),
        )
        self.agents[name] = child, room
        self._arrivals.joined(name, room)

    def send(self, agent: str, data: bytes) -> None:
        found = self.agents.get(agent)
        if found is not None and found[1].node not in self.cut:
            found[0].send(data)

    def want_room(self, wanted: bool) -> None:
        self.wants_room = wanted

    def end(self, agent: str, *, failed: bool = False) -> None:
        self.failures += failed
        found = self.agents.pop(agent, None)
        if found is not None:
            found[0].close()
            found[0].kill(5.0)
            if self._again and not self._closed:
                self.start(found[1])

    async def close(self) -> None:
        self._closed = True
        for name in [*self.agents]:
            self.end(name)

    def on(self, node: str) -> Child:
        """The process of this node's agent."""
        return next(child for child, room in self.agents.values() if room.node == node)

    def _have_lost(self, name: str) -> None:
        asyncio.ensure_future(self._tell(name))  # noqa: RUF006 - a test has ended otherwise

    async def _tell(self, name: str) -> None:
        child, _ = self.agents[name]
        await child.wait(5.0)
        self._arrivals.gone(name, child.how_it_ended(), ended=True)


def blinded(place: Path, *hidden: Path) -> str:
    """An interpreter that sees these folders empty, and has a home of its own.

    Its mounts are its own. Skips the test where this machine doesn't allow that.
    """
    if subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no process may have mounts of its own here")
    place.mkdir(parents=True)
    mounts = "".join(f"mount -t tmpfs none '{folder}' || exit 9\n" for folder in hidden)
    inner = place / "inner.sh"
    inner.write_text(
        f"{mounts}export XDG_STATE_HOME='{place}/state'\nexec {sys.executable} \"$@\"\n"
    )
    python = place / "python"
    python.write_text(f"#!/bin/sh\nexec {' '.join(_UNSHARE)} sh '{inner}' \"$@\"\n")
    python.chmod(0o755)
    return str(python)


@contextmanager
def forbidden(folder: Path) -> Iterator[None]:
    """This process may not enter the folder meanwhile, though it may be root's."""
    user, mode = os.geteuid(), folder.stat().st_mode
    folder.chmod(0)
    if user == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        folder.chmod(mode)
