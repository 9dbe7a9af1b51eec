"""At which points is the acquisition looked at, before the best of them are polished?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuitune.core.search.bayes.encoding import Encoding

STEPS = (0.02, 0.1, 0.3)  # of local moves, as parts of the range


def everywhere(encoding: Encoding, random: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Points uniform in the unit cube."""
    return random.random((count, len(encoding.columns)))


def nearby(
    encoding: Encoding,
    random: np.random.Generator,
    centres: NDArray[np.float64],
    count: int,
) -> NDArray[np.float64]:
    """Points that differ from one of the centres in a few coordinates, some by a little only."""
    places = len(encoding.columns)
    points = centres[random.integers(len(centres), size=count)]
    moved = random.random((count, places)) < max(0.3, 1.0 / places)
    moved[np.arange(count), random.integers(places, size=count)] = True
    steps = np.array(STEPS)[random.integers(len(STEPS), size=count)]
    shifted = np.clip(points + steps[:, None] * random.normal(size=points.shape), 0.0, 1.0)
    fresh = random.random(points.shape)
    categorical = np.array([column.categories > 0 for column in encoding.columns])
    return np.where(moved, np.where(categorical, fresh, shifted), points)


def points_of(
    encoding: Encoding, rows: NDArray[np.float64], random: np.random.Generator
) -> NDArray[np.float64]:
    """Points that are read as these rows; inactive parameters anywhere."""
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
    """The point with one countable coordinate changed, at most so many changes of each."""
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
