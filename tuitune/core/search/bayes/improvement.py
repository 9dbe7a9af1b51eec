"""What does a configuration promise, by the model's belief and by the user's?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuitune.core.search.bayes.acquisition import (
    log_expected_improvement,
    sloped_log_expected_improvement,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tuitune.core.search.bayes.posterior import Posterior
    from tuitune.core.search.bayes.priors import Beliefs
    from tuitune.core.search.bayes.table import Table


@dataclass(frozen=True)
class Improvement:
    """Log expected improvement on `best` of the searched part of rows, the user's beliefs added."""

    table: Table
    posterior: Posterior
    beliefs: Beliefs
    best: float

    def value(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        found = log_expected_improvement(*self.belief(rows), self.best)
        if self.beliefs:
            found += self.beliefs.log_prior(rows, self.table.finite)
        return found

    def sloped(
        self, rows: NDArray[np.float64], places: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        belief = self.posterior.sloped_belief(self.table.whole(rows), self.table.target, places)
        value, slopes = sloped_log_expected_improvement(belief, self.best)
        if self.beliefs:
            value += self.beliefs.log_prior(rows, self.table.finite)
            slopes += self.beliefs.slopes(rows, places, self.table.finite)
        return value, slopes

    def belief(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and deviation of the outcome at the level aimed at."""
        return self.posterior.belief(self.table.whole(rows), self.table.target)

    def lengths(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        return self.posterior.at.lengths[places]
