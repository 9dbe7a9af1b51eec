"""The calls between the bridge and the actor of an agent, without Ray: frames, answers, the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from workshop import until

from tuitune.executors.ray import actor, hosted
from tuitune.executors.ray.actor import Host
from tuitune.executors.ray.hosted import Hosted
from tuitune.ipc.frames import FrameBuffer, frame


class Played:
    """Stands for the agent's process."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.send = self.sent.append

    async def wait(self, _: float) -> int:
        return 0

    def how_it_ended(self) -> str:
        return "it was killed"


class Calls:
    """Stands for Ray's handle of a Host: calls are counted, and run in tasks."""

    def __init__(self, host: Host) -> None:
        self.made: list[str] = []
        self.pull = SimpleNamespace(remote=lambda data: self._call("pull", host.pull(data)))
        push = SimpleNamespace(remote=lambda data: self._call("push", host.push(data)))
        self.push = SimpleNamespace(options=lambda **_: push)

    def _call(self, name: str, work: Any) -> asyncio.Task[Any]:
        self.made.append(name)
        return asyncio.ensure_future(work)


class Scene:
    def __init__(self) -> None:
        self.host = Host()
        self.process = Played()
        self.host._child = self.process  # type: ignore[assignment]
        self.calls = Calls(self.host)
        self.agent = Hosted("a", "node", self.calls)

    def says(self, *bodies: bytes) -> None:
        self.host._receive(b"".join(map(frame, bodies)))


def play(story: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        await story(Scene())

    asyncio.run(run())


def test_frames_are_pulled_whole_however_they_are_cut() -> None:
    async def story(scene: Scene) -> None:
        text = frame(b"one") + frame(b"") + frame(b"three")
        scene.host._receive(text[:6])
        pulled = asyncio.ensure_future(scene.agent.pull())
        await asyncio.sleep(0)
        scene.host._receive(text[6:13])
        found = await pulled
        assert list(FrameBuffer().feed(found)) == [b"one", b""]
        scene.host._receive(text[13:])
        assert await scene.agent.pull() == frame(b"three")

    play(story)


def test_an_answer_goes_with_the_next_call() -> None:
    async def story(scene: Scene) -> None:
        scene.says(b"it has exited")
        await scene.agent.pull()
        asyncio.get_running_loop().call_soon(scene.agent.send, b"launch")
        await scene.agent.wait_for_answer()
        pulled = asyncio.ensure_future(scene.agent.pull())
        await until(lambda: scene.process.sent == [b"launch"])
        scene.says(b"it has started")
        assert await pulled == frame(b"it has started")
        assert scene.calls.made == ["pull", "pull"]

    play(story)


def test_what_is_sent_while_a_call_waits_goes_at_once() -> None:
    async def story(scene: Scene) -> None:
        pulled = asyncio.ensure_future(scene.agent.pull())
        await asyncio.sleep(0)
        scene.agent.send(b"stop")
        await until(lambda: scene.process.sent == [b"stop"])
        assert not pulled.done()
        scene.says(b"it has left")
        await pulled

    play(story)


def test_without_an_answer_the_next_call_is_made_all_the_same(monkeypatch) -> None:
    monkeypatch.setattr(hosted, "_SOON", 0.0)

    async def story(scene: Scene) -> None:
        scene.says(b"a report")
        await scene.agent.pull()
        await scene.agent.wait_for_answer()
        scene.says(b"another")
        assert await scene.agent.pull() == frame(b"another")

    play(story)


def test_what_is_sent_after_a_call_has_failed_goes_with_the_next() -> None:
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
        assert scene.process.sent == [b"onetwo"]

    play(story)


def test_how_an_agent_has_ended_is_told_after_all_that_it_has_said() -> None:
    async def story(scene: Scene) -> None:
        scene.says(b"last words")
        scene.host._lost()
        await until(lambda: scene.host._ended)
        assert await scene.agent.pull() == frame(b"last words")
        assert await scene.agent.pull() == "it was killed"

    play(story)


def test_a_call_comes_back_after_a_while_also_without_frames(monkeypatch) -> None:
    monkeypatch.setattr(actor, "_POLL", 0.0)

    async def story(scene: Scene) -> None:
        assert await scene.agent.pull() == b""

    play(story)
