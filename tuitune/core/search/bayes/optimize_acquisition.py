"""Candidates, and the search for the point of greatest acquisition.

Of many candidates the best few are improved: along countable parameters by one change at a time,
along the others by following the gradient.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tuitune.core.search.bayes.batch_bfgs import Enough, Start, descend
from tuitune.core.search.bayes.encoding import Encoding

_LOCAL_STEPS = (0.02, 0.1, 0.3)  # of local moves, as fractions of the range


def everywhere(encoding: Encoding, random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Points uniform in the unit cube."""
    return random.random((count, len(encoding.columns)))


def nearby(
    encoding: Encoding, random: np.random.Generator, centres: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Points that differ from one of the centres in a few coordinates, some of them slightly."""
    places = len(encoding.columns)
    points = centres[random.integers(len(centres), size=count)]
    moved = random.random((count, places)) < max(0.3, 1.0 / places)
    moved[np.arange(count), random.integers(places, size=count)] = True
    steps = np.array(_LOCAL_STEPS)[random.integers(len(_LOCAL_STEPS), size=count)]
    shifted = np.clip(points + steps[:, None] * random.normal(size=points.shape), 0.0, 1.0)
    fresh = random.random(points.shape)
    categorical = np.array([column.categories > 0 for column in encoding.columns])
    return np.where(moved, np.where(categorical, fresh, shifted), points)


def points_of(
    encoding: Encoding, rows: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """Points that encode as these rows; inactive parameters are random."""
    points = rows.copy()
    for place, column in enumerate(encoding.columns):
        if column.categories:
            points[:, place] = (rows[:, place] + 0.5) / column.categories
            absent = rows[:, place] == column.inactive
            points[absent, place] = random.random(int(absent.sum()))
    return points


def neighbours(
    encoding: Encoding, point: NDArray[np.float64], random: np.random.Generator, most: int
) -> NDArray[np.float64]:
    """The point with one countable coordinate changed, at most `most` changes of each."""
    changed: list[NDArray[np.float64]] = []
    for place in encoding.countables:
        column = encoding.columns[place]
        assert column.centres is not None
        cells = len(column.centres)
        here = encoding.cell(place, float(point[place]))
        if cells - 1 <= most:
            others = [cell for cell in range(cells) if cell != here]
        elif column.categories:
            others = [int(cell) for cell in random.permutation(cells) if cell != here][:most]
        else:
            near = {
                here - 2,
                here - 1,
                here + 1,
                here + 2,
                *map(int, random.integers(cells, size=2)),
            }
            others = sorted(cell for cell in near - {here} if 0 <= cell < cells)
        for cell in others:
            other = point.copy()
            other[place] = encoding.point_of_cell(place, cell)
            changed.append(other)
    return np.array(changed).reshape(len(changed), len(point))


_POLISHED = 6
_SWEPT = 3
_SWEEPS = 3
_CHANGES = 6  # of each countable parameter in a sweep
_HALVES = 5  # of a move that breaks constraints
FIRST = 0.1  # move up the gradient, in units of the lengths
_TIE = 0.7  # of ln of the acquisition, that all moves off ends together may lose
_STAYS = 0.03  # share of coordinates that stay on an end, whatever is expected there
_PLACES = 8  # tried inside, for each coordinate on an end
_STEPS = Enough(calls=10, slope=1e-2, decrease=1e-4)


class Acquisition(Protocol):
    """A function of rows to maximise, with slopes."""

    def value(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows,) of rows (rows, searched places)."""
        ...

    def sloped(
        self, rows: NDArray[np.float64], places: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values, and slopes along numeric places: (rows, places)."""
        ...

    def gains(
        self, row: NDArray[np.float64], rows: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of rows, and what they gain over one row (1, places) if as uncertain as that."""
        ...

    def lengths(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        """(places,): lengths over which it changes little."""
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
    """Improve the best of the points (points, places); all of them are returned, best first.

    The points keep the constraints, and so do those that are returned.
    """
    rows = encoding.snapped(points)
    values = acquisition.value(rows)
    start = _distinct_best(rows, values, _POLISHED)
    best, best_values = points[start], values[start]
    if encoding.countables:
        best, best_values = _swept(encoding, acquisition, best, best_values, random)
    if len(encoding.numbers):
        best, best_values = _polished(encoding, acquisition, best, best_values)
    every = np.concatenate([best, points])
    every_value = np.concatenate([best_values, values])
    order = np.argsort(-every_value, kind="stable")
    return Found(every[order], every_value[order])


def inside(
    encoding: Encoding,
    acquisition: Acquisition,
    point: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """The point with coordinates moved off the ends of their ranges, where the data allow that.

    A Gaussian process is least certain at the ends, so its proposals pile up there, most of all
    along parameters that do not matter (Siivola et al. 2018). Of a few random places inside, the
    one with the highest acquisition is taken if, were all as uncertain as the end, the moves
    together would lose at most _TIE: an end has to be expected to be better.
    """
    begun = encoding.snapped(point[None, :])
    for place in random.permutation(encoding.with_ends):
        leaves = random.random() >= _STAYS
        if not (leaves and encoding.on_end(int(place), float(point[place]))):
            continue
        moved = np.repeat(point[None, :], _PLACES, axis=0)
        moved[:, place] = encoding.inside(int(place), random.random(_PLACES))
        if encoding.space.groups:
            moved = moved[encoding.keeps(moved)]
        values, gains = acquisition.gains(begun, encoding.snapped(moved))
        free = gains >= -_TIE
        if free.any():
            point = moved[int(np.argmax(np.where(free, values, -np.inf)))]
    return point


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
    """Each of the best few takes its best change of one countable coordinate, while that helps."""
    points, values = points.copy(), values.copy()
    going = list(range(min(_SWEPT, len(points))))
    for _ in range(_SWEEPS):
        moves = [neighbours(encoding, points[index], random, _CHANGES) for index in going]
        if encoding.space.groups:
            moves = [move[encoding.keeps(move)] for move in moves]
        sizes = [len(move) for move in moves]
        if not sum(sizes):
            break
        found = acquisition.value(encoding.snapped(np.concatenate(moves)))
        still: list[int] = []
        for index, move, value in zip(
            going, moves, np.split(found, np.cumsum(sizes)[:-1]), strict=True
        ):
            top = int(np.argmax(value)) if len(value) else -1
            if top >= 0 and value[top] > values[index]:
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
    """All points at once follow the gradient along the continuous places."""
    places = encoding.numbers
    rows = encoding.snapped(points)
    # An inactive number is at 0.5 whatever its coordinate, so only active ones may move.
    active = rows[:, places] == points[:, places]

    def negative(moved: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        there = rows.copy()
        there[:, places] = np.where(active, moved, rows[:, places])
        value, slopes = acquisition.sloped(there, places)
        return -value, np.where(active, -slopes, 0.0)

    low, high = np.zeros(len(places)), np.ones(len(places))
    start = Start(points[:, places], low, high, acquisition.lengths(places), FIRST)
    moved = points.copy()
    moved[:, places] = np.where(active, descend(negative, start, _STEPS), points[:, places])
    if encoding.space.groups:
        moved = _kept_part(encoding, points, moved)
    new = acquisition.value(encoding.snapped(moved))
    better = new > values
    return np.where(better[:, None], moved, points), np.where(better, new, values)


def _kept_part(
    encoding: Encoding, points: NDArray[np.float64], moved: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Each move, shortened to a half, a quarter … or nothing until it keeps the constraints."""
    reached = moved
    for halves in range(1, _HALVES + 2):
        broken = ~encoding.keeps(reached)
        if not broken.any():
            break
        share = 0.5**halves if halves <= _HALVES else 0.0
        reached = np.where(broken[:, None], points + share * (moved - points), reached)
    return reached
