"""The executors that there are keep the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest
from contract import ExecutorContract, Play, Scenario
from workshop import until

from simulator.clock import SimulatedLoop
from simulator.course import Course
from simulator.executor import SimulatedExecutor
from simulator.memory import MemoryTrialFolders
from tuitune.core import events
from tuitune.executors.base import Executor
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
            stage.executor, stage.events = bench.executor, bench.facts
            bench.runner.run(stage.play(scenario))
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
            stage.executor = SimulatedExecutor(_Target(), stage.events.extend, loop, folders)
            loop.run_until_complete(stage.play(scenario))
            assert not loop.failures
            return stage.events

        yield play
        loop.close()
