"""Covariance of the outcomes of two configurations, each at a rung.

Matern 5/2 with a length for each place (Rasmussen and Williams 2006, eq. 4.17), times an
Ornstein-Uhlenbeck process over the rungs on an axis whose gaps are learned (ibid., eq. B.28), plus
a free offset for each rung:

    k((x, s), (y, t)) = scale * m(r) * exp(-|a_s - a_t|) + OFFSET * [s = t]
    r^2 = sum_j distance_j(x, y) / length_j^2,  m(r) = (1 + sqrt5 r + 5/3 r^2) exp(-sqrt5 r)

A wide gap means that the rung below it ranks configurations poorly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tuitune.core.search.bayes.encoding import Layout

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROOT5 = float(np.sqrt(5.0))
OFFSET = 4.0  # variance of a rung's own level, in units of the warped outcomes' variance
_BLOCK = 64  # rows whose covariances are computed at a time, which fit into the cache


@dataclass(frozen=True)
class Hyperparameters:
    """lengths: one for each place. gaps: one less than there are rungs. All are positive."""

    lengths: NDArray[np.float64]
    scale: float
    noise: float
    gaps: NDArray[np.float64]

    @cached_property
    def rung_correlations(self) -> NDArray[np.float64]:
        """exp(-|a_s - a_t|) for each pair of rungs."""
        axis = np.concatenate([[0.0], np.cumsum(self.gaps)])
        correlations: NDArray[np.float64] = np.exp(-np.abs(axis[:, None] - axis[None, :]))
        return correlations


def from_logs(logs: NDArray[np.float64], places: int) -> Hyperparameters:
    """Hyperparameters from their logarithms.

    logs: (places + 2 + gaps,), ln of the lengths, the scale, the noise and the gaps. places: how
    many lengths there are.
    """
    values = np.exp(logs)
    return Hyperparameters(
        values[:places], float(values[places]), float(values[places + 1]), values[places + 2 :]
    )


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


def pairs_of(
    layout: Layout, rows: NDArray[np.float64], rungs: NDArray[np.intp], levels: int
) -> Pairs:
    """All pairs of rows (rows, places); rungs: (rows,), from 0, below `levels`."""
    first, second = np.tril_indices(len(rows), -1)
    return Pairs(
        len(rows),
        levels,
        layout.distances(rows, first, second),
        first,
        second,
        rungs[first] * levels + rungs[second],
        OFFSET * (rungs[first] == rungs[second]),
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
        alike = off * self.matern * at.scale
        scale = float(alike @ self.between) + diagonal * at.scale
        return np.concatenate([lengths, [scale, diagonal * at.noise], self._gap_gradient(alike)])

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
    values = at.scale * (alike * between) + pairs.offsets
    matrix = np.zeros((pairs.count, pairs.count))
    matrix[pairs.first, pairs.second] = values
    matrix.flat[:: pairs.count + 1] = at.scale + OFFSET + at.noise
    return Covariance(matrix, pairs, at, alike, slope, between)


@dataclass(frozen=True)
class Scaled:
    """Rows in units of the lengths, expanded so that one matrix product gives all distances."""

    features: NDArray[np.float64]
    norms: NDArray[np.float64]
    rungs: NDArray[np.intp]

    def only(self, first: int, last: int) -> Scaled:
        """The rows from first up to, but without, last."""
        return Scaled(self.features[first:last], self.norms[first:last], self.rungs[first:last])


def scaled(
    layout: Layout, at: Hyperparameters, rows: NDArray[np.float64], rungs: NDArray[np.intp]
) -> Scaled:
    """Rows (rows, places) at rungs (rows,), in units of the length scales."""
    features = layout.expanded(rows) / at.lengths[layout.expansion]
    return Scaled(features, np.einsum("ij,ij->i", features, features), rungs)


def cross(
    at: Hyperparameters, one: Scaled, other: Scaled
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariance of each of `one` with each of `other`, and its derivative by r^2."""
    squared: NDArray[np.float64] = (-2.0 * one.features) @ other.features.T
    squared += one.norms[:, None]
    squared += other.norms
    np.maximum(squared, 0.0, out=squared)
    alike, slope = _matern(squared)
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
