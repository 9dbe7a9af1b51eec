"""Training code that follows a table of known curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.course import Course
from tuitune.core.search.proposal import Proposal
from tuitune.core.space import IntRange, SearchSpace
from tuitune.simulation.recorded import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.search.proposal import Tried
    from tuitune.trial.wire import Order


@dataclass(frozen=True, slots=True)
class CurveTable:
    """Training code that follows a table, and the searcher that proposes its rows in order.

    losses: a row a configuration, a column a step from 1 on. seconds: what each step takes.
    order: the row of each trial.
    """

    losses: Sequence[Sequence[float]]
    seconds: Sequence[Sequence[float]]
    order: Sequence[int]
    saves: bool = True

    @property
    def space(self) -> SearchSpace:
        return SearchSpace((IntRange("row", 0, len(self.losses) - 1, log=False, step=1, when={}),))

    def propose(self, trial: int, tried: Tried) -> Proposal | None:
        if trial >= len(self.order):
            return None
        return Proposal({"row": self.order[trial]}, "table", f"row {self.order[trial]}")

    def begin(self, order: Order) -> Course:
        row = order.config["row"]
        start = order.resume_step or 0
        points = [
            Point(step, loss, seconds)
            for step, (loss, seconds) in enumerate(
                zip(self.losses[row], self.seconds[row], strict=True), 1
            )
            if step > start
        ]
        return Course(points, saves=self.saves)
