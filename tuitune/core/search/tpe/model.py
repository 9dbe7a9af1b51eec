"""Which untried configuration is likeliest to be a good one? (Falkner et al. 2018, algorithm 2)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuitune.core.search.proposal import Proposal, is_new
from tuitune.core.search.sobol import SobolSearcher, sobol_searcher
from tuitune.core.search.tpe.columns import Columns, columns
from tuitune.core.search.tpe.density import density
from tuitune.core.search.tpe.priors import log_belief
from tuitune.core.search.tpe.split import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.search.history import History
    from tuitune.core.search.proposal import Tried
    from tuitune.core.search.tpe.split import Split
    from tuitune.core.space import SearchSpace
    from tuitune.core.spec import Mode

EXPLORED = 0.1  # rho: the share of configurations that no model chooses
CANDIDATES = 64  # N_s
BELIEF = 10.0  # beta: after so many trials a belief begins to fade, as beta / n


@dataclass(frozen=True, slots=True)
class TpeModel:
    """`tuitune.core.search.history.Model`.

    Where it differs from the paper, since together it did better in the first 50 trials on
    recorded tasks (not each was measured alone): rho is 0.1, not 1/3, as the densities' flat
    kernels explore too; candidates are drawn from the good density as it is, not widened; and what
    `sides` and `density` say of theirs.
    """

    space: SearchSpace
    seed: int
    mode: Mode
    rungs: tuple[int, ...]
    sobol: SobolSearcher
    columns: Columns

    def propose(self, trial: int, history: History, tried: Tried) -> Proposal | None:
        rng = np.random.default_rng([self.seed, trial])
        if rng.random() < EXPLORED:
            return self._explored(trial, tried, "one in ten is left to chance")
        pasts = (*history.foreign, *history.past)
        found = split(pasts, self.rungs, self.mode, len(self.space.searched))
        if found is None or not self.space.searched:
            return self._explored(trial, tried, "too few trials to model yet")
        chosen = self._likeliest(found, tried, rng)
        if chosen is None:
            return self._explored(trial, tried, "all likely ones were tried before")
        config, ratio = chosen
        return Proposal(config, "tpe", _words(found, ratio))

    def _explored(self, trial: int, tried: Tried, why: str) -> Proposal | None:
        found = self.sobol.propose(trial, tried)
        if found is None:
            return None
        return Proposal(found.config, "exploration", f"exploration: {found.why}; {why}")

    def _likeliest(
        self, found: Split, tried: Tried, rng: np.random.Generator
    ) -> tuple[dict[str, Any], float] | None:
        """(configuration, ln of how much denser the good ones are there)."""
        encode, categories = self.columns.encode, self.columns.categories
        good = density(encode(found.good), categories)
        poor = density(encode(found.poor), categories)
        drawn = good.draw(CANDIDATES, rng)
        configs = [self.space.configuration(point) for point in self.columns.points(drawn)]
        at = encode(configs)  # where rounding has put them
        ratios = good.log_at(at) - poor.log_at(at)
        belief = log_belief(self.space.searched, configs) * min(1.0, BELIEF / found.trials)
        for index in np.argsort(-(ratios + belief), kind="stable"):
            if is_new(self.space, configs[index], tried):
                return configs[index], float(ratios[index])
        return None


def tpe_model(space: SearchSpace, seed: int, mode: Mode, rungs: Sequence[int]) -> TpeModel:
    """rungs: the resources that trials are compared at, ascending; empty: at their end alone."""
    sobol = sobol_searcher(space, seed)
    return TpeModel(space, seed, mode, tuple(rungs), sobol, columns(space))


def _words(found: Split, ratio: float) -> str:
    where = "" if found.rung is None else f" at {found.rung}"
    good, poor = len(found.good), len(found.poor)
    return (
        f"tpe: {np.exp(min(ratio, 50.0)):.3g} times denser in good trials than in poor ones; "
        f"{good} good and {poor} poor trials{where}, those that run or failed among the poor"
    )
