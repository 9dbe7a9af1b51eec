"""When does a trial not follow the model, and what does it try instead?

Before there is enough to model, the best of earlier studies and Sobol's points; later a small share
of trials explores whatever the model thinks; where the model fails, Sobol's points again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuitune.core.search.bayes.acquisition import log_h
from tuitune.core.search.proposal import Proposal, identity
from tuitune.core.search.random_search import draw_untried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tuitune.core.search.bayes.kernel import Hyperparameters
    from tuitune.core.search.bayes.observations import Observations, Warped
    from tuitune.core.search.proposal import History, Tried
    from tuitune.core.search.sobol import SobolSearcher
    from tuitune.core.space import SearchSpace
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


LEAST = 2  # finite outcomes before a model says more than chance would
SPREAD = 10  # trials before it is asked where bad ones are stopped early: chance is cheap there
PROVEN = 3  # of earlier studies, so many of the best are tried first
EARLY = 9  # as long as fewer configurations were tried
SHARE = 0.05  # of later trials that explore
CHEAP_SHARE = 0.15  # the same where bad ones are stopped early


@dataclass(frozen=True)
class ExplorationPolicy:
    space: SearchSpace
    sobol: SobolSearcher
    cheap: bool  # bad trials are stopped at a rung

    def proven(self, history: History, observations: Observations, tried: Tried) -> Proposal | None:
        """The next of the best of earlier studies; None where there is none, or they had turns."""
        if not history.foreign or len(tried) >= EARLY:
            return None
        foreign = observations.only((observations.trials < 0) & observations.finite)
        drawn = {parameter.name for parameter in self.space.sampled}
        for place in np.argsort(foreign.outcomes, kind="stable")[:PROVEN]:
            past = history.foreign[int(foreign.trials[place])]  # negative: counted from the end
            config = {name: value for name, value in past.config.items() if name not in drawn}
            if identity(self.space, config) not in tried:
                words = f"among the best of earlier studies, {past.curve[-1][1]:.4g} there"
                return Proposal(config, "bayes", words)
        return None

    def too_early(self, history: History, observations: Observations) -> str:
        """Why the model has not the word yet; empty where it has."""
        if self.cheap and len(history.past) < SPREAD and not history.foreign:
            return "short runs are a cheap way to explore"
        if len(np.unique(observations.trials[observations.finite])) < LEAST:
            return "too few outcomes to model"
        return ""

    def starting(self, trial: int, tried: Tried, why: str) -> Proposal | None:
        return self._sobol(trial, tried, "sobol start", why)

    def explores(self, random: np.random.Generator) -> bool:
        return bool(random.random() < (CHEAP_SHARE if self.cheap else SHARE))

    def exploring(self, trial: int, tried: Tried) -> Proposal | None:
        return self._sobol(trial, tried, "exploration", "explores, whatever the model thinks")

    def fallback(self, trial: int, tried: Tried, problem: str) -> Proposal | None:
        return self._sobol(trial, tried, "fallback", f"no model, as {problem}")

    def rest(self, trial: int, tried: Tried) -> Proposal | None:
        """Chance among what is left, where all that the model looked at was tried."""
        config = draw_untried(self.space, self.sobol.seed, trial, tried)
        if config is None:
            return None
        return Proposal(config, "bayes", "drawn from what is left: all the model likes was tried")

    def _sobol(self, trial: int, tried: Tried, origin: str, words: str) -> Proposal | None:
        found = self.sobol.propose(trial, tried)
        return None if found is None else Proposal(found.config, origin, f"{words}: {found.why}")
