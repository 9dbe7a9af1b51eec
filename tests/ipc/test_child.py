"""A child process of ours: it talks over its socket, and its end is seen however it comes."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from workshop import gone, until, wait_until

import tuitune
from tuitune.ipc import entry
from tuitune.ipc.child import Child

# What a module of ours does, without one that is made for tests.
ECHO = """
import sys
sys.path.insert(0, {root!r})
from tuitune.ipc.entry import connect_to_parent
connection, arguments = connect_to_parent()
print(*arguments, flush=True)
while data := connection.recv(1 << 16):
    if data.startswith(b"exit"):
        sys.exit(int(data[4:]))
    connection.sendall(data)
"""


class Peer:
    def __init__(self, *arguments: str, log: Path | None = None) -> None:
        self.received = b""
        self.lost = 0
        self.child = Child("any", *arguments, receive=self._receive, lost=self._lose, log=log)

    until = staticmethod(until)

    def _receive(self, data: bytes) -> None:
        self.received += data

    def _lose(self) -> None:
        self.lost += 1


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    code = ECHO.format(root=str(Path(tuitune.__file__).parents[1]))

    def command(python: str, _: str, *arguments: str) -> list[str]:
        return [python, "-c", code, *arguments]

    monkeypatch.setattr(entry, "command", command)

    def run(scenario: Callable[[Peer], Awaitable[None]], *arguments: str, **more: Path) -> None:
        async def play() -> None:
            peer = Peer(*arguments, **more)
            try:
                await scenario(peer)
            finally:
                peer.child.close()
                peer.child.kill(10.0)

        asyncio.run(play())

    return run


def test_it_gets_its_arguments_and_its_output_goes_to_the_log(play, tmp_path):
    log = tmp_path / "log"
    log.write_text("before\n")

    async def scenario(peer: Peer) -> None:
        await peer.until(lambda: log.read_text() == "before\none two\n")

    play(scenario, "one", "two", log=log)


def test_more_than_the_sockets_hold_is_sent_without_waiting(play):
    sent = os.urandom(1 << 22)

    async def scenario(peer: Peer) -> None:
        peer.child.send(sent[:100])
        peer.child.send(sent[100:])
        await peer.until(lambda: len(peer.received) == len(sent))
        assert peer.received == sent

    play(scenario)


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [(b"exit3", 3, "exit status 3"), (b"exit0", 0, "exit status 0"), (None, -9, "SIGKILL")],
)
def test_its_end_is_told_once_and_what_is_sent_later_is_lost(play, how, code, words):
    async def scenario(peer: Peer) -> None:
        if how is None:
            os.kill(peer.child.pid, signal.SIGKILL)
        else:
            peer.child.send(how)
        await peer.until(lambda: peer.lost)
        assert not peer.child.is_open
        assert await peer.child.wait() == code
        assert peer.child.how_it_ended() == words
        peer.child.send(b"more")
        await asyncio.sleep(0)
        assert peer.lost == 1

    play(scenario)


def test_it_ends_by_itself_when_we_hang_up_and_we_are_not_told(play):
    async def scenario(peer: Peer) -> None:
        peer.child.close()
        assert await peer.child.wait() == 0
        assert peer.lost == 0

    play(scenario)


def test_waiting_for_one_that_goes_on_has_an_end(play):
    async def scenario(peer: Peer) -> None:
        assert await peer.child.wait(0.05) is None
        peer.child.kill()
        assert await peer.child.wait() == -signal.SIGKILL

    play(scenario)


def open_files() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


def test_a_program_that_is_not_there_raises_and_leaves_nothing_open():
    async def scenario() -> None:
        gc.collect()  # files that other tests have left to it are not closed meanwhile
        before = open_files()
        with pytest.raises(OSError, match="No such file"):
            Child("any", receive=print, lost=print, python="/no/such/python")
        assert open_files() == before

    asyncio.run(scenario())


PARENT = """
import asyncio
from tuitune.ipc.child import Child
async def main():
    child = Child("zygote.main", receive=print, lost=print)
    print(child.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


def test_it_dies_with_its_parent():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: gone(pid), "the child's end")
