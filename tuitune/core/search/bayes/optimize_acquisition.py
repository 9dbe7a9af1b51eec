"""Which point of the space has the greatest acquisition?

Many points are looked at; the best few are swept along countable parameters one change at a time
and followed up the gradient along the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tuitune.core.search.bayes.batch_bfgs import Enough, Start, descend
from tuitune.core.search.bayes.candidates import neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuitune.core.search.bayes.encoding import Encoding

POLISHED = 6
SWEPT = 3
SWEEPS = 3
CHANGES = 6  # of each countable parameter in a sweep
FIRST = 0.1  # move up the gradient, in units of the lengths
STEPS = Enough(calls=10, slope=1e-2, decrease=1e-4)


class Acquisition(Protocol):
    """Of rows; the greater the better."""

    def value(self, rows: NDArray[np.float64]) -> NDArray[np.float64]: ...

    def sloped(
        self, rows: NDArray[np.float64], places: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values, and slopes along numeric places: (rows, places)."""
        ...

    def lengths(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        """How far along each place it stays alike."""
        ...


@dataclass(frozen=True)
class Found:
    """Points in the unit cube, the greatest acquisition first."""

    points: NDArray[np.float64]
    values: NDArray[np.float64]


def ascend(
    encoding: Encoding,
    acquisition: Acquisition,
    points: NDArray[np.float64],
    random: np.random.Generator,
) -> Found:
    rows = encoding.snapped(points)
    values = acquisition.value(rows)
    start = _distinct_best(rows, values, POLISHED)
    best, best_values = points[start], values[start]
    if encoding.countables:
        best, best_values = _swept(encoding, acquisition, best, best_values, random)
    if len(encoding.numbers):
        best, best_values = _polished(encoding, acquisition, best, best_values)
    every = np.concatenate([best, points])
    every_value = np.concatenate([best_values, values])
    order = np.argsort(-every_value, kind="stable")
    return Found(every[order], every_value[order])


def _distinct_best(rows: NDArray[np.float64], values: NDArray[np.float64], count: int) -> list[int]:
    chosen: dict[bytes, int] = {}
    for index in np.argsort(-values, kind="stable"):
        chosen.setdefault(rows[index].tobytes(), int(index))
        if len(chosen) == count:
            break
    return list(chosen.values())


def _swept(
    encoding: Encoding,
    acquisition: Acquisition,
    points: NDArray[np.float64],
    values: NDArray[np.float64],
    random: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each of the best few takes its best change of one countable, while that helps."""
    points, values = points.copy(), values.copy()
    going = list(range(min(SWEPT, len(points))))
    for _ in range(SWEEPS):
        moves = [neighbours(encoding, points[index], random, CHANGES) for index in going]
        sizes = [len(move) for move in moves]
        if not sum(sizes):
            break
        found = acquisition.value(encoding.snapped(np.concatenate(moves)))
        still: list[int] = []
        for index, move, value in zip(
            going, moves, np.split(found, np.cumsum(sizes)[:-1]), strict=True
        ):
            top = int(np.argmax(value))
            if value[top] > values[index]:
                points[index], values[index] = move[top], value[top]
                still.append(index)
        going = still
        if not going:
            break
    return points, values


def _polished(
    encoding: Encoding,
    acquisition: Acquisition,
    points: NDArray[np.float64],
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All points at once up the gradient along what is no grid, each for itself."""
    places = encoding.numbers
    rows = encoding.snapped(points)
    # An inactive number stands at 0.5 whatever its coordinate, so only active ones may move.
    active = rows[:, places] == points[:, places]

    def negative(moved: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        there = rows.copy()
        there[:, places] = np.where(active, moved, rows[:, places])
        value, slopes = acquisition.sloped(there, places)
        return -value, np.where(active, -slopes, 0.0)

    low, high = np.zeros(len(places)), np.ones(len(places))
    start = Start(points[:, places], low, high, acquisition.lengths(places), FIRST)
    moved = points.copy()
    moved[:, places] = np.where(active, descend(negative, start, STEPS), points[:, places])
    new = acquisition.value(encoding.snapped(moved))
    better = new > values
    return np.where(better[:, None], moved, points), np.where(better, new, values)
