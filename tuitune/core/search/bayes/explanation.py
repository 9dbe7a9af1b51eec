"""How is a proposal of the model explained to its user?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tuitune.core.search.bayes.acquisition import log_h

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tuitune.core.search.bayes.kernel import Hyperparameters
    from tuitune.core.search.bayes.warp import Warped
    from tuitune.core.spec import Mode

NAMED = 4  # parameters that an importance reading names
POOR = 0.7  # a rung whose correlation with the one aimed at is below this ranks poorly


def belief_words(warp: Warped, mean: float, deviation: float, mode: Mode) -> str:
    """The outcome expected and one standard deviation to both sides, in the metric's own units."""
    sign = 1.0 if mode == "min" else -1.0
    middle, low, high = (sign * warp.outcome(mean + step * deviation) for step in (0.0, -1.0, 1.0))
    return f"expects {middle:.4g} ({min(low, high):.4g} to {max(low, high):.4g})"


def improvement_words(warp: Warped, best: float, mean: float, deviation: float, mode: Mode) -> str:
    """What is expected to be gained on the best, in the metric's own units."""
    sign = 1.0 if mode == "min" else -1.0
    z = np.array([(best - mean) / deviation])
    improvement = deviation * float(np.exp(log_h(z)[0][0]))
    now, then = warp.outcome(best), warp.outcome(best - improvement)
    return f"expected improvement {abs(now - then):.2g} on {sign * now:.4g}"


def importance_words(names: Sequence[str], lengths: NDArray[np.float64]) -> str:
    """The shares of 1 / length: a parameter with a short length changes outcomes much."""
    weights = 1.0 / lengths
    shares = weights / weights.sum()
    order = np.argsort(-shares, kind="stable")[:NAMED]
    return "matters by length scale: " + ", ".join(f"{names[i]} {shares[i]:.0%}" for i in order)


def rung_words(at: Hyperparameters, rungs: Sequence[int], target: int, below: int) -> str:
    """How well shorter runs rank; empty where there is nothing to tell.

    below: how many levels lie below the study's own rungs.
    """
    if target <= below:
        return ""
    correlation = float(at.rung_correlations[below, target])
    words = f"values at {rungs[0]} and at {rungs[target - below]} correlate {correlation:.2f}"
    return words + (", so short runs count for little" if correlation < POOR else "")
