"""The Gaussian process: fit of its hyperparameters, and its posterior.

The fit is maximum a posteriori: the log marginal likelihood (Rasmussen and Williams 2006, eq. 5.8
and 5.9) plus a normal prior on the logarithm of each hyperparameter. Lengths are expected to grow
with the root of the number of places (Hvarfner et al. 2024, eq. 6), though shorter than there, and
by the kind of the parameter. The posterior: Rasmussen and Williams 2006, eq. 2.25 and 2.26, with
slopes in the coordinates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs, dtrtri
from scipy.optimize import minimize

from tuitune.core.search.bayes import kernel
from tuitune.core.search.bayes.layout import UNKNOWN, Expected, Layout

_SCALE = (0.0, 1.0)  # mean and spread in ln, of outcomes that have unit variance
_NOISE = (-6.0, 1.5)
_FEW = 20  # outcomes, without rungs and earlier studies, of which single places are learned first
_ADDITIVE, _NONE = (-1.0, 1.5), (-12.0, 0.1)  # with few outcomes; with more
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


def prior_of(expected: Sequence[Expected], levels: int, outcomes: int) -> Prior:
    """The prior for so many levels and outcomes; expected: of the length of each place.

    What few outcomes tell soonest is what single places do, and which kinds of parameters matter.
    With more, both cost accuracy where the best lies, and proposals on ends of ranges.
    """
    places, gaps = len(expected), levels - 1
    root = 0.5 * np.log(places)
    few = _are_few(outcomes, levels)
    lengths = expected if few else [UNKNOWN] * places
    additive = _ADDITIVE if few else _NONE
    others = [_SCALE, _NOISE, additive] + [_GAP] * gaps
    return Prior(
        np.array([length.mean + root for length in lengths] + [mean for mean, _ in others]),
        np.array([length.spread for length in lengths] + [spread for _, spread in others]),
        np.array([root - 0.5] * places + [0.0, -4.0, additive[0]] + [_GAP[0]] * gaps),
        np.log([0.02] * places + [0.02, _LOWEST_NOISE, 1e-6] + [1e-3] * gaps),
        np.log([200.0] * places + [50.0, 2.0, 50.0] + [20.0] * gaps),
    )


def _are_few(outcomes: int, levels: int) -> bool:
    return outcomes <= _FEW and levels == 1


def negative_log_posterior(
    logs: NDArray[np.float64], pairs: kernel.Pairs, outcomes: NDArray[np.float64], prior: Prior
) -> tuple[float, NDArray[np.float64]]:
    """Up to a constant, with its gradient; LinAlgError without a Cholesky factor."""
    at = kernel.covariance(pairs, kernel.from_logs(logs, pairs.distances.shape[1]))
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


def fit(pairs: kernel.Pairs, outcomes: NDArray[np.float64]) -> kernel.Hyperparameters:
    """The hyperparameters with the greatest posterior density found from one start."""
    places = pairs.distances.shape[1]
    prior = prior_of(pairs.expected, pairs.levels, len(outcomes))

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
    at = kernel.from_logs(np.asarray(found.x), places)
    return at if _are_few(len(outcomes), pairs.levels) else replace(at, additive=0.0)


def drawn_near(
    at: kernel.Hyperparameters, outcomes: int, random: np.random.Generator
) -> kernel.Hyperparameters:
    """Lengths drawn near the most likely ones, again for each trial.

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
    at: kernel.Hyperparameters
    seen: kernel.Scaled
    weights: NDArray[np.float64]
    root: NDArray[np.float64]

    def mean(self, rows: NDArray[np.float64], rung: int) -> NDArray[np.float64]:
        """(rows,): the expected outcomes of rows (rows, places) at a rung."""
        covariances, _ = kernel.cross(self.at, self._scaled(rows, rung), self.seen)
        return covariances @ self.weights

    def belief(
        self, rows: NDArray[np.float64], rung: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the outcome at a rung, free of noise."""
        mean, explained = np.empty(len(rows)), np.empty(len(rows))
        size = max(1, _BLOCK // len(self.weights))
        for first in range(0, len(rows), size):
            block = slice(first, first + size)
            covariances, _ = kernel.cross(self.at, self._scaled(rows[block], rung), self.seen)
            rooted = covariances @ self.root
            mean[block] = covariances @ self.weights
            explained[block] = np.einsum("ij,ij->i", rooted, rooted)
        return mean, self._deviation(explained)

    def sloped_belief(
        self, rows: NDArray[np.float64], rung: int, places: NDArray[np.intp]
    ) -> SlopedBelief:
        """Mean and deviation of rows (rows, places) at a rung, with slopes along `places`."""
        points, at = self._scaled(rows, rung), self.at
        covariances, by_squared = kernel.cross(self.at, points, self.seen)
        rooted = covariances @ self.root
        solved = rooted @ self.root.T
        deviation = self._deviation(np.einsum("ij,ij->i", rooted, rooted))
        # dk(x, x_i)/dx_p = dk/dr^2 * 2 (x_p - x_ip) / length_p^2
        columns = np.searchsorted(self.layout.expansion, places)
        features = self.seen.features[:, columns]
        inverse_lengths = 2.0 / at.lengths[places]
        effect = at.scale * at.additive * at.rung_correlations[rung, self.seen.rungs]
        slopes = []
        for weights in (self.weights, solved):
            by_outcome = by_squared * weights
            total = by_outcome.sum(axis=1)[:, None] * points.features[:, columns]
            slope = (total - by_outcome @ features) * inverse_lengths
            if at.additive:
                slope += self._effect_slopes(weights * effect, points, places)
            slopes.append(slope)
        mean = covariances @ self.weights
        return SlopedBelief(mean, deviation, slopes[0], -slopes[1] / deviation[:, None])

    def _effect_slopes(
        self, weights: NDArray[np.float64], points: kernel.Scaled, places: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        return self.layout.effect_slopes(weights, points.effects, self.seen.effects, places)

    def correlations(
        self, rows: NDArray[np.float64], others: NDArray[np.float64], rung: int
    ) -> NDArray[np.float64]:
        """(rows, others): the prior correlation of their outcomes at a rung, offsets aside."""
        one, other = self._scaled(rows, rung), self._scaled(others, rung)
        covariances, _ = kernel.cross(self.at, one, other)
        return (covariances - kernel.OFFSET) / self.at.variance

    def _deviation(self, explained: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sqrt(np.maximum(self.at.variance + kernel.OFFSET - explained, _SMALLEST_VARIANCE))

    def _scaled(self, rows: NDArray[np.float64], rung: int) -> kernel.Scaled:
        return kernel.scaled(self.layout, self.at, rows, np.full(len(rows), rung))


def posterior(
    layout: Layout,
    at: kernel.Hyperparameters,
    rows: NDArray[np.float64],
    rungs: NDArray[np.intp],
    outcomes: NDArray[np.float64],
) -> Posterior:
    """The posterior of `outcomes` of the first rows; further rows are assumed to end as expected.

    That keeps all means and removes the uncertainty around those rows (the "Kriging believer" of
    Ginsbourger et al. 2010). LinAlgError where the covariance can't be factorised.
    """
    seen = kernel.scaled(layout, at, rows, rungs)
    count = len(outcomes)
    for jitter in JITTERS:
        covariance = kernel.within(at, seen)
        covariance.flat[:: len(rows) + 1] = at.variance + kernel.OFFSET + at.noise + jitter
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
