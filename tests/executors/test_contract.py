"""The executors that there are keep the contract."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
from contract import ExecutorContract, Play, Scenario
from local_agents import LocalAgents
from workshop import until

from simulator.clock import SimulatedLoop
from simulator.course import Course
from simulator.executor import SimulatedExecutor
from simulator.memory import MemoryTrialFolders
from tuitune.core import events
from tuitune.executors.base import Executor, Plan
from tuitune.executors.remote.executor import NodesExecutor
from tuitune.executors.remote.transport import Room
from tuitune.simulation.recorded import Point
from tuitune.trial.wire import Order

CODE = """
import time

def train(trial):
    does = trial.config["does"]
    for step in range(1, 4 if does == "returns" else 1_000_000):
        trial.report(step=step, loss=float(step))
        if does == "raises":
            raise ValueError("it went wrong")
        if does == "sits":
            time.sleep(600)
        time.sleep(0.01)
"""


class _Stage:
    def __init__(self) -> None:
        self.executor: Executor = None  # type: ignore[assignment]
        self.events: list[events.Event] = []
        self.left: Callable[[], object] = list

    until = staticmethod(until)

    async def play(self, scenario: Callable[[Any], Awaitable[None]]) -> None:
        await self.executor.open()
        try:
            await scenario(self)
        finally:
            await self.executor.close()
        await asyncio.sleep(0.05)  # whatever is still to be told comes now


class TestLocalExecutor(ExecutorContract):
    @pytest.fixture
    def play(self, bench) -> Play:
        bench.write("train.py", CODE)

        def play(scenario: Scenario) -> Sequence[Any]:
            bench.prepare()
            stage = _Stage()
            stage.executor, stage.events, stage.left = bench.executor, bench.facts, bench.living
            bench.runner.run(stage.play(scenario))
            return stage.events

        return play


class _Spread:
    """An executor of nodes, whose orders name none: every other trial goes to the second node."""

    def __init__(self, executor: NodesExecutor) -> None:
        self._executor = executor

    def launch(self, order: Order) -> None:
        self._executor.launch(order._replace(node="ab"[order.trial % 2]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)


class TestNodesExecutor(ExecutorContract):
    """Two agents, each a process of its own."""

    @pytest.fixture
    def play(self, bench) -> Play:
        bench.write("train.py", CODE)

        async def opened(stage: _Stage, scenario: Scenario) -> None:
            plan = Plan("train.py:train", str(bench.folder), str(bench.study), "")
            rooms = [Room(name, 4.0, 1 << 30) for name in "ab"]
            transport = LocalAgents(rooms, bench.study / "engine.log")
            executor = NodesExecutor(plan, stage.events.extend, time.time, transport)
            stage.executor, stage.left = _Spread(executor), bench.living
            await stage.play(ready(scenario))

        def ready(scenario: Scenario) -> Scenario:
            async def play(stage: Any) -> None:
                await stage.until(lambda: len(stage.executor.nodes()) == 2)
                stage.events.clear()  # of nodes
                await scenario(stage)

            return play

        def play(scenario: Scenario) -> Sequence[Any]:
            stage = _Stage()
            bench.runner.run(opened(stage, scenario))
            return stage.events

        return play


class _Target:
    """Code that does what an attempt's configuration says, in simulated time."""

    def begin(self, order: Order) -> Course:
        does = order.config["does"]
        count = {"returns": 3, "works": 1000}.get(does, 1)
        points = [Point(step, float(step), 0.01) for step in range(1, count + 1)]
        end = {"raises": "raises", "sits": "hangs"}.get(does, "returns")
        return Course(points, end, heeds="term" if does == "sits" else "ask")


class TestSimulatedExecutor(ExecutorContract):
    @pytest.fixture
    def play(self) -> Iterator[Play]:
        loop = SimulatedLoop()

        def play(scenario: Scenario) -> Sequence[Any]:
            stage = _Stage()
            folders = MemoryTrialFolders()
            executor = SimulatedExecutor(_Target(), stage.events.extend, loop, folders)
            stage.executor = executor
            stage.left = lambda: [one for one in executor.attempts.values() if not one.gone]
            loop.run_until_complete(stage.play(scenario))
            assert not loop.failures
            return stage.events

        yield play
        loop.close()
