"""A bench for executors: real zygotes and trials, the events they tell, nothing left behind."""

from __future__ import annotations

import asyncio
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from workshop import PATIENCE

from tuitune.core import events
from tuitune.executors.base import Plan
from tuitune.executors.local.executor import LocalExecutor
from tuitune.executors.local.zygote_client import Timeouts
from tuitune.ipc import process_tree
from tuitune.trial.wire import Order


class Bench:
    """An executor driven from plain test functions; `facts` is what its sink has seen."""

    def __init__(self, folder: Path, socket: Path) -> None:
        self.folder = folder
        self.study = folder / "runs" / "study"
        self.study.mkdir(parents=True)
        self.socket = socket
        self.facts: list[events.Event] = []
        self.answers: dict[int, tuple[str, bool]] = {}  # step -> the verdict it gets
        self.executor: LocalExecutor | None = None
        self.runner = asyncio.Runner()

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        return file

    def prepare(
        self,
        target: str | None = "train.py:train",
        timeouts: Timeouts | None = None,
        **more: Any,
    ) -> None:
        plan = Plan(target, str(self.folder), str(self.study), str(self.socket), **more)
        self.executor = LocalExecutor(plan, self._sink, time.time, timeouts)

    def open(self, target: str | None = "train.py:train", **more: Any) -> None:
        self.prepare(target, **more)
        self.runner.run(self.executor.open())

    def order(self, trial: int = 0, attempt: int = 1, **more: Any) -> Order:
        settings = {"config": {}, "seed": trial, "metric": "loss", "resource": "epoch", **more}
        return Order(trial=trial, attempt=attempt, folder=f"trials/{trial:04d}", **settings)

    def launch(self, *orders: Order) -> None:
        async def launch() -> None:
            for order in orders:
                self.executor.launch(order)

        self.runner.run(launch())

    def run(self, *orders: Order) -> events.Exited:
        """Launch, wait for all to end; the last one's exit."""
        self.launch(*orders)
        self.until(lambda: all(self.exits(o.trial, o.attempt) for o in orders))
        return self.exits(orders[-1].trial, orders[-1].attempt)[0]

    def until(self, condition: Callable[[], Any]) -> Any:
        async def wait() -> Any:
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                if value := condition():
                    return value
                await asyncio.sleep(0.005)
            raise AssertionError(f"it did not come: {self.facts}")

        return self.runner.run(wait())

    def of(self, kind: type, trial: int = 0) -> list[Any]:
        return [f for f in self.facts if isinstance(f, kind) and f.trial == trial]

    def exits(self, trial: int = 0, attempt: int = 1) -> list[events.Exited]:
        return [fact for fact in self.of(events.Exited, trial) if fact.attempt == attempt]

    def steps(self, trial: int = 0) -> list[int]:
        return [fact.step for fact in self.of(events.Reported, trial)]

    def values(self, trial: int = 0) -> list[float]:
        return [fact.metrics["loss"] for fact in self.of(events.Reported, trial)]

    def log(self, trial: int = 0) -> str:
        log = self.study / f"trials/{trial:04d}/output.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def file(self, name: str) -> str:
        """What a trial has written beside the study file, once it is whole."""
        path = self.folder / name
        return self.until(
            lambda: path.exists() and path.read_text().endswith("\n") and path.read_text()
        ).strip()

    def living(self) -> set[int]:
        return process_tree.tagged(str(self.study))

    def zygotes(self) -> list[int]:
        return [zygote.pid for zygote in self.executor._zygotes.all]

    def call(self, method: str, *arguments: Any) -> None:
        async def call() -> None:
            getattr(self.executor, method)(*arguments)

        self.runner.run(call())

    def close(self) -> None:
        if self.executor is not None:
            self.runner.run(self.executor.close())
            self.executor = None
        self.runner.close()

    def _sink(self, facts: Sequence[events.Event]) -> None:
        self.facts += facts
        for fact in facts:
            if isinstance(fact, events.Reported) and fact.step in self.answers:
                self.executor.answer(fact.trial, fact.attempt, *self.answers[fact.step])


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="tuitune-") as short:  # sockets have short paths
        made = Bench(tmp_path.resolve(), Path(short, "trials.sock"))
        try:
            yield made
            made.close()
            assert not made.living()
        finally:
            process_tree.sweep(str(made.study))
