"""When does a trial not follow the model, and what does it try instead?

Before there is enough to model, the best of earlier studies and Sobol's points; later a small share
of trials explores whatever the model thinks; where the model fails, Sobol's points again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuitune.core.search.proposal import Proposal, identity
from tuitune.core.search.random_search import draw_untried

if TYPE_CHECKING:
    from tuitune.core.search.bayes.observations import Observations
    from tuitune.core.search.history import History
    from tuitune.core.search.proposal import Tried
    from tuitune.core.search.sobol import SobolSearcher
    from tuitune.core.space import SearchSpace

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
