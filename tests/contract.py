"""What every executor owes to the engine, as tests that any executor can be run through.

A subclass of ExecutorContract gives a fixture `play`, which runs a scenario with an open executor
and closes it. What an attempt does is the word in its configuration's `does`:

returns   reports steps 1 to 3 and returns
raises    reports step 1 and raises
works     reports on and on, until it is told to stop
sits      reports step 1, then does nothing more

The objective of a report is its step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import pytest
from workshop import until

from tuitune.core import events
from tuitune.executors.base import Executor
from tuitune.executors.remote.executor import NodesExecutor
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


class Stage(Protocol):
    """An open executor, and what its sink has got."""

    executor: Executor
    events: list[Any]

    def left(self) -> object:
        """What the executor has left running; false for nothing."""

    async def until(self, condition: Callable[[], object]) -> None: ...


Scenario = Callable[[Stage], Awaitable[None]]
Play = Callable[[Scenario], Sequence[Any]]


class OpenStage:
    """A stage whose executor is set before it plays."""

    def __init__(self) -> None:
        self.executor: Executor = None  # type: ignore[assignment]
        self.events: list[Any] = []
        self.left: Callable[[], object] = list

    until = staticmethod(until)

    async def play(self, scenario: Scenario) -> None:
        await self.executor.open()
        try:
            await scenario(self)
        finally:
            await self.executor.close()
        await asyncio.sleep(0.05)  # whatever is still to be told comes now

    async def play_on_nodes(self, executor: NodesExecutor, scenario: Scenario) -> None:
        """The scenario, once two nodes are there; orders name none, so that they go to both."""

        async def play(_: Stage) -> None:
            await self.until(lambda: len(executor.nodes()) == 2)
            self.executor = _Spread(executor, [node.name for node in executor.nodes()])
            self.events.clear()  # of nodes
            await scenario(self)

        self.executor = executor
        await self.play(play)


class _Spread:
    """An executor of nodes, each of which gets the orders of every other trial."""

    def __init__(self, executor: NodesExecutor, nodes: Sequence[str]) -> None:
        self._executor = executor
        self._nodes = nodes

    def launch(self, order: Order) -> None:
        node = self._nodes[order.trial % len(self._nodes)]
        self._executor.launch(order._replace(node=node))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._executor, name)


def order(trial: int, does: str, **more: Any) -> Order:
    folder = f"trials/{trial:04d}"
    settings = {"attempt": 0, "seed": trial, "metric": "loss", "resource": "step", **more}
    return Order(trial=trial, config={"does": does}, folder=folder, **settings)


def of(found: Sequence[Any], kind: type, trial: int = 0) -> list[Any]:
    return [event for event in found if isinstance(event, kind) and event.trial == trial]


def steps(found: Sequence[Any], trial: int = 0) -> list[int]:
    return [event.step for event in of(found, events.Reported, trial)]


def check_order(found: Sequence[Any], trial: int, attempt: int = 0) -> None:
    """One Started at most, then what happens, then exactly one Exited, each later than the last."""
    own = [
        e
        for e in found
        if (getattr(e, "trial", None), getattr(e, "attempt", 0)) == (trial, attempt)
    ]
    kinds = [type(event) for event in own]
    assert kinds.count(events.Exited) == 1
    assert kinds[-1] is events.Exited
    assert kinds.count(events.Started) <= 1
    assert kinds[0] is events.Started or own[-1].lost
    times = [event.time for event in own]
    assert times == sorted(times)


class ExecutorContract:
    @pytest.fixture
    def play(self) -> Play:
        raise NotImplementedError

    def test_an_attempt_starts_reports_and_exits(self, play: Play):
        async def scenario(stage: Stage) -> None:
            stage.executor.launch(order(0, "returns"))
            assert stage.events == []  # nothing is told from within a call
            await stage.until(lambda: of(stage.events, events.Exited))

        found = play(scenario)
        check_order(found, 0)
        assert steps(found) == [1, 2, 3]
        assert [report.metrics["loss"] for report in of(found, events.Reported)] == [1.0, 2.0, 3.0]
        (end,) = of(found, events.Exited)
        assert (end.code, end.signal, end.error, end.lost, end.stopped) == (
            0,
            None,
            "",
            False,
            False,
        )

    def test_a_failure_is_told_with_its_error(self, play: Play):
        async def scenario(stage: Stage) -> None:
            stage.executor.launch(order(0, "raises"))
            await stage.until(lambda: of(stage.events, events.Exited))

        found = play(scenario)
        check_order(found, 0)
        assert steps(found) == [1]
        (end,) = of(found, events.Exited)
        assert end.error
        assert not end.lost

    def test_attempts_run_side_by_side(self, play: Play):
        async def scenario(stage: Stage) -> None:
            for trial in range(4):
                stage.executor.launch(order(trial, "returns"))
            await stage.until(lambda: all(of(stage.events, events.Exited, n) for n in range(4)))
            stage.executor.launch(order(0, "returns", attempt=1))
            await stage.until(lambda: len(of(stage.events, events.Exited)) == 2)

        found = play(scenario)
        for trial in range(4):
            check_order(found, trial)
            assert steps(found, trial) == [1, 2, 3] * (2 if trial == 0 else 1)
        check_order(found, 0, attempt=1)

    def test_a_report_at_a_rung_waits_for_its_verdict(self, play: Play):
        async def scenario(stage: Stage) -> None:
            stage.executor.launch(order(0, "returns", rungs=(2,)))
            stage.executor.launch(order(1, "returns"))
            await stage.until(lambda: steps(stage.events) == [1, 2])
            await stage.until(lambda: of(stage.events, events.Exited, 1))  # others go on meanwhile
            assert steps(stage.events) == [1, 2]
            stage.executor.answer(0, 0, "go", save=False)
            await stage.until(lambda: of(stage.events, events.Exited))

        found = play(scenario)
        check_order(found, 0)
        assert [report.waits for report in of(found, events.Reported)] == [False, True, False]
        assert not of(found, events.Exited)[0].stopped

    def test_an_attempt_leaves_that_is_answered_with_stop(self, play: Play):
        async def scenario(stage: Stage) -> None:
            stage.executor.launch(order(0, "works", rungs=(2,)))
            await stage.until(lambda: steps(stage.events) == [1, 2])
            stage.executor.answer(0, 0, "stop", save=False)
            await stage.until(lambda: of(stage.events, events.Exited))

        found = play(scenario)
        check_order(found, 0)
        assert steps(found) == [1, 2]
        assert of(found, events.Exited)[0].stopped

    def test_an_attempt_leaves_at_its_next_report_when_it_is_asked_to(self, play: Play):
        async def scenario(stage: Stage) -> None:
            stage.executor.launch(order(0, "works"))
            await stage.until(lambda: steps(stage.events))
            stage.executor.ask_stop(0, 0, "stopped", save=False)
            await stage.until(lambda: of(stage.events, events.Exited))

        found = play(scenario)
        check_order(found, 0)
        (end,) = of(found, events.Exited)
        assert end.stopped
        assert not end.error

    @pytest.mark.parametrize(("how", "number"), [("term", 15), ("kill", 9)])
    def test_an_attempt_that_does_nothing_is_ended_by_a_signal(
        self, play: Play, how: Any, number: int
    ):
        async def scenario(stage: Stage) -> None:
            stage.executor.launch(order(0, "sits"))
            await stage.until(lambda: steps(stage.events))
            stage.executor.signal(0, 0, how)
            await stage.until(lambda: of(stage.events, events.Exited))

        found = play(scenario)
        check_order(found, 0)
        (end,) = of(found, events.Exited)
        assert end.signal == number or (how == "term" and end.code)
        assert end.error

    def test_an_attempt_that_was_never_launched_or_has_exited_is_left_alone(self, play: Play):
        def ask_everything(stage: Stage, trial: int) -> None:
            stage.executor.answer(trial, 0, "go", save=False)
            stage.executor.ask_stop(trial, 0, "stopped", save=False)
            stage.executor.release(trial, 0)
            stage.executor.signal(trial, 0, "kill")

        async def scenario(stage: Stage) -> None:
            ask_everything(stage, 5)
            stage.executor.launch(order(0, "returns"))
            await stage.until(lambda: of(stage.events, events.Exited))
            ask_everything(stage, 0)
            stage.executor.launch(order(1, "returns"))
            await stage.until(lambda: of(stage.events, events.Exited, 1))

        found = play(scenario)
        check_order(found, 0)
        assert {event.trial for event in found} == {0, 1}

    def test_nothing_is_told_after_it_is_closed(self, play: Play):
        counted = []

        async def scenario(stage: Stage) -> None:
            stage.executor.launch(order(0, "works"))
            stage.executor.launch(order(1, "sits"))
            await stage.until(lambda: len(steps(stage.events)) > 2 and steps(stage.events, 1))
            await stage.executor.close()
            counted.append(len(stage.events))

        found = play(scenario)
        assert [len(found)] == counted
        for trial in range(2):
            assert len(of(found, events.Exited, trial)) <= 1

    def test_nothing_is_left_running_once_it_is_closed_and_a_launch_then_is_harmless(
        self, play: Play
    ):
        left = []

        async def scenario(stage: Stage) -> None:
            for trial in range(3):
                stage.executor.launch(order(trial, "works" if trial else "sits"))
            await stage.until(lambda: all(steps(stage.events, n) for n in range(3)))
            await stage.executor.close()
            stage.executor.launch(order(3, "works"))
            left.append(stage.left())

        play(scenario)
        assert not left[0]
