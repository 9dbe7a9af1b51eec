"""Kernel densities over numbers and categories, and the user's beliefs (Hvarfner et al. 2022)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuitune.core import space as spaces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Columns:
    """One column for each searched parameter: a coordinate, or the index of an unordered choice.

    categories: how many there are in each column, 0 for coordinates.
    """

    space: spaces.SearchSpace
    categories: NDArray[np.int64]

    def encode(self, configs: Sequence[Mapping[str, Any]]) -> Array:
        """The configurations as (n, d); NaN for a parameter that does not exist.

        Falkner et al. impute a random other value, so that it distinguishes neither side; a density
        that leaves the parameter out does the same without randomness.
        """
        searched = self.space.searched
        rows = [[_cell(parameter, config) for parameter in searched] for config in configs]
        return np.array(rows, dtype=np.float64).reshape(len(configs), len(searched))

    def points(self, rows: Array) -> list[list[float]]:
        """Rows as points of the unit cube."""
        counted = self.categories > 0
        points = np.where(counted, (rows + 0.5) / np.maximum(self.categories, 1), rows)
        return [[float(u) for u in point] for point in points]


def columns(space: spaces.SearchSpace) -> Columns:
    """The columns of a space, one for each searched parameter."""
    counts = [_categories(parameter) for parameter in space.searched]
    return Columns(space, np.array(counts, dtype=np.int64))


def _categories(parameter: spaces.Parameter) -> int:
    is_category = isinstance(parameter, spaces.Choice) and not parameter.ordered
    return len(parameter.values) if is_category and isinstance(parameter, spaces.Choice) else 0


def _cell(parameter: spaces.Parameter, config: Mapping[str, Any]) -> float:
    if parameter.name not in config:
        return float("nan")
    value = config[parameter.name]
    if _categories(parameter):
        index = spaces.index_of(parameter, value)
        return float("nan") if index is None else float(index)
    return spaces.to_unit(parameter, value)


_WIDTH = 0.2  # of a number's range: the bandwidth of a single kernel
_LEAST_LEAVING = 1e-3  # mass that leaves a category, so that no density is 0
_REDRAWS = 20  # of numbers outside of their range; then they are clipped


@dataclass(frozen=True, slots=True)
class Density:
    """A kernel for each point, and a flat one with the weight of one point.

    points: (n, d), n may be 0; numbers in [0, 1], categories as whole numbers from 0, NaN where a
    parameter does not exist. categories: for each of the d how many there are, 0 for numbers.
    widths: one bandwidth for each; for a category the probability mass that leaves it (Aitchison
    and Aitken 1976).

    The flat one is the prior of Bergstra et al. 2011. Without it an empty corner, where both
    densities vanish, could have a higher ratio than any known point.
    """

    points: Array
    categories: NDArray[np.int64]
    widths: Array

    def log_at(self, at: Array) -> Array:
        """ln of the density at (m, d) points: the mean over all kernels.

        A parameter that a kernel's own point lacks is spread evenly by that kernel.
        """
        total = np.zeros((len(at), len(self.points) + 1))
        for axis, count in enumerate(self.categories):
            part = np.full_like(total, -math.log(max(count, 1)))
            ours, theirs = self.points[:, axis], at[:, axis, None]
            of_kernel = _category if count else _number
            known = of_kernel(ours, theirs, float(self.widths[axis]), int(count))
            part[:, :-1] = np.where(np.isnan(ours), part[:, :-1], known)
            total += np.where(np.isnan(theirs), 0.0, part)
        highest = total.max(axis=1)
        found: Array = highest + np.log(np.exp(total - highest[:, None]).mean(axis=1))
        return found

    def draw(self, count: int, rng: np.random.Generator) -> Array:
        """(count, d) points from all kernels; a value for each parameter, existing or not."""
        kernels = np.vstack([self.points, np.full(len(self.categories), np.nan)])
        drawn = kernels[rng.integers(len(kernels), size=count)]
        for axis, levels in enumerate(self.categories):
            column, width = drawn[:, axis], self.widths[axis]
            is_flat = np.isnan(column)
            if levels:
                is_flat |= rng.random(count) < width * levels / max(levels - 1, 1)
                drawn[is_flat, axis] = rng.integers(levels, size=int(is_flat.sum()))
            else:
                drawn[~is_flat, axis] = _within(column[~is_flat], width, rng)
                drawn[is_flat, axis] = rng.random(int(is_flat.sum()))
        return drawn


def density(points: Array, categories: NDArray[np.int64]) -> Density:
    """Bandwidths that shrink with the n kernels (the flat one included) as n^(-1 / (4 + d)).

    That is Scott's rate, as in Falkner et al. 2018, but from a spread of WIDTH instead of the
    points' own: they estimate the spread of the good ones from at least d + 1 points, and the few
    good ones of a few dozen trials do not suffice. The mass that leaves a category is what one more
    observation, spread evenly over all categories, would take from the n.
    """
    n, d = len(points) + 1, points.shape[1]
    leaving = np.maximum((categories - 1.0) / np.maximum(n + categories - 1.0, 1.0), _LEAST_LEAVING)
    width = _WIDTH * n ** (-1.0 / (4.0 + d))
    return Density(points, categories, np.where(categories > 0, leaving, width))


def _category(ours: Array, theirs: Array, leaving: float, count: int) -> Array:
    apart = math.log(leaving / max(count - 1, 1))
    return np.where(theirs == ours, math.log1p(-leaving), apart)


def _number(ours: Array, theirs: Array, width: float, _: int) -> Array:
    """A normal density truncated to [0, 1] and normalised there."""
    reach = width * math.sqrt(2)
    inside = [(math.erf((1 - x) / reach) + math.erf(x / reach)) / 2 for x in ours.tolist()]
    scale = np.log(np.array(inside) * width * math.sqrt(2 * math.pi))
    found: Array = -0.5 * ((theirs - ours) / width) ** 2 - scale
    return found


def _within(centres: Array, width: float, rng: np.random.Generator) -> Array:
    """Normal draws round the centres, drawn again while outside of [0, 1]."""
    drawn = rng.normal(centres, width)
    for _ in range(_REDRAWS):
        outside = (drawn < 0.0) | (drawn > 1.0)
        if not outside.any():
            break
        drawn[outside] = rng.normal(centres[outside], width)
    return np.clip(drawn, 0.0, 1.0)


_LEAST_SD = 0.05  # of the range, around a single likely value
_DOUBT = -6.0  # ln of the least belief, which unexpected values get


def log_belief(
    parameters: Sequence[spaces.Parameter], configs: Sequence[Mapping[str, Any]]
) -> NDArray[np.float64]:
    """ln of the belief in each configuration, up to a constant; 0 without priors."""
    believed = [p for p in parameters if spaces.likely_of(p) or spaces.has_prior(p)]
    return np.array([sum(_one(p, c) for p in believed if p.name in c) for c in configs])


def _one(parameter: spaces.Parameter, config: Mapping[str, Any]) -> float:
    value = config[parameter.name]
    if isinstance(parameter, spaces.Choice) and parameter.weights:
        weight = parameter.weights[spaces.index_of(parameter, value) or 0]
        return max(math.log(weight / max(parameter.weights)), _DOUBT)
    if isinstance(parameter, spaces.Choice):
        return 0.0 if any(spaces.same(value, likely) for likely in parameter.likely) else _DOUBT
    normal = spaces.normal_units(parameter)
    if normal is None:
        units = spaces.likely_units(parameter)
        centre, sd = (units[0] + units[-1]) / 2, max((units[-1] - units[0]) / 2, _LEAST_SD)
    else:
        centre, sd = normal
    return max(-0.5 * ((spaces.to_unit(parameter, value) - centre) / sd) ** 2, _DOUBT)
