"""Trials that do not follow the model, and the reasons of those that do.

First Sobol's points; later a small share of trials explores without the model; where the model
fails, Sobol's points again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuitune.core import options, reasons
from tuitune.core.search.bayes import acquisition, kernel
from tuitune.core.search.bayes.observations import Observations, Warped
from tuitune.core.search.proposal import History, Proposal, Tried, unmodelled
from tuitune.core.search.random_search import draw_untried
from tuitune.core.search.sobol import SobolSearcher
from tuitune.core.space import SearchSpace

_NAMED = 4  # parameters that a reason names
_LEAST = 2  # finite outcomes, before the model is better than random
_SPREAD = 10  # first trials without the model where bad ones are stopped early, and so cheap
_SHARE = 0.05  # of later trials that explore
_CHEAP_SHARE = 0.15  # the same where bad ones are stopped early
_LATE = 40  # the trial from which more explore there: a model that is stuck on a plateau gets off
_LATE_SHARE = 0.3
_PLATEAU = 0.05  # the best's lead over the middle, of its lead over the poorest tenth
_CLOSE = 0.1  # and of the middle value itself
_PLATEAU_SHARE = 0.75  # of trials that explore there
_JUDGED = 8  # outcomes at the first rung, before a plateau is seen


@dataclass(frozen=True)
class ExplorationPolicy:
    """When a trial does not follow the model, and what it tries instead."""

    space: SearchSpace
    sobol: SobolSearcher
    cheap: bool  # bad trials are stopped at a rung

    def too_early(
        self, history: History, observations: Observations, *, informed: bool = False
    ) -> reasons.Cause | None:
        """Why the model does not choose yet; None where it does; informed: by earlier studies."""
        if self.cheap and len(history.past) < _SPREAD and not informed:
            return "cheap"
        if len(np.unique(observations.trials[observations.finite])) < _LEAST:
            return "few"
        return None

    def starting(self, trial: int, tried: Tried, cause: reasons.Cause) -> Proposal | None:
        """A point of Sobol's sequence, as there are too few outcomes for the model."""
        return self._sobol(trial, tried, "sobol start", cause)

    def explores(self, random: np.random.Generator, trial: int, observations: Observations) -> bool:
        """Whether this trial explores."""
        share = _SHARE
        if self.cheap:
            late = _LATE_SHARE if trial >= _LATE else _CHEAP_SHARE
            share = _PLATEAU_SHARE if _on_plateau(observations) else late
        return bool(random.random() < share)

    def exploring(self, trial: int, tried: Tried) -> Proposal | None:
        """A point of Sobol's sequence, whatever the model expects."""
        return self._sobol(trial, tried, "exploration", "explore")

    def fallback(self, trial: int, tried: Tried, problem: str) -> Proposal | None:
        """A point of Sobol's sequence, as the model has failed; problem: its error."""
        found = self.sobol.propose(trial, tried)
        if found is None:
            return None
        return Proposal(found.config, "fallback", reasons.ModelFailed(problem, found.why))

    def rest(self, trial: int, tried: Tried) -> Proposal | None:
        """A random untried configuration, as all of the model's candidates were tried."""
        config = draw_untried(self.space, self.sobol.seed, trial, tried)
        if config is None:
            return None
        return Proposal(config, "bayes", reasons.Remaining())

    def _sobol(
        self, trial: int, tried: Tried, origin: str, cause: reasons.Cause
    ) -> Proposal | None:
        return unmodelled(self.sobol.propose(trial, tried), cause, origin)


def _on_plateau(observations: Observations) -> bool:
    """Whether the best of the study's trials is hardly better than the middle of the first rung.

    Where most configurations never learn, differences between those that don't are tiny, and a
    model that follows them stays there. Outcomes that spread over orders of magnitude are none.
    """
    own = observations.only(observations.finite & (observations.trials >= 0))
    if not len(own.levels):
        return False
    first = own.outcomes[own.levels == np.min(own.levels)]
    if len(first) < _JUDGED:
        return False
    middle, poor = np.quantile(first, [0.5, 0.9])
    lead = middle - np.min(own.outcomes)
    return bool(lead < _PLATEAU * (lead + poor - middle) and lead < _CLOSE * abs(middle))


def modelled(  # noqa: PLR0913, PLR0917 - a reason has this many figures
    outcomes: int,
    warp: Warped,
    belief: tuple[float, float],
    best: float,
    mode: options.Mode,
    shares: tuple[tuple[str, float], ...],
    correlation: tuple[int, int, float] | None,
) -> reasons.Modelled:
    """Why the model proposes a configuration.

    outcomes: finite ones that it has seen. belief: mean and deviation of the configuration's
    outcome; best: the mean that it is to improve on, all on the warped scale.
    """
    if not len(warp.values):  # all outcomes are on the scale of earlier studies
        return reasons.Modelled(outcomes, None, None, shares, correlation)
    mean, deviation = belief
    sign = 1.0 if mode == "min" else -1.0
    middle, *ends = (sign * warp.outcome(mean + step * deviation) for step in (0.0, -1.0, 1.0))
    improvement = deviation * float(
        np.exp(acquisition.log_h(np.array([(best - mean) / deviation]))[0][0])
    )
    now, then = warp.outcome(best), warp.outcome(best - improvement)
    expected = (middle, min(ends), max(ends))
    return reasons.Modelled(outcomes, expected, (abs(now - then), sign * now), shares, correlation)


def shares_of(names: Sequence[str], lengths: NDArray[np.float64]) -> tuple[tuple[str, float], ...]:
    """The largest shares of 1 / length: a parameter with a short length changes outcomes much.

    lengths: (places,), those of the parameters in the order of their names.
    """
    weights = 1.0 / lengths
    shares = weights / weights.sum()
    order = np.argsort(-shares, kind="stable")[:_NAMED]
    return tuple((names[i], float(shares[i])) for i in order)


def correlation_of(
    at: kernel.Hyperparameters, rungs: Sequence[int], target: int, below: int
) -> tuple[int, int, float] | None:
    """(lowest rung, target rung, correlation of their values); None where they are the same.

    target: the target level. below: the number of levels below the study's own rungs.
    """
    if target <= below:
        return None
    return rungs[0], rungs[target - below], float(at.rung_correlations[below, target])
