"""What does the model believe about configurations it hasn't seen?

Rasmussen and Williams 2006, eq. 2.25 and 2.26, with slopes in the configuration's coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotrs, dtrtri

from tuitune.core.search.bayes.kernel import OFFSET, cross, scaled, within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuitune.core.search.bayes.encoding import Layout
    from tuitune.core.search.bayes.kernel import Hyperparameters, Scaled

SMALLEST_VARIANCE = 1e-12
JITTERS = (0.0, 1e-6, 1e-4)
BLOCK = 32_768  # covariances at a time: few enough that the memory stays at hand


class SlopedBelief(NamedTuple):
    """Of rows. The slopes are along numeric places: (rows, places)."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    mean_slopes: NDArray[np.float64]
    deviation_slopes: NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """seen: the rows it was told of. weights: K^-1 z. root: upper, with root root^T = K^-1."""

    layout: Layout
    at: Hyperparameters
    seen: Scaled
    weights: NDArray[np.float64]
    root: NDArray[np.float64]

    def mean(self, rows: NDArray[np.float64], rung: int) -> NDArray[np.float64]:
        covariances, _ = cross(self.at, self._scaled(rows, rung), self.seen)
        return covariances @ self.weights

    def belief(
        self, rows: NDArray[np.float64], rung: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the outcome at a rung, free of noise."""
        mean, explained = np.empty(len(rows)), np.empty(len(rows))
        size = max(1, BLOCK // len(self.weights))
        for first in range(0, len(rows), size):
            block = slice(first, first + size)
            covariances, _ = cross(self.at, self._scaled(rows[block], rung), self.seen)
            rooted = covariances @ self.root
            mean[block] = covariances @ self.weights
            explained[block] = np.einsum("ij,ij->i", rooted, rooted)
        return mean, self._deviation(explained)

    def sloped_belief(
        self, rows: NDArray[np.float64], rung: int, places: NDArray[np.intp]
    ) -> SlopedBelief:
        points = self._scaled(rows, rung)
        covariances, by_squared = cross(self.at, points, self.seen)
        rooted = covariances @ self.root
        solved = rooted @ self.root.T
        deviation = self._deviation(np.einsum("ij,ij->i", rooted, rooted))
        # dk(x, x_i)/dx_p = dk/dr^2 * 2 (x_p - x_ip) / length_p^2
        columns = np.searchsorted(self.layout.expansion, places)
        features = self.seen.features[:, columns]
        inverse_lengths = 2.0 / self.at.lengths[places]
        slopes = []
        for by_outcome in (by_squared * self.weights, by_squared * solved):
            total = by_outcome.sum(axis=1)[:, None] * points.features[:, columns]
            slopes.append((total - by_outcome @ features) * inverse_lengths)
        mean = covariances @ self.weights
        return SlopedBelief(mean, deviation, slopes[0], -slopes[1] / deviation[:, None])

    def _deviation(self, explained: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(self.at.scale + OFFSET - explained, SMALLEST_VARIANCE))

    def _scaled(self, rows: NDArray[np.float64], rung: int) -> Scaled:
        return scaled(self.layout, self.at, rows, np.full(len(rows), rung))


def posterior(
    layout: Layout,
    at: Hyperparameters,
    rows: NDArray[np.float64],
    rungs: NDArray[np.intp],
    outcomes: NDArray[np.float64],
) -> Posterior:
    """What `outcomes` of the first rows say; the further rows are believed to end as expected.

    That leaves every mean as it is and takes the doubt from around them (the "Kriging believer" of
    Ginsbourger et al. 2010). LinAlgError where the covariance can't be factorised.
    """
    seen = scaled(layout, at, rows, rungs)
    count = len(outcomes)
    for jitter in JITTERS:
        covariance = within(at, seen)
        covariance.flat[:: len(rows) + 1] = at.scale + OFFSET + at.noise + jitter
        # A row-wise lower triangle is what LAPACK, which goes by columns, calls an upper one.
        factor, failed = dpotrf(covariance.T, lower=0, clean=1, overwrite_a=1)
        if failed:
            continue
        # The factor of the first rows alone is a corner of the whole one.
        known, _ = dpotrs(factor[:count, :count], outcomes, lower=0)
        if np.isfinite(known).all():
            weights = np.concatenate([known, np.zeros(len(rows) - count)])
            root, _ = dtrtri(factor, lower=0, overwrite_c=1)
            return Posterior(layout, at, seen, weights, root)
    raise LinAlgError("the covariance of what was seen can't be factorised")
