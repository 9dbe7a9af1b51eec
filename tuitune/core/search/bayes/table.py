"""What is known at a question, as numbers?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tuitune.core.search.bayes.encoding import Encoding, Layout
from tuitune.core.search.bayes.observations import Fidelities, Observations, target
from tuitune.core.search.bayes.sampled_parameters import drawn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tuitune.core.search.history import History, Past


@dataclass(frozen=True)
class Table:
    """rows: one for each line of the observations. aim: the level at which trials are compared.

    waiting: rows of trials that are still to reach it. typical: what values yet to be drawn are
    taken to be.
    """

    fidelities: Fidelities
    layout: Layout
    observations: Observations
    rows: NDArray[np.float64]
    waiting: NDArray[np.float64]
    typical: NDArray[np.float64]
    target: int

    @property
    def finite(self) -> int:
        return int(self.observations.finite.sum())

    def contenders(self, kept: NDArray[np.intp]) -> NDArray[np.float64]:
        """Rows, of the lines kept, among which the best is sought.

        Trials that have shown nothing are none: what is hoped of the most hopeful of them is too
        high a mark to improve on. A lucky draw is no merit of its configuration, so all are given
        typical ones.
        """
        finite = kept[self.observations.finite[kept]]
        own = finite[self.observations.trials[finite] >= 0]
        rows = self.rows[own if len(own) else finite]
        return self.whole(rows[:, : rows.shape[1] - len(self.typical)])

    def whole(self, searched: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows from their searched parts."""
        if not len(self.typical):
            return searched
        drawn_parts = np.broadcast_to(self.typical, (len(searched), len(self.typical)))
        return np.hstack([searched, drawn_parts])


@dataclass
class Tables:
    """Remembers the rows of configurations, which cost more than all the rest."""

    encoding: Encoding
    _rows: dict[int, tuple[Mapping[str, Any], NDArray[np.float64]]] = field(default_factory=dict)

    def table(self, history: History, fidelities: Fidelities, observations: Observations) -> Table:
        """Earlier studies' trials have negative numbers, as in the observations."""
        reached = target(observations, fidelities.levels)
        lines = zip(observations.trials.tolist(), observations.levels.tolist(), strict=True)
        there = {trial for trial, level in lines if level == reached}
        waiting = [
            past.trial
            for past in history.past
            if past.state == "pending" and past.trial not in there
        ]
        every = dict(enumerate(history.foreign, -len(history.foreign)))
        every |= {past.trial: past for past in history.past}
        needed = [*observations.trials.tolist(), *waiting]
        values = drawn(self.encoding.space.sampled, [every[number].config for number in needed])
        searched = np.array([self._row(number, every[number]) for number in needed])
        searched = searched.reshape(len(needed), len(self.encoding.columns))
        rows = np.hstack([searched, values.columns])
        count = len(observations.trials)
        categories = tuple(column.categories for column in self.encoding.columns)
        layout = Layout(categories + values.categories)
        return Table(
            fidelities, layout, observations, rows[:count], rows[count:], values.typical, reached
        )

    def _row(self, number: int, past: Past) -> NDArray[np.float64]:
        known = self._rows.get(number)
        if known is not None and (known[0] is past.config or known[0] == past.config):
            return known[1]
        row = self.encoding.row(past.config)
        self._rows[number] = past.config, row
        return row
