"""The executor of a Ray cluster's nodes keeps the contract of all executors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from contract import CODE, ExecutorContract, OpenStage, Play, Scenario
from workshop import tagged

from tuitune.executors.base import Plan
from tuitune.executors.ray.protocol import Connect
from tuitune.executors.ray.transport import RayTransport
from tuitune.executors.remote.executor import NodesExecutor


class TestNodesOfRay(ExecutorContract):
    @pytest.fixture
    def play(self, cluster: Any, tmp_path: Path) -> Iterator[Play]:
        folder = tmp_path.resolve()
        study = folder / "runs" / "study"
        study.mkdir(parents=True)
        (folder / "train.py").write_text(CODE)
        runner = asyncio.Runner()

        async def opened(stage: OpenStage, scenario: Scenario) -> None:
            plan = Plan("train.py:train", str(folder), str(study), "")
            connect = Connect(cluster.address, 0.5, 0, 0, False, 4.0, str(study / "engine.log"))
            transport = RayTransport(connect, study / "ray.log", print)
            executor = NodesExecutor(plan, stage.events.extend, time.time, transport)
            stage.left = lambda: tagged(study)
            await stage.play_on_nodes(executor, scenario)

        def play(scenario: Scenario) -> Sequence[Any]:
            stage = OpenStage()
            runner.run(opened(stage, scenario))
            return stage.events

        yield play
        runner.close()
