"""Which hyperparameters make the outcomes seen so far most plausible, beliefs about them included?

Maximum a posteriori: the log marginal likelihood (Rasmussen and Williams 2006, eq. 5.8 and 5.9)
plus a normal prior on the logarithm of each hyperparameter. Lengths are expected to grow with the
root of the number of places (Hvarfner et al. 2024, eq. 6), though shorter than there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError
from scipy.linalg.lapack import dpotrf, dpotri, dpotrs
from scipy.optimize import minimize

from tuitune.core.search.bayes.kernel import covariance, from_logs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuitune.core.search.bayes.kernel import Hyperparameters, Pairs

LENGTH_FACTOR = 0.3  # of the median length that Hvarfner et al. expect
LENGTH_SPREAD = 1.7  # in ln
SCALE = (0.0, 1.0)  # mean and spread in ln, of outcomes that have unit variance
NOISE = (-6.0, 1.5)
GAP = (-1.0, 1.0)
STEPS = 30
DOUBT = (0.4, 25)  # spread, in ln, of the lengths that so many outcomes leave plausible
LOWEST_NOISE = 1e-6


@dataclass(frozen=True)
class Prior:
    """Normal, of the logarithms."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    start: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def prior_of(places: int, levels: int) -> Prior:
    length = np.sqrt(2.0) + 0.5 * np.log(places) + np.log(LENGTH_FACTOR)
    gaps = levels - 1
    return Prior(
        np.array([length] * places + [SCALE[0], NOISE[0]] + [GAP[0]] * gaps),
        np.array([LENGTH_SPREAD] * places + [SCALE[1], NOISE[1]] + [GAP[1]] * gaps),
        np.array([0.5 * np.log(places) - 0.5] * places + [0.0, -4.0] + [GAP[0]] * gaps),
        np.log([0.02] * places + [0.02, LOWEST_NOISE] + [1e-3] * gaps),
        np.log([200.0] * places + [50.0, 2.0] + [20.0] * gaps),
    )


def negative_log_posterior(
    logs: NDArray[np.float64], pairs: Pairs, outcomes: NDArray[np.float64], prior: Prior
) -> tuple[float, NDArray[np.float64]]:
    """Up to a constant, and its gradient; LinAlgError where there is no Cholesky factor."""
    at = covariance(pairs, from_logs(logs, pairs.distances.shape[1]))
    # A row-wise lower triangle is what LAPACK, which goes by columns, calls an upper one.
    factor, failed = dpotrf(at.matrix.T, lower=0, clean=0, overwrite_a=1)
    if failed:
        raise LinAlgError("the covariance has no Cholesky factor")
    log_root = float(np.log(factor.diagonal()).sum())
    weights, _ = dpotrs(factor, outcomes, lower=0)  # K^-1 z
    if not np.isfinite(weights).all():
        raise LinAlgError("the covariance is as good as singular")
    inverse, _ = dpotri(factor, lower=0, overwrite_c=1)
    inverse = inverse.T  # its lower triangle
    off = (logs - prior.mean) / prior.spread
    value = 0.5 * float(outcomes @ weights) + log_root + 0.5 * float(off @ off)
    inverse -= np.outer(weights, weights)
    gradient = 0.5 * at.gradient(inverse)  # eq. 5.9
    return value, gradient + off / prior.spread


def fit(pairs: Pairs, outcomes: NDArray[np.float64]) -> Hyperparameters:
    """The hyperparameters of greatest posterior density, found from one start."""
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
        options={"maxiter": STEPS, "gtol": 1e-2, "ftol": 1e-4},
    )
    return from_logs(np.asarray(found.x), places)


def drawn_near(at: Hyperparameters, outcomes: int, random: np.random.Generator) -> Hyperparameters:
    """Lengths drawn near the likeliest ones: one trial each for what else may be true.

    Over several trials this stands in for averaging over hyperparameters (Snoek et al. 2012,
    section 3.2), at no cost. The doubt shrinks with the root of the number of outcomes.
    """
    spread, of = DOUBT
    doubt = spread * min(1.0, np.sqrt(of / max(outcomes, 1)))
    shaken = np.exp(doubt * random.normal(size=len(at.lengths)))
    return replace(at, lengths=at.lengths * shaken)
