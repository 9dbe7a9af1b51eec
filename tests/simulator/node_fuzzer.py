"""Random events of nodes: they join late, are lost with their trials, and come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tuitune.core import events as ev

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from simulator.clock import SimulatedLoop
    from simulator.executor import SimulatedExecutor
    from tuitune.core.placement.host import HostResources
    from tuitune.engine.engine import Engine

LATE = (0.0, 0.5, 15.0)  # s from the news of a node until its trials are known to be gone


def draw_nodes(rng: Random, machine: HostResources) -> tuple[ev.Node, ...]:
    """Nodes of the machine's size; none: the machine alone."""
    count = rng.choice((0, 2, 3))
    return tuple(ev.Node(f"n{i}", machine.cpus, machine.memory) for i in range(count))


class NodeFuzzer:
    """Changes the nodes for `horizon` seconds, after which all are there.

    first: those that are there as the study is opened.
    """

    def __init__(
        self,
        engine: Engine,
        executor: SimulatedExecutor,
        loop: SimulatedLoop,
        clock: Callable[[], float],
        rng: Random,
        nodes: tuple[ev.Node, ...],
        horizon: float,
    ) -> None:
        self._engine = engine
        self._executor = executor
        self._loop = loop
        self._clock = clock
        self._rng = rng
        self._nodes = nodes
        self.first = nodes if not horizon else nodes[: rng.randint(1, max(1, len(nodes)))]
        if not nodes:
            return
        for _ in range(rng.choice((0, 2, 5)) if horizon else 0):
            loop.call_later(rng.uniform(0.0, horizon), self._change)
        loop.call_later(horizon + 20.0, self._heal)

    def _change(self) -> None:
        node = self._rng.choice(self._nodes)
        what = self._rng.choice(("lost", "lost", "barred", "well"))
        if node.name in self._executor.lost_nodes:
            return
        if what == "lost":
            late = self._rng.choice(LATE)
            self._executor.lost_nodes.add(node.name)
            self._tell(msgspec.structs.replace(node, lost=True, obstacle="not heard"))
            self._loop.call_later(late, self._executor.lose, node.name)
            self._loop.call_later(late + self._rng.uniform(1.0, 60.0), self._back, node)
        else:
            obstacle = "its code can't be imported" if what == "barred" else ""
            self._tell(msgspec.structs.replace(node, obstacle=obstacle))

    def _back(self, node: ev.Node) -> None:
        self._executor.lost_nodes.discard(node.name)
        self._tell(node)

    def _heal(self) -> None:
        for node in self._nodes:
            if node.name not in self._executor.lost_nodes:
                self._tell(node)

    def _tell(self, node: ev.Node) -> None:
        if not self._engine.study.state.finished:
            self._engine.take([ev.NodeChanged(self._clock(), node)])
