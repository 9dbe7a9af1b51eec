"""Bugs of studies on several nodes, planted: the simulator must find each of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from simulator.executor import SimulatedExecutor
from tuitune.core import events as ev
from tuitune.engine.engine import Engine


@contextmanager
def lease_too_short() -> Iterator[None]:
    """The trials of a lost node are told as ended while their processes go on."""

    def hasty(self: SimulatedExecutor, node: str) -> None:
        for trial, attempt in [*self.attempts]:
            if self.attempts[trial, attempt].order.node == node:
                why = "not heard"
                end = ev.Exited(self.clock(), trial, attempt, None, None, why, "", 0, lost=True)
                self._hear((trial, attempt), end, None)

    with patch.object(SimulatedExecutor, "lose", hasty):
        yield


@contextmanager
def two_nodes_with_one_trial() -> Iterator[None]:
    """A trial that is launched on one node is launched on another one, too."""
    launch = Engine._launch

    def twice(self: Engine, fact: ev.Launch) -> None:
        launch(self, fact)
        others = [name for name in self.study.state.nodes if name != fact.node]
        if others and fact.trial == 2:
            launch(self, msgspec.structs.replace(fact, node=others[0]))

    with patch.object(Engine, "_launch", twice):
        yield


@contextmanager
def word_lost_after_its_acknowledgement() -> Iterator[None]:
    """One exit in eight never gets to the engine, though it was told."""
    hear = SimulatedExecutor._hear
    count = 0

    def deaf(self: SimulatedExecutor, key: Any, event: ev.Event, waits: int | None) -> None:
        nonlocal count
        count += isinstance(event, ev.Exited)
        if not (isinstance(event, ev.Exited) and count % 8 == 0):
            hear(self, key, event, waits)

    with patch.object(SimulatedExecutor, "_hear", deaf):
        yield


NODE_BUGS = (lease_too_short, two_nodes_with_one_trial, word_lost_after_its_acknowledgement)
