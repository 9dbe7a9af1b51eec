"""The Gaussian process: fit of its hyperparameters, and its posterior.

The fit is maximum a posteriori: the log marginal likelihood (Rasmussen and Williams 2006, eq. 5.8
and 5.9) plus a normal prior on the logarithm of each hyperparameter. Lengths are expected to grow
with the root of the number of places (Hvarfner et al. 2024, eq. 6), though shorter than there. The
posterior: Rasmussen and Williams 2006, eq. 2.25 and 2.26, with slopes in the coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtri
from scipy.optimize import minimize

from tuitune.core.search.bayes.encoding import Layout
from tuitune.core.search.bayes.kernel import (
    OFFSET,
    Hyperparameters,
    Pairs,
    Scaled,
    covariance,
    cross,
    from_logs,
    scaled,
    within,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTH_FACTOR = 0.3  # of the median length that Hvarfner et al. expect
_LENGTH_SPREAD = 1.7  # in ln
_SCALE = (0.0, 1.0)  # mean and spread in ln, of outcomes that have unit variance
_NOISE = (-6.0, 1.5)
_GAP = (-1.0, 1.0)
_STEPS = 30
_DOUBT = (0.4, 25)  # spread, in ln, of plausible lengths with so many outcomes
_LOWEST_NOISE = 1e-6


@dataclass(frozen=True)
class Prior:
    """A normal prior on the logarithms of the hyperparameters, with start and bounds of the fit."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    start: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def prior_of(places: int, levels: int) -> Prior:
    """The prior for so many places and levels (Hvarfner et al. 2024, eq. 6)."""
    length = np.sqrt(2.0) + 0.5 * np.log(places) + np.log(_LENGTH_FACTOR)
    gaps = levels - 1
    return Prior(
        np.array([length] * places + [_SCALE[0], _NOISE[0]] + [_GAP[0]] * gaps),
        np.array([_LENGTH_SPREAD] * places + [_SCALE[1], _NOISE[1]] + [_GAP[1]] * gaps),
        np.array([0.5 * np.log(places) - 0.5] * places + [0.0, -4.0] + [_GAP[0]] * gaps),
        np.log([0.02] * places + [0.02, _LOWEST_NOISE] + [1e-3] * gaps),
        np.log([200.0] * places + [50.0, 2.0] + [20.0] * gaps),
    )


def negative_log_posterior(
    logs: NDArray[np.float64], pairs: Pairs, outcomes: NDArray[np.float64], prior: Prior
) -> tuple[float, NDArray[np.float64]]:
    """Up to a constant, with its gradient; LinAlgError without a Cholesky factor."""
    at = covariance(pairs, from_logs(logs, pairs.distances.shape[1]))
    # A row-wise lower triangle is what LAPACK, which goes by columns, calls an upper one.
    factor, failed = dpotrf(at.matrix.T, lower=0, clean=0, overwrite_a=1)
    if failed:
        raise LinAlgError("the covariance has no Cholesky factor")
    log_root = float(np.log(factor.diagonal()).sum())
    weights, _ = dpotrs(factor, outcomes, lower=0)  # K^-1 z
    if not np.isfinite(weights).all():
        raise LinAlgError("the covariance is nearly singular")
    inverse, _ = dpotri(factor, lower=0, overwrite_c=1)
    inverse = inverse.T  # its lower triangle
    off = (logs - prior.mean) / prior.spread
    value = 0.5 * float(outcomes @ weights) + log_root + 0.5 * float(off @ off)
    inverse -= np.outer(weights, weights)
    gradient = 0.5 * at.gradient(inverse)  # eq. 5.9
    return value, gradient + off / prior.spread


def fit(pairs: Pairs, outcomes: NDArray[np.float64]) -> Hyperparameters:
    """The hyperparameters with the greatest posterior density found from one start."""
    places = pairs.distances.shape[1]
    prior = prior_of(places, pairs.levels)

    def objective(logs: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        try:
            return negative_log_posterior(logs, pairs, outcomes, prior)
        except LinAlgError:
            return 1e10, np.zeros_like(logs)

    found = minimize(
        objective,
        prior.start,
        jac=True,
        method="L-BFGS-B",
        bounds=np.column_stack([prior.low, prior.high]),
        options={"maxiter": _STEPS, "gtol": 1e-2, "ftol": 1e-4},
    )
    return from_logs(np.asarray(found.x), places)


def drawn_near(at: Hyperparameters, outcomes: int, random: np.random.Generator) -> Hyperparameters:
    """Lengths drawn near the most likely ones, anew for each trial.

    Over several trials this approximates averaging over hyperparameters (Snoek et al. 2012, section
    3.2), at no cost. The spread shrinks with the root of the number of outcomes.
    """
    spread, of = _DOUBT
    doubt = spread * min(1.0, np.sqrt(of / max(outcomes, 1)))
    shaken = np.exp(doubt * random.normal(size=len(at.lengths)))
    return replace(at, lengths=at.lengths * shaken)


_SMALLEST_VARIANCE = 1e-12
JITTERS = (0.0, 1e-6, 1e-4)
_BLOCK = 32_768  # covariances at a time, which fit into the cache


class SlopedBelief(NamedTuple):
    """Mean and deviation of rows (rows,); the slopes along numeric places: (rows, places)."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    mean_slopes: NDArray[np.float64]
    deviation_slopes: NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """The posterior after n rows with outcomes z.

    seen: the rows. weights: (n,), K^-1 z. root: (n, n), upper triangular, with root root^T = K^-1.
    """

    layout: Layout
    at: Hyperparameters
    seen: Scaled
    weights: NDArray[np.float64]
    root: NDArray[np.float64]

    def mean(self, rows: NDArray[np.float64], rung: int) -> NDArray[np.float64]:
        """(rows,): the expected outcomes of rows (rows, places) at a rung."""
        covariances, _ = cross(self.at, self._scaled(rows, rung), self.seen)
        return covariances @ self.weights

    def belief(
        self, rows: NDArray[np.float64], rung: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the outcome at a rung, free of noise."""
        mean, explained = np.empty(len(rows)), np.empty(len(rows))
        size = max(1, _BLOCK // len(self.weights))
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
        """Mean and deviation of rows (rows, places) at a rung, with slopes along `places`."""
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
        return np.sqrt(np.maximum(self.at.scale + OFFSET - explained, _SMALLEST_VARIANCE))

    def _scaled(self, rows: NDArray[np.float64], rung: int) -> Scaled:
        return scaled(self.layout, self.at, rows, np.full(len(rows), rung))


def posterior(
    layout: Layout,
    at: Hyperparameters,
    rows: NDArray[np.float64],
    rungs: NDArray[np.intp],
    outcomes: NDArray[np.float64],
) -> Posterior:
    """The posterior of `outcomes` of the first rows; further rows are assumed to end as expected.

    That keeps all means and removes the uncertainty around those rows (the "Kriging believer" of
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
