"""The course of a simulated attempt, and which of its reports wait for a verdict."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.simulation.recorded import Point
    from tuitune.trial.wire import Order

End = Literal["returns", "raises", "killed", "lost", "hangs", "oom", "unknown"]
Heeds = Literal["ask", "term", "kill"]


@dataclass(frozen=True, slots=True)
class Course:
    """What one attempt does if it is not ended.

    end: after its last point; "killed" is a signal from outside, "lost" is not its own fault,
    "unknown" is the end of a record. ending: seconds of work after its last point.
    spoilt: steps whose checkpoint can't be written; shrugs: that error is caught.
    """

    points: Sequence[Point]
    end: End = "returns"
    saves: bool = False  # whether its reports can write a checkpoint
    startup: float = 0.0  # s from its launch to the start of its work
    leaving: float = 0.0  # s that it takes to leave
    heeds: Heeds = "ask"  # the mildest request or signal that ends it
    saving: float = 0.0  # s that a checkpoint takes
    spoilt: frozenset[int] = frozenset()
    shrugs: bool = False
    lingers: float = 0.0  # s from its function's return to the exit of its process
    polite: bool = False  # whether it exits with status 0 after SIGTERM
    command: bool = False  # whether its reports are printed by a command
    ending: float = 0.0


class Target(Protocol):
    """Simulated training code."""

    def begin(self, order: Order) -> Course:
        """The course of this attempt, from its checkpoint on where it has one."""
        ...


class Waits:
    """Which reports of one attempt wait, as in `trial.steps`: each step at most once."""

    def __init__(self, order: Order, *, repeats: bool) -> None:
        self.now = 0 if order.resource else order.resume_step or 0  # the highest step reported
        self.is_complete = False
        self._order = order
        self._valued = 0  # the newest step with the objective
        self._complete_at = 0
        self._repeats = repeats  # of a command: steps may come several times
        self._newest: float | None = None  # the objective of a command's step under way
        self._rungs = deque(order.rungs)
        self._wait_at = 0.0
        self._waited(0)

    def complete(self) -> None:
        """The verdict on its newest report was "complete"."""
        self.is_complete = True
        self._complete_at = self.now

    def is_beyond(self, step: int, value: float | None) -> bool:
        """Whether a report goes beyond the maximum."""
        if self.is_complete:
            return step > self._complete_at
        most = self._order.max_resource
        return most is not None and value is None and step > self.now >= most

    def stays_open(self, step: int, value: float | None) -> bool:
        """Of a command: whether more reports of this step may follow before it is judged."""
        if step == self._valued and value is not None:
            self._repeats = True
        return self._repeats and step >= self.now

    def taken(self, step: int, value: float | None, *, is_open: bool) -> bool:
        """Note a report; whether it waits."""
        if step > self.now:
            self._newest = None
        waits = value is not None and not is_open and self._does_wait(step, value)
        if step >= self.now and value is not None:
            self._newest = value
        self.now = max(self.now, step)
        if value is not None:
            self._valued = max(self._valued, step)
        if waits:
            self._waited(step)
        return waits

    def closing(self) -> float | None:
        """The objective of an open step, if that is to be judged now."""
        value = self._newest
        if not self._repeats or value is None:
            return None
        if not self._does_wait(self.now, value, closing=True):
            return None
        self._waited(self.now)
        return value

    def _does_wait(self, step: int, value: float, *, closing: bool = False) -> bool:
        if step < self.now or self.is_complete:
            return False
        if step >= self._wait_at:
            return True
        return (closing or step > self._valued) and self._is_as_good_as_the_target(value)

    def _is_as_good_as_the_target(self, value: float) -> bool:
        target = self._order.target
        if target is None:
            return False
        return value >= target if self._order.mode == "max" else value <= target

    def _waited(self, step: int) -> None:
        while self._rungs and self._rungs[0] <= step:
            self._rungs.popleft()
        order = self._order
        stops = [order.judged_from, order.max_resource, *list(self._rungs)[:1]]
        first = min((s for s in stops if s is not None), default=math.inf)
        self._wait_at = max(first, step + 1)
