"""The engine's side of the bridge to Ray, with a list in the place of the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workshop import until

from tuitune.executors.base import UnreachableError
from tuitune.executors.ray import protocol
from tuitune.executors.ray.surveying import survey
from tuitune.executors.ray.transport import RayTransport
from tuitune.executors.remote.transport import Room
from tuitune.ipc.frames import FrameBuffer, frame

CONNECT = protocol.Connect("ray", 1.0, 0, 0, wants_gpus=False, most_cpus=None, log="/log")
CONNECTED = protocol.Connected("10.0.0.1:6379", started=False, has_gpus=True)
ROOM = Room("gpu-07", 8.0, 1 << 30, 2)


class Bridge:
    """In the place of `Child`: what is sent to it is kept, and it says what a test tells it."""

    made: list[Bridge]

    def __init__(self, module: str, *, receive: Any, lost: Any, log: Path | None = None) -> None:
        self.module = module
        self.lost = lost
        self.log = log
        self.heard: list[Any] = []
        self.closed = False
        self.killed = False
        self.ends = True  # by itself, once its socket is closed
        self._receive = receive
        self._frames = FrameBuffer()
        self.made.append(self)

    def send(self, data: bytes) -> None:
        decoder = protocol.to_survey if self.module.endswith("survey") else protocol.to_bridge
        self.heard += map(decoder.decode, self._frames.feed(data))

    def say(self, *said: Any, piece: int = 1 << 20) -> None:
        """In pieces of so many bytes, as sockets give them."""
        data = b"".join(map(protocol.encoded, said))
        for at in range(0, len(data), piece):
            self._receive(data[at : at + piece])

    def close(self) -> None:
        self.closed = True

    def kill(self, _patience: float = 0.0) -> None:
        self.killed = True

    async def wait(self, _patience: float) -> int | None:
        return 0 if self.ends else None


class Told:
    """What an executor is told; each call is kept."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def joined(self, agent: str, room: Room) -> None:
        self.calls.append(("joined", agent, room))

    def came(self, agent: str, frame: bytes) -> None:
        self.calls.append(("came", agent, frame))

    def gone(self, agent: str, why: str, *, ended: bool) -> None:
        self.calls.append(("gone", agent, why, ended))

    def leaves(self, agent: str, why: str) -> None:
        self.calls.append(("leaves", agent, why))

    def broken(self, why: str) -> None:
        self.calls.append(("broken", why))


class Scene:
    """A transport, its bridges in the order of their starts, what it tells and what it notes."""

    def __init__(self, bridges: list[Bridge]) -> None:
        self.bridges = bridges
        self.told = Told()
        self.notes: list[str] = []
        self.transport = RayTransport(CONNECT, Path("/ray.log"), self.notes.append)

    async def open(self, first: Any = CONNECTED) -> Bridge:
        """Opens it; its first bridge says this."""
        opening = asyncio.ensure_future(self.transport.open(self.told))
        bridge = await self.bridge(1)
        bridge.say(first)
        await opening
        return bridge

    async def bridge(self, count: int) -> Bridge:
        await until(lambda: len(self.bridges) == count)
        return self.bridges[-1]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    Bridge.made = []
    monkeypatch.setattr("tuitune.executors.ray.transport.Child", Bridge)
    monkeypatch.setattr("tuitune.executors.ray.surveying.Child", Bridge)

    def run(scenario: Callable[[Scene], Any]) -> None:
        async def whole() -> None:
            scene = Scene(Bridge.made)
            await scenario(scene)
            await scene.transport.close()

        asyncio.run(whole())

    return run


@pytest.mark.parametrize(
    ("started", "place", "note"),
    [
        (False, "Ray at 10.0.0.1:6379", "runs on Ray at 10.0.0.1:6379"),
        (True, "a Ray cluster of its own", "runs on a Ray cluster of its own at 10.0.0.1:6379"),
    ],
)
def test_it_says_where_it_runs_once_it_has_joined(
    play, started: bool, place: str, note: str
) -> None:
    async def scenario(scene: Scene) -> None:
        bridge = await scene.open(protocol.Connected("10.0.0.1:6379", started, has_gpus=True))
        assert (bridge.module, bridge.log) == ("executors.ray.bridge", Path("/ray.log"))
        assert bridge.heard == [CONNECT]
        assert (scene.transport.has_gpus, scene.transport.place) == (True, place)
        assert scene.notes == [note]
        assert scene.told.calls == []

    play(scenario)


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_all_that_comes_is_told_in_its_order_however_it_is_cut(play, piece: int) -> None:
    async def scenario(scene: Scene) -> None:
        bridge = await scene.open()
        bridge.say(
            protocol.Joined("a", ROOM),
            protocol.From("a", b"".join(map(frame, [b"one", b"", b"\x00\xff"]))),
            protocol.Leaves("a", "it drains"),
            protocol.Note("an agent is late"),
            protocol.Gone("a", "its node died", ended=True),
            piece=piece,
        )
        assert scene.told.calls == [
            ("joined", "a", ROOM),
            ("came", "a", b"one"),
            ("came", "a", b""),
            ("came", "a", b"\x00\xff"),
            ("leaves", "a", "it drains"),
            ("gone", "a", "its node died", True),
        ]
        assert scene.notes[1:] == ["an agent is late"]

    play(scenario)


def test_what_is_sent_and_ended_reaches_the_bridge_and_room_is_wanted_once(play) -> None:
    async def scenario(scene: Scene) -> None:
        scene.transport.want_room(True)  # nobody is there to hear it
        bridge = await scene.open()
        scene.transport.send("a", b"frame")
        for wanted in (True, True, False, False, True):
            scene.transport.want_room(wanted)
        scene.transport.end("a")
        scene.transport.end("b", failed=True)
        assert bridge.heard[1:] == [
            protocol.To("a", b"frame"),
            protocol.WantRoom(True),
            protocol.WantRoom(False),
            protocol.WantRoom(True),
            protocol.End("a"),
            protocol.End("b", failed=True),
        ]

    play(scenario)


def test_a_cluster_that_refuses_is_out_of_reach(play) -> None:
    async def scenario(scene: Scene) -> None:
        with pytest.raises(UnreachableError, match="of another version"):
            await scene.open(protocol.Refused("Ray there is of another version"))
        assert scene.told.calls == []

    play(scenario)


def test_a_bridge_that_dies_before_it_has_joined_is_out_of_reach(play) -> None:
    async def scenario(scene: Scene) -> None:
        opening = asyncio.ensure_future(scene.transport.open(scene.told))
        bridge = await scene.bridge(1)
        bridge.lost()
        with pytest.raises(UnreachableError, match=r"speaks with Ray: it has ended; see /ray\.log"):
            await opening
        assert len(scene.bridges) == 1

    play(scenario)


def test_a_mistake_of_the_bridge_is_named_where_it_never_joins(play) -> None:
    async def scenario(scene: Scene) -> None:
        opening = asyncio.ensure_future(scene.transport.open(scene.told))
        bridge = await scene.bridge(1)
        bridge.say(protocol.Failing("KeyError: 'CPU'"))
        bridge.lost()
        with pytest.raises(UnreachableError, match=r"KeyError: 'CPU'; see /ray\.log"):
            await opening

    play(scenario)


def test_a_refusal_after_it_has_joined_ends_all(play) -> None:
    async def scenario(scene: Scene) -> None:
        bridge = await scene.open()
        bridge.say(protocol.Refused("no agent starts there"))
        assert scene.told.calls == [("broken", "no agent starts there")]

    play(scenario)


def test_agents_of_a_bridge_that_dies_are_gone_and_it_is_started_once_more(play) -> None:
    async def scenario(scene: Scene) -> None:
        first = await scene.open()
        scene.transport.want_room(True)
        first.say(*(protocol.Joined(agent, ROOM) for agent in "abc"))
        first.say(protocol.Gone("a", "its node died", ended=True))
        scene.transport.end("b")
        scene.told.calls.clear()
        first.lost()
        assert scene.told.calls == [("gone", "c", "the connection to Ray was lost", False)]
        second = await scene.bridge(2)
        second.say(CONNECTED)
        await until(lambda: len(scene.notes) == 2)
        scene.transport.want_room(True)  # the new bridge has not heard of it
        assert second.heard == [CONNECT, protocol.WantRoom(True)]
        second.say(protocol.Joined("d", ROOM))
        second.lost()
        await until(lambda: scene.told.calls[-1][0] == "broken")
        assert scene.told.calls[1:] == [
            ("joined", "d", ROOM),
            ("gone", "d", "the connection to Ray was lost", False),
            ("broken", "the connection to Ray was lost twice"),
        ]
        assert len(scene.bridges) == 2

    play(scenario)


def test_a_second_bridge_that_can_not_join_says_why(play) -> None:
    async def scenario(scene: Scene) -> None:
        (await scene.open()).lost()
        (await scene.bridge(2)).say(protocol.Refused("no cluster runs here"))
        await until(lambda: scene.told.calls)
        said = "the connection to Ray was lost: no cluster runs here"
        assert scene.told.calls == [("broken", said)]

    play(scenario)


def test_a_second_bridge_that_can_not_be_started_says_why(play, monkeypatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    async def scenario(scene: Scene) -> None:
        bridge = await scene.open()
        monkeypatch.setattr("tuitune.executors.ray.transport.Child", full)
        bridge.lost()
        await until(lambda: scene.told.calls)
        ((what, why),) = scene.told.calls
        assert what == "broken"
        assert why.startswith("the connection to Ray was lost: ")
        assert "Resource temporarily unavailable" in why

    play(scenario)


@pytest.mark.parametrize("ends", [True, False])
def test_closing_waits_for_the_bridge_and_kills_it_if_it_stays(play, ends: bool) -> None:
    async def scenario(scene: Scene) -> None:
        bridge = await scene.open()
        bridge.ends = ends
        await scene.transport.close()
        assert (bridge.closed, bridge.killed) == (True, not ends)

    play(scenario)


def test_no_bridge_is_started_again_after_the_end(play) -> None:
    async def scenario(scene: Scene) -> None:
        bridge = await scene.open()
        bridge.say(protocol.Joined("a", ROOM))
        await scene.transport.close()
        bridge.lost()
        await asyncio.sleep(0)
        assert len(scene.bridges) == 1

    play(scenario)


def test_closing_before_it_is_open_does_nothing(play) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.transport.close()
        assert scene.bridges == []

    play(scenario)


# --- a survey ----------------------------------------------------------------------------------


def answered(monkeypatch: pytest.MonkeyPatch, *said: Any, lost: bool = False) -> list[Bridge]:
    """A survey's process that says this once it is asked; the processes that were started."""
    Bridge.made = []

    class Answering(Bridge):
        def send(self, data: bytes) -> None:
            super().send(data)
            loop = asyncio.get_running_loop()
            if said:
                loop.call_soon(self.say, *said)
            if lost:
                loop.call_soon(self.lost)

    monkeypatch.setattr("tuitune.executors.ray.surveying.Child", Answering)
    return Bridge.made


def test_a_survey_gives_what_the_nodes_answer_and_ends_its_process(monkeypatch) -> None:
    room = {"CPU": 8.0, "memory": 1.0, "GPU": 0.0}
    node = protocol.Surveyee("a", room, room, ["x"], "", b"{}", "")
    found = protocol.Surveyed("10.0.0.1:6379", "2.40.0", "3.11.7", [node])
    started = answered(monkeypatch, found, lost=True)
    assert survey("ray", b"question") == found
    (process,) = started
    assert process.module == "executors.ray.survey"
    assert process.heard == [protocol.Survey("ray", b"question")]
    assert (process.closed, process.killed) == (True, True)


def test_a_survey_that_is_refused_or_whose_process_dies_is_out_of_reach(monkeypatch) -> None:
    started = answered(monkeypatch, protocol.Refused("no cluster runs here"))
    with pytest.raises(UnreachableError, match="no cluster runs here"):
        survey("ray", b"")
    assert started[0].killed
    started = answered(monkeypatch, lost=True)
    with pytest.raises(UnreachableError, match="has ended"):
        survey("ray", b"")
    assert started[0].killed
