"""Where does the user expect good values, and how much does that still count?

Hvarfner et al. 2022, eq. 6: the acquisition is multiplied by prior(x)^(beta / n), so that beliefs
steer the first trials and fade as outcomes come in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuitune.core.space import index_of, to_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tuitune.core.search.bayes.encoding import Column, Encoding
    from tuitune.core.space import Value

BETA = 10.0
SPREAD = 0.15  # of a single value's neighbourhood, as a part of the range
NARROWEST = 0.02  # the same of a range, however narrow
ELSEWHERE = 0.05  # of the belief's height is left everywhere: a wrong belief can be overruled


@dataclass(frozen=True)
class Beliefs:
    """For some places what is thought likely: of a number (middle, spread), else its cells."""

    numbers: Mapping[int, tuple[float, float]]
    cells: Mapping[int, tuple[int, ...]]

    def __bool__(self) -> bool:
        return bool(self.numbers or self.cells)

    def log_prior(self, rows: NDArray[np.float64], beside: int) -> NDArray[np.float64]:
        """beta / n times the log of the belief in each row, at most 0; beside n outcomes."""
        total = np.zeros(len(rows))
        for place, (middle, spread) in self.numbers.items():
            distance = (rows[:, place] - middle) / spread
            total += np.log(ELSEWHERE + (1.0 - ELSEWHERE) * np.exp(-0.5 * distance**2))
        for place, liked in self.cells.items():
            total += np.where(np.isin(rows[:, place], liked), 0.0, np.log(ELSEWHERE))
        return total * (BETA / max(beside, 1))

    def slopes(
        self, rows: NDArray[np.float64], places: NDArray[np.intp], beside: int
    ) -> NDArray[np.float64]:
        found = np.zeros((len(rows), len(places)))
        for column, place in enumerate(places):
            if int(place) in self.numbers:
                middle, spread = self.numbers[int(place)]
                distance = (rows[:, place] - middle) / spread
                bell = (1.0 - ELSEWHERE) * np.exp(-0.5 * distance**2)
                found[:, column] = -bell * distance / spread / (ELSEWHERE + bell)
        return found * (BETA / max(beside, 1))

    def drawn(
        self, encoding: Encoding, points: NDArray[np.float64], random: np.random.Generator
    ) -> NDArray[np.float64]:
        """Points whose believed coordinates are drawn from the beliefs instead."""
        points = points.copy()
        for place, (middle, spread) in self.numbers.items():
            near = middle + spread * random.normal(size=len(points))
            points[:, place] = np.clip(near, 0.0, 1.0)
        for place, liked in self.cells.items():
            for index, choice in enumerate(random.integers(len(liked), size=len(points))):
                points[index, place] = encoding.point_of_cell(place, liked[int(choice)])
        return points


def beliefs_of(encoding: Encoding, likely: Mapping[str, tuple[Value, ...]]) -> Beliefs:
    """From parameter names to values: of a number one, or low and high; of a choice any."""
    numbers: dict[int, tuple[float, float]] = {}
    cells: dict[int, tuple[int, ...]] = {}
    for place, column in enumerate(encoding.columns):
        values = likely.get(column.parameter.name)
        if not values:
            continue
        if column.categories:
            found = [index_of(column.parameter, value) for value in values]
            cells[place] = tuple(cell for cell in found if cell is not None)
        else:
            numbers[place] = _neighbourhood(column, values)
    return Beliefs(numbers, cells)


def _neighbourhood(column: Column, values: tuple[Value, ...]) -> tuple[float, float]:
    """The middle and the spread, on the unit interval, of one value or of a range."""
    units = [to_unit(column.parameter, value) for value in values]
    low, high = min(units), max(units)
    spread = SPREAD if len(units) == 1 else max(NARROWEST, (high - low) / 2)
    return (low + high) / 2, spread
