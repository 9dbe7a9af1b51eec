"""Covariance of the outcomes of two configurations, each at a rung.

Matern 5/2 with a length for each place (Rasmussen and Williams 2006, eq. 4.17) plus what single
places add (Duvenaud et al. 2011, "Additive Gaussian Processes"), times an Ornstein-Uhlenbeck
process over the rungs on an axis whose gaps are learned (Rasmussen and Williams, eq. B.28), plus a
free offset for each rung:

    k((x, s), (y, t)) = scale * (m(r) + additive * e(x, y)) * exp(-|a_s - a_t|) + OFFSET * [s = t]
    r^2 = sum_j distance_j(x, y) / length_j^2,  m(r) = (1 + sqrt5 r + 5/3 r^2) exp(-sqrt5 r)
    e(x, y) = mean over j of cos(pi (x_j - y_j)), of categories 1 where they are the same, else 0

Along one place, e stands for a slope and a bow: of a few outcomes these are learned at once, while
m has to be told of each corner by itself.

A wide gap means that the rung below it ranks configurations poorly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tuitune.core.search.bayes.layout import Expected, Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROOT5 = float(np.sqrt(5.0))
OFFSET = 4.0  # variance of a rung's own level, in units of the warped outcomes' variance
_BLOCK = 64  # rows whose covariances are computed at a time, which fit into the cache


@dataclass(frozen=True)
class Hyperparameters:
    """lengths: one for each place. gaps: one less than there are rungs. All are positive.

    additive: the variance of what single places add, in units of the scale; it may be 0.
    """

    lengths: NDArray[np.float64]
    scale: float
    noise: float
    additive: float
    gaps: NDArray[np.float64]

    @property
    def variance(self) -> float:
        """Of an outcome without noise, offsets aside."""
        return self.scale * (1.0 + self.additive)

    @cached_property
    def rung_correlations(self) -> NDArray[np.float64]:
        """exp(-|a_s - a_t|) for each pair of rungs."""
        axis = np.concatenate([[0.0], np.cumsum(self.gaps)])
        correlations: NDArray[np.float64] = np.exp(-np.abs(axis[:, None] - axis[None, :]))
        return correlations


def from_logs(logs: NDArray[np.float64], places: int) -> Hyperparameters:
    """Hyperparameters from their logarithms.

    logs: (places + 3 + gaps,), ln of the lengths, the scale, the noise, the additive part and the
    gaps. places: how many lengths there are.
    """
    values = np.exp(logs)
    scale, noise, additive = (float(value) for value in values[places : places + 3])
    return Hyperparameters(values[:places], scale, noise, additive, values[places + 3 :])


def _matern(squared: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """m(r) and its derivative by r^2, -5/6 (1 + sqrt5 r) exp(-sqrt5 r), of squared distances."""
    root = np.sqrt(squared)
    root *= _ROOT5
    slope = np.exp(-root)
    alike = squared * (5.0 / 3.0)
    root += 1.0
    alike += root
    alike *= slope
    root *= -5.0 / 6.0
    slope *= root
    return alike, slope


@dataclass(frozen=True)
class Pairs:
    """Every pair of rows once, the second before the first: what is constant during a fit."""

    count: int  # of rows
    levels: int  # how many rungs there are
    distances: NDArray[np.float64]  # (pairs, places)
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    rung_pairs: NDArray[np.intp]  # rung of the first * levels + rung of the second
    offsets: NDArray[np.float64]  # OFFSET for a pair at one rung
    effects: NDArray[np.float64]  # e(x, y) of each pair
    expected: tuple[Expected, ...]  # of the length of each place


def pairs_of(
    layout: Layout, rows: NDArray[np.float64], rungs: NDArray[np.intp], levels: int
) -> Pairs:
    """All pairs of rows (rows, places); rungs: (rows,), from 0, below `levels`."""
    first, second = np.tril_indices(len(rows), -1)
    effects = layout.effects(rows)
    return Pairs(
        len(rows),
        levels,
        layout.distances(rows, first, second),
        first,
        second,
        rungs[first] * levels + rungs[second],
        OFFSET * (rungs[first] == rungs[second]),
        (effects @ effects.T)[first, second],
        layout.expected,
    )


@dataclass(frozen=True)
class Covariance:
    """The covariance of rows with themselves, noise included, and the parts of its slopes.

    matrix: its lower triangle; above the diagonal it is 0.
    """

    matrix: NDArray[np.float64]
    pairs: Pairs
    at: Hyperparameters
    matern: NDArray[np.float64]  # of each pair
    slope: NDArray[np.float64]  # its derivative by r^2
    between: NDArray[np.float64]  # the rungs' correlation of each pair

    def gradient(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """sum_ij weight_ij dK_ij / d ln(parameter), in the order of `from_logs`.

        weight: symmetric, of which the lower triangle is read.
        """
        at, pairs = self.at, self.pairs
        off = 2.0 * weight[pairs.first, pairs.second]  # each pair counts for both triangles
        diagonal = float(np.trace(weight))
        by_squared = off * self.slope * self.between * at.scale
        lengths = by_squared @ pairs.distances * (-2.0 / np.square(at.lengths))
        effects = off * pairs.effects * (at.scale * at.additive)
        alike = off * self.matern * at.scale + effects
        scale = float(alike @ self.between) + diagonal * at.variance
        additive = float(effects @ self.between) + diagonal * at.scale * at.additive
        others = [scale, diagonal * at.noise, additive]
        return np.concatenate([lengths, others, self._gap_gradient(alike)])

    def _gap_gradient(self, alike: NDArray[np.float64]) -> NDArray[np.float64]:
        """d exp(-|a_s - a_t|) / d ln gap_g = -gap_g exp(-|a_s - a_t|) where g lies between."""
        levels = self.pairs.levels
        if levels == 1:
            return np.zeros(0)
        sums = np.bincount(self.pairs.rung_pairs, alike, levels * levels).reshape(levels, levels)
        between = sums * self.at.rung_correlations
        return np.array(
            [
                -gap * (between[: g + 1, g + 1 :].sum() + between[g + 1 :, : g + 1].sum())
                for g, gap in enumerate(self.at.gaps)
            ]
        )


def covariance(pairs: Pairs, at: Hyperparameters) -> Covariance:
    """The covariance of rows with themselves: see the equation at the top of this module."""
    alike, slope = _matern(pairs.distances @ (1.0 / np.square(at.lengths)))
    between = at.rung_correlations.ravel()[pairs.rung_pairs]
    values = at.scale * ((alike + at.additive * pairs.effects) * between) + pairs.offsets
    matrix = np.zeros((pairs.count, pairs.count))
    matrix[pairs.first, pairs.second] = values
    matrix.flat[:: pairs.count + 1] = at.variance + OFFSET + at.noise
    return Covariance(matrix, pairs, at, alike, slope, between)


@dataclass(frozen=True)
class Scaled:
    """Rows in units of the lengths, expanded so that one matrix product gives all distances.

    effects: another product of these gives e(x, y); no columns where nothing is additive.
    """

    features: NDArray[np.float64]
    norms: NDArray[np.float64]
    rungs: NDArray[np.intp]
    effects: NDArray[np.float64]

    def only(self, first: int, last: int) -> Scaled:
        """The rows from first up to, but without, last."""
        part = slice(first, last)
        return Scaled(self.features[part], self.norms[part], self.rungs[part], self.effects[part])


def scaled(
    layout: Layout, at: Hyperparameters, rows: NDArray[np.float64], rungs: NDArray[np.intp]
) -> Scaled:
    """Rows (rows, places) at rungs (rows,), in units of the length scales."""
    features = layout.expanded(rows) / at.lengths[layout.expansion]
    norms = np.einsum("ij,ij->i", features, features)
    effects = layout.effects(rows) if at.additive else np.zeros((len(rows), 0))
    return Scaled(features, norms, rungs, effects)


def cross(
    at: Hyperparameters, one: Scaled, other: Scaled
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariance of each of `one` with each of `other`, and its derivative by r^2."""
    squared: NDArray[np.float64] = (-2.0 * one.features) @ other.features.T
    squared += one.norms[:, None]
    squared += other.norms
    np.maximum(squared, 0.0, out=squared)
    alike, slope = _matern(squared)
    if at.additive:
        alike += (at.additive * one.effects) @ other.effects.T
    if len(at.gaps) == 0:
        alike *= at.scale
        slope *= at.scale
        alike += OFFSET
    else:
        between = at.scale * at.rung_correlations[one.rungs][:, other.rungs]
        alike *= between
        slope *= between
        alike += OFFSET * (one.rungs[:, None] == other.rungs[None, :])
    return alike, slope


def within(at: Hyperparameters, rows: Scaled) -> NDArray[np.float64]:
    """The covariance of rows with themselves; values above the diagonal are undefined."""
    count = len(rows.norms)
    matrix = np.empty((count, count))
    for first in range(0, count, _BLOCK):
        last = first + _BLOCK
        matrix[first:last, :last], _ = cross(at, rows.only(first, last), rows.only(0, last))
    return matrix
