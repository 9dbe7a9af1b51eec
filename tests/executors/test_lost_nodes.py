"""Agents that are killed, suspended or cut off: what is lost, what runs on, and nothing twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from contract import of, order, steps
from local_agents import LocalAgents
from workshop import gone, until

from tuitune.core import events as ev
from tuitune.executors.base import Plan, TargetError
from tuitune.executors.remote import executor as executor_of_nodes
from tuitune.executors.remote.executor import NodesExecutor
from tuitune.executors.remote.transport import Room
from tuitune.ipc import process_tree

CODE = """
import os, time

def train(trial):
    with open(f"pid-{trial.number}-{os.getpid()}", "w"):
        pass
    for step in range(1, 1_000_000):
        trial.report(step=step, loss=float(step))
        time.sleep(0.02)
"""


class Scene:
    """Two nodes, on each of which one trial works; shorter waits than the real ones."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.events: list[Any] = []
        self.survivors: list[int] = []  # trials whose process ran on when their end was told
        plan = Plan("train.py:train", str(bench.folder), str(bench.study), "")
        rooms = [Room(name, 4.0, 1 << 30) for name in "ab"]
        self.agents = LocalAgents(rooms, bench.study / "engine.log")
        self.executor = NodesExecutor(plan, self.hear, time.time, self.agents, lease=5.0, lost=8.0)

    def hear(self, found: Sequence[Any]) -> None:
        self.events.extend(found)
        exits = [event.trial for event in found if isinstance(event, ev.Exited)]
        self.survivors += [trial for trial in exits if not gone(self.pid(trial))]

    async def begin(self) -> None:
        await self.executor.open()
        await until(lambda: len(self.executor.nodes()) == 2)
        self.events.clear()  # of nodes that have joined
        for trial, node in enumerate("ab"):
            self.launch(trial, node)
        await until(lambda: steps(self.events) and steps(self.events, 1))

    def launch(self, trial: int, node: str, attempt: int = 0) -> None:
        self.executor.launch(order(trial, "works", attempt=attempt)._replace(node=node))

    def pid(self, trial: int) -> int:
        return of(self.events, ev.Started, trial)[-1].pid

    def nodes(self) -> list[ev.Node]:
        """As the study was told of them."""
        return [event.node for event in self.events if isinstance(event, ev.NodeChanged)]


@pytest.fixture
def play(bench) -> Callable[[Callable[[Scene], Awaitable[None]]], Scene]:
    bench.write("train.py", CODE)

    def play(story: Callable[[Scene], Awaitable[None]]) -> Scene:
        async def run() -> Scene:
            scene = Scene(bench)
            await scene.begin()
            try:
                await story(scene)
            finally:
                await scene.executor.close()
            return scene

        return bench.runner.run(run())

    return play


def test_the_trials_of_a_killed_agent_are_lost_at_once_and_another_takes_its_place(play):
    async def story(scene: Scene) -> None:
        pid = scene.pid(0)
        os.kill(scene.agents.on("a").pid, signal.SIGKILL)
        await until(lambda: of(scene.events, ev.Exited))
        (end,) = of(scene.events, ev.Exited)
        assert end.lost
        assert "SIGKILL" in end.error
        await until(lambda: gone(pid))
        await until(lambda: len(scene.nodes()) == 2)
        scene.launch(0, "a", attempt=1)
        await until(lambda: len(of(scene.events, ev.Started)) == 2)
        assert not of(scene.events, ev.Exited, 1)

    scene = play(story)
    assert [node.lost for node in scene.nodes()] == [True, False]


def test_an_agent_that_is_cut_off_ends_its_trials_before_they_are_lost(play):
    async def story(scene: Scene) -> None:
        agent = scene.agents.on("a")
        scene.agents.cut.add("a")
        await until(lambda: of(scene.events, ev.Exited))
        assert scene.survivors == []
        assert agent.poll() is not None
        scene.agents.cut.clear()
        await until(lambda: [node.lost for node in scene.nodes()] == [True, False])

    play(story)


@pytest.mark.parametrize("how", ["cut", "suspended"])
def test_nothing_is_lost_in_a_short_break(play, how: str):
    async def story(scene: Scene) -> None:
        agent = scene.agents.on("a")
        if how == "cut":
            scene.agents.cut.add("a")
        else:
            os.kill(agent.pid, signal.SIGSTOP)
        await asyncio.sleep(0.5)
        os.kill(agent.pid, signal.SIGCONT)
        scene.agents.cut.clear()
        seen = len(steps(scene.events))
        await until(lambda: len(steps(scene.events)) > seen + 20)

    scene = play(story)
    found = steps(scene.events)
    assert found == [*range(1, len(found) + 1)]
    assert scene.nodes() == []


def test_an_agent_that_was_suspended_for_too_long_ends_itself_when_it_wakes(play):
    async def story(scene: Scene) -> None:
        pid, agent = scene.pid(0), scene.agents.on("a")
        os.kill(agent.pid, signal.SIGSTOP)
        scene.agents.end = lambda *_, **__: None  # as one that can't be reached
        await until(lambda: of(scene.events, ev.Exited))
        os.kill(agent.pid, signal.SIGCONT)
        await agent.wait(10.0)
        assert agent.poll() is not None
        await until(lambda: gone(pid))
        del scene.agents.end

    play(story)


def test_closing_does_not_wait_for_a_lost_node_on_which_nothing_runs(play, monkeypatch):
    monkeypatch.setattr(executor_of_nodes, "_PARTING", 600.0)

    async def story(scene: Scene) -> None:
        scene.executor._lost = 600.0
        scene.executor.signal(0, 0, "kill")
        await until(lambda: of(scene.events, ev.Exited))
        scene.agents.cut.add("a")
        scene.agents._have_lost = lambda _: None  # nobody hears that it has ended
        name = next(name for name, (_, room) in scene.agents.agents.items() if room.node == "a")
        scene.executor.gone(name, "its agent has ended", ended=False)

    scene = play(story)
    assert not of(scene.events, ev.Exited)[0].lost


def test_a_node_whose_agent_is_told_to_end_is_left_by_its_trials(play):
    async def story(scene: Scene) -> None:
        os.kill(scene.agents.on("a").pid, signal.SIGTERM)
        await until(scene.nodes)
        (node,) = scene.nodes()
        assert (node.name, node.leaving) == ("a", True)
        assert node.obstacle == "it was told to end, by SIGTERM"
        assert not of(scene.events, ev.Exited)  # until the study asks them

    play(story)


def test_a_node_that_cannot_import_the_code_is_barred_and_the_others_work(bench):
    fails = 'if os.environ["TUITUNE_AGENT"].startswith("a-"): import no_such_module\n'
    bench.write("train.py", f"import os\n{fails}{CODE}")

    async def run() -> None:
        scene = Scene(bench)
        await scene.executor.open()
        try:
            known = {node.name: node for node in scene.executor.nodes()}
            await until(lambda: len(known | {node.name: node for node in scene.nodes()}) == 2)
            known |= {node.name: node for node in scene.nodes()}
            assert known["a"].obstacle == "ModuleNotFoundError: No module named 'no_such_module'"
            assert not known["b"].obstacle
            scene.launch(0, "b")
            await until(lambda: steps(scene.events))
        finally:
            await scene.executor.close()

    bench.runner.run(run())


def test_code_that_no_node_can_import_is_an_error_with_its_traceback(bench):
    bench.write("train.py", "import no_such_module\n")
    scene = None

    async def run() -> None:
        nonlocal scene
        scene = Scene(bench)
        try:
            with pytest.raises(TargetError, match="no_such_module"):
                await scene.executor.open()
        finally:
            await scene.executor.close()

    bench.runner.run(run())
    assert not process_tree.tagged(str(bench.study))
