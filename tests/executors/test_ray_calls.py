"""The calls between the bridge and the actor of an agent, without Ray: frames, answers, the end."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from local_agents import forbidden
from workshop import until

from tuitune.executors.ray import actor, hosted
from tuitune.executors.ray.actor import Host
from tuitune.executors.ray.hosted import Hosted
from tuitune.ipc import process_tree
from tuitune.ipc.frames import FrameBuffer, frame


class Calls:
    """Stands for Ray's handle of a Host: calls are counted, and run in threads."""

    def __init__(self, host: Host) -> None:
        self.made: list[str] = []
        self.pull = SimpleNamespace(remote=lambda data: self._call(host.pull, data))
        push = SimpleNamespace(remote=lambda data: self._call(host.push, data))
        self.push = SimpleNamespace(options=lambda **_: push)

    def _call(self, method: Callable[[bytes], Any], data: bytes) -> asyncio.Task[Any]:
        self.made.append(method.__name__)
        return asyncio.create_task(asyncio.to_thread(method, data))


class Scene:
    """A host whose agent is played: a process that does nothing, and the other end of its socket.

    says, hears: sends frames to the host, and receives what it sends.
    """

    def __init__(self, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
        ours, self.socket = socket.socketpair()
        self.process = process
        monkeypatch.setattr(actor.child, "start", lambda *_, **__: (process, ours))
        self.name = f"a-{secrets.token_hex(4)}"
        self.host = Host()
        assert self.host.start(self.name, "") == actor.version()
        self.calls = Calls(self.host)
        self.agent = Hosted("a", "node", self.calls)
        self.heard = b""

    def says(self, *bodies: bytes) -> None:
        self.socket.sendall(b"".join(map(frame, bodies)))

    async def hears(self, data: bytes) -> None:
        self.socket.setblocking(False)

        def has_come() -> bool:
            try:
                self.heard += self.socket.recv(1000)
            except BlockingIOError:
                return False
            return len(self.heard) >= len(data)

        await until(has_come)
        assert self.heard == data

    def starts_one_that_stands_still(self) -> subprocess.Popen[bytes]:
        tag = {process_tree.AGENT: self.name}
        process = subprocess.Popen(["sleep", "1000"], env={**os.environ, **tag})
        process.send_signal(signal.SIGSTOP)
        return process

    def dies(self) -> None:
        self.process.kill()
        self.socket.close()


Play = Callable[[Callable[[Scene], Awaitable[None]]], None]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    process = subprocess.Popen(["sleep", "1000"])

    async def run(story: Callable[[Scene], Awaitable[None]]) -> None:
        scene = Scene(process, monkeypatch)
        try:
            await story(scene)
        finally:
            scene.dies()

    yield lambda story: asyncio.run(run(story))
    process.kill()
    process.wait()


def test_frames_are_pulled_whole_however_they_are_cut(play: Play) -> None:
    async def story(scene: Scene) -> None:
        text = frame(b"one") + frame(b"") + frame(b"three")
        scene.socket.sendall(text[:6])
        pulled = asyncio.create_task(scene.agent.pull())
        await asyncio.sleep(0)
        scene.socket.sendall(text[6:13])
        found = bytes(await pulled)
        while len(found) < 11:  # the second may come by itself
            found += await scene.agent.pull()
        assert list(FrameBuffer().feed(found)) == [b"one", b""]
        scene.socket.sendall(text[13:])
        assert await scene.agent.pull() == frame(b"three")

    play(story)


def test_an_answer_goes_with_the_next_call(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.says(b"it has exited")
        await scene.agent.pull()
        asyncio.get_running_loop().call_soon(scene.agent.send, b"launch")
        await scene.agent.wait_for_answer()
        pulled = asyncio.create_task(scene.agent.pull())
        await scene.hears(b"launch")
        scene.says(b"it has started")
        assert await pulled == frame(b"it has started")
        assert scene.calls.made == ["pull", "pull"]

    play(story)


def test_what_is_sent_while_a_call_waits_goes_at_once(play: Play) -> None:
    async def story(scene: Scene) -> None:
        pulled = asyncio.create_task(scene.agent.pull())
        await asyncio.sleep(0)
        scene.agent.send(b"stop")
        await scene.hears(b"stop")
        assert not pulled.done()
        scene.says(b"it has left")
        assert await pulled == frame(b"it has left")

    play(story)


def test_without_an_answer_the_next_call_is_made_all_the_same(play: Play, monkeypatch) -> None:
    monkeypatch.setattr(hosted, "_SOON", 0.0)

    async def story(scene: Scene) -> None:
        scene.says(b"a report")
        await scene.agent.pull()
        await scene.agent.wait_for_answer()
        scene.says(b"another")
        assert await scene.agent.pull() == frame(b"another")

    play(story)


def test_what_is_sent_after_a_call_has_failed_goes_with_the_next(play: Play) -> None:
    async def story(scene: Scene) -> None:
        async def fail() -> None:
            raise ConnectionError

        pull, scene.calls.pull = scene.calls.pull, SimpleNamespace(remote=lambda _: fail())
        with pytest.raises(ConnectionError):
            await scene.agent.pull()
        scene.calls.pull = pull
        scene.agent.send(b"one")
        scene.agent.send(b"two")
        scene.says(b"here")
        await scene.agent.pull()
        await scene.hears(b"onetwo")

    play(story)


def test_a_call_after_one_that_was_cut_off_gets_what_comes_next(play: Play) -> None:
    async def story(scene: Scene) -> None:
        first = asyncio.create_task(scene.agent.pull())
        await asyncio.sleep(0)
        second = asyncio.create_task(scene.agent.pull())  # as after ActorUnavailableError
        await asyncio.sleep(0)
        scene.says(b"one")
        done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        assert [one.result() for one in done] == [frame(b"one")]
        scene.says(b"two")
        assert {await first, await second} == {frame(b"one"), frame(b"two")}

    play(story)


def test_how_an_agent_has_ended_is_told_after_all_that_it_has_said(play: Play) -> None:
    async def story(scene: Scene) -> None:
        scene.says(b"last words")
        scene.dies()
        assert await scene.agent.pull() == frame(b"last words")
        assert await scene.agent.pull() == signal.Signals.SIGKILL.name
        scene.agent.send(b"launch")  # nobody hears it
        assert await scene.agent.pull() == signal.Signals.SIGKILL.name

    play(story)


def test_an_agent_has_ended_once_nothing_is_left_of_it(play: Play) -> None:
    async def story(scene: Scene) -> None:
        left = scene.starts_one_that_stands_still()
        scene.dies()
        assert await scene.agent.pull() == signal.Signals.SIGKILL.name
        assert left.poll() == -signal.SIGKILL

    play(story)


@pytest.mark.parametrize("is_there", [True, False])
def test_an_agent_writes_to_the_log_only_where_its_node_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    logs = []

    def start(*_: str, log: Path | None) -> tuple[SimpleNamespace, socket.socket]:
        logs.append(log)
        return SimpleNamespace(poll=lambda: 0), ours

    ours, theirs = socket.socketpair()
    monkeypatch.setattr(actor.child, "start", start)
    # its files may lie where the other user may not look
    monkeypatch.setattr(actor, "version", lambda: "1.0")
    study = tmp_path / "study"
    study.mkdir()
    log = study / "ray.log"
    if is_there:
        log.write_text("")
    with ours, theirs:
        with forbidden(study):
            Host().start("a", str(log))
        Host().start("a", str(log))
    assert logs == [None, log if is_there else None]


def test_an_agent_that_closes_its_socket_and_goes_on_is_killed(play: Play, monkeypatch) -> None:
    monkeypatch.setattr(actor, "_PARTING", 0.0)

    async def story(scene: Scene) -> None:
        scene.socket.shutdown(socket.SHUT_WR)
        assert await scene.agent.pull() == signal.Signals.SIGKILL.name

    play(story)


def test_a_call_comes_back_after_a_while_also_without_frames(play: Play, monkeypatch) -> None:
    monkeypatch.setattr(actor, "_POLL", 0.0)

    async def story(scene: Scene) -> None:
        assert await scene.agent.pull() == b""

    play(story)
