"""The nodes of a study, between its executor and its state: no process, no node, no Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from workshop import until

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import GpuAside, GpuNews, GpusAllowed, NodeNews
from tuitune.core.placement.hours import Window
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study import Study
from tuitune.engine.node_watch import NodeWatch
from tuitune.engine.settings import settings_of

NIGHT = 1_000_000_800.0  # 02:00 of a day in UTC
DAY = NIGHT + 8 * 3600


def node(name: str, *obstacles: Any) -> ev.Node:
    gpus = [ev.Gpu(f"{name}-{i}", i, "A100", 1 << 30, why) for i, why in enumerate(obstacles)]
    return ev.Node(name, 4.0, 1 << 34, tuple(gpus))


class Nodes:
    """An executor of these nodes: it notes what it is told."""

    has_gpus, place = True, "the nodes of a test"

    def __init__(self, *nodes: ev.Node) -> None:
        self.there = nodes
        self.told: list[Any] = []

    def nodes(self) -> tuple[ev.Node, ...]:
        return self.there

    def readings(self) -> dict[str, Any]:
        return {}

    def follow_log(self, trial: int, attempt: int) -> None:
        self.told.append((trial, attempt))

    def act_on(self, facts: Any, study: str) -> None:
        self.told.append((facts, study))

    def want_room(self, wanted: bool) -> None:
        self.told.append(wanted)

    def clear(self, which: str) -> None:
        self.told.append(which)

    def leave(self, newest: Any) -> None:
        self.told.append(newest)


class Scene:
    def __init__(self, *nodes: ev.Node, max_gpus: int | None = None, night: int | None = None):
        spec = StudySpec(
            name="s",
            objective=Objective("loss", "min"),
            trial=TrialSpec(target="t.py:train", gpus=1.0),
            space=SearchSpace((FloatRange("x", 0.0, 1.0),)),
            search=SearchSpec(trials=9),
            pruning=PruningSpec(),
            limits=Limits(),
            file="/s/s.toml",
        )
        hours = () if night is None else (Window(0, 6 * 60, night),)
        devices = replace(spec.devices, max_gpus=max_gpus, hours=hours)
        self.spec = replace(spec, devices=devices)
        self.now = DAY
        self.events: list[ev.Event] = []
        self.executor = Nodes(*nodes)
        study = Study(self.spec)
        study.state.settings = settings_of(self.spec, has_gpus=True)
        engine: Any = SimpleNamespace(study=study, take=self.events.extend, executor=self.executor)
        self.watch = NodeWatch(engine, lambda: self.now)

    def shown(self) -> dict[str, ev.Node]:
        """The nodes as the study knows them."""
        changed = [event for event in self.events if isinstance(event, ev.NodeChanged)]
        return {event.node.name: event.node for event in changed}


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    monkeypatch.setenv("TZ", "UTC")

    def play(story: Any) -> None:
        asyncio.run(story())

    return play


def free(found: ev.Node) -> list[int]:
    return [gpu.index for gpu in found.gpus if not gpu.obstacle]


def test_gpus_are_counted_over_all_nodes_from_the_opening_on(play):
    async def story() -> None:
        scene = Scene(node("a", "", ""), node("b", "", ""), max_gpus=3)
        a, b = scene.watch.opened()
        assert (free(a), free(b)) == ([0, 1], [0])
        assert b.gpus[1].obstacle == GpusAllowed(3)
        joined = NodeNews("c", "joined", "", 4.0, 1)
        scene.watch.pass_on([ev.NodeChanged(scene.now, node("c", ""), joined)])
        assert free(scene.shown()["c"]) == []
        assert scene.events[-1].why == joined
        taken = node("a", GpuAside("broken", None, 1.0), "")
        news = GpuNews(((0, taken.gpus[0].obstacle),))
        scene.watch.pass_on([ev.NodeChanged(scene.now, taken, news)])
        assert {name: free(one) for name, one in scene.shown().items()} == {
            "a": [1],
            "b": [0, 1],
            "c": [],
        }
        last = [event.node.name for event in scene.events[-2:]]
        assert last == ["a", "b"]  # what is lost comes before what takes its place
        scene.watch.close()

    play(story)


def test_hours_go_by_the_clock_of_the_engine(play):
    async def story() -> None:
        scene = Scene(node("a", "", ""), max_gpus=2, night=1)
        (opened,) = scene.watch.opened()
        assert free(opened) == [0, 1]
        scene.now = NIGHT
        await until(scene.shown)
        assert free(scene.shown()["a"]) == [0]
        assert scene.shown()["a"].gpus[1].claimed
        scene.events.clear()
        scene.now = DAY
        await until(scene.shown)
        assert free(scene.shown()["a"]) == [0, 1]
        assert True in scene.executor.told  # trials wait: its state has no node
        scene.watch.close()

    play(story)


def test_gpus_that_were_set_aside_are_used_again_on_whatever_node(play):
    async def story() -> None:
        ill = GpuAside("broken", None, 1.0)
        scene = Scene(node("a", "", ill), node("b", ill, ill))
        scene.watch.opened()
        assert scene.watch.clear("1") == [1]
        assert scene.watch.clear("b-0") == [0]
        assert scene.watch.clear("all") == [0, 1]
        assert scene.watch.clear("7") == []
        assert scene.executor.told == ["1", "b-0", "all"]
        scene.watch.close()

    play(story)
