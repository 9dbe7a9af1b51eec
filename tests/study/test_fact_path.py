"""What a fact costs does not grow with the trials that run, or with the GPUs that there are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from test_study_nodes import GB, Story, node

from tuitune.core import events as ev

EACH = 8  # slots, or GPUs, of a node


def bytecodes(call: Callable[[], object]) -> int:
    """The number of bytecodes of Python that a call runs, which no other load changes."""
    count = 0

    def step(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        count += event == "opcode"
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


class Cluster(Story):
    """Nodes of EACH slots or GPUs, all with trials that have reported twice."""

    def __init__(self, nodes: int, wish: Any) -> None:
        gpus, cpus = (0, float(EACH)) if wish == 0 else (EACH, 1000.0)
        super().__init__(
            *(node(f"n{number:02}", cpus, gpus) for number in range(nodes)), wish=wish, trials=9999
        )
        for step in (1, 2):
            self.now += 5.0
            for trial in [*self.study.state.running]:
                self.report(trial, step)
                if wish == "auto":
                    self.hold(trial, 30 * GB)

    def take(self, event: ev.Event) -> list[ev.AnyFact]:
        """Without a comparison of all sums after each."""
        facts = self.study.react(event)
        for fact in [*facts]:
            if isinstance(fact, ev.Ask):
                answer = ev.Proposed(self.now, fact.trial, {"x": 0.5}, "random", "")
                facts += self.take(answer)
        return facts

    def report(self, trial: int, step: int) -> list[ev.AnyFact]:
        attempt = self.trial(trial).attempt
        return self.take(ev.Reported(self.now, trial, attempt, step, {"loss": 1.0}))

    def hold(self, trial: int, memory: int) -> None:
        self.take(ev.Footprint(self.now, trial, self.trial(trial).attempt, memory))

    def of_report(self) -> int:
        """Bytecodes of a report and of its trial's deadlines."""
        trial = next(iter(self.study.state.running))
        self.now += 5.0

        def report() -> None:
            self.report(trial, 3)
            self.study.next_deadline([trial])

        return bytecodes(report)

    def of_exit(self) -> int:
        """Bytecodes of an exit, and of the launch of the next trial in its place."""
        trial = next(iter(self.study.state.running))
        facts: list[ev.AnyFact] = []

        def leave() -> None:
            facts.extend(self.exit(trial))
            self.study.next_deadline([trial])

        cost = bytecodes(leave)
        assert any(isinstance(fact, ev.Launch) for fact in facts)
        return cost


@pytest.mark.parametrize("wish", [0, 0.5, 1, 2, "auto"])
def test_a_report_costs_as_much_on_many_nodes_as_on_few(wish: Any):
    assert Cluster(32, wish).of_report() < 1.3 * Cluster(2, wish).of_report()


@pytest.mark.parametrize("wish", [0, 1, 2])
def test_a_trial_is_followed_by_another_at_the_same_cost_on_many_nodes(wish: Any):
    assert Cluster(32, wish).of_exit() < 1.3 * Cluster(2, wish).of_exit()
