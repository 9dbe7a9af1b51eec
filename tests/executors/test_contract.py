"""The executors that there are keep the contract."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from contract import CODE, ExecutorContract, OpenStage, Play, Scenario
from local_agents import LocalAgents

from simulator.clock import SimulatedLoop
from simulator.course import Course
from simulator.executor import SimulatedExecutor
from simulator.memory import MemoryTrialFolders
from tuitune.executors.base import Plan
from tuitune.executors.remote.executor import NodesExecutor
from tuitune.executors.remote.transport import Room
from tuitune.simulation.recorded import Point
from tuitune.trial.wire import Order


class TestLocalExecutor(ExecutorContract):
    @pytest.fixture
    def play(self, bench) -> Play:
        bench.write("train.py", CODE)

        def play(scenario: Scenario) -> Sequence[Any]:
            bench.prepare()
            stage = OpenStage()
            stage.executor, stage.events, stage.left = bench.executor, bench.facts, bench.living
            bench.runner.run(stage.play(scenario))
            return stage.events

        return play


class TestNodesExecutor(ExecutorContract):
    """Two agents, each a process of its own."""

    @pytest.fixture
    def play(self, bench) -> Play:
        bench.write("train.py", CODE)

        async def opened(stage: OpenStage, scenario: Scenario) -> None:
            plan = Plan("train.py:train", str(bench.folder), str(bench.study), "")
            rooms = [Room(name, 4.0, 1 << 30) for name in "ab"]
            transport = LocalAgents(rooms, bench.study / "engine.log")
            executor = NodesExecutor(plan, stage.events.extend, time.time, transport)
            stage.left = bench.living
            await stage.play_on_nodes(executor, scenario)

        def play(scenario: Scenario) -> Sequence[Any]:
            stage = OpenStage()
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
            stage = OpenStage()
            folders = MemoryTrialFolders()
            executor = SimulatedExecutor(_Target(), stage.events.extend, loop, folders)
            stage.executor = executor
            stage.left = lambda: [one for one in executor.attempts.values() if not one.gone]
            loop.run_until_complete(stage.play(scenario))
            assert not loop.failures
            return stage.events

        yield play
        loop.close()
