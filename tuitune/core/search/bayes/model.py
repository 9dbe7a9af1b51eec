"""The model of `method = "bayes"`: its proposals by a Gaussian process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace
from scipy.linalg import LinAlgError

from tuitune.core.options import Mode
from tuitune.core.reasons import Modelled
from tuitune.core.search.bayes.acquisition import Beliefs, Improvement, beliefs_of
from tuitune.core.search.bayes.encoding import Encoding, encoding_of
from tuitune.core.search.bayes.exploration import (
    ExplorationPolicy,
    correlation_of,
    modelled,
    shares_of,
)
from tuitune.core.search.bayes.gaussian_process import drawn_near, fit, posterior
from tuitune.core.search.bayes.kernel import Hyperparameters, pairs_of
from tuitune.core.search.bayes.observations import (
    FITTED,
    MODELLED,
    Fidelities,
    Scale,
    Table,
    Tables,
    Warped,
    settled,
    thinned,
)
from tuitune.core.search.bayes.optimize_acquisition import (
    ascend,
    everywhere,
    inside,
    nearby,
    points_of,
)
from tuitune.core.search.earlier import Transfer
from tuitune.core.search.proposal import History, Proposal, Tried, is_new
from tuitune.core.search.sobol import sobol_searcher
from tuitune.core.search.start import start_then_model
from tuitune.core.search.trust import Results, faith, results
from tuitune.core.space import SearchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

_UNIFORM, LOCAL, _CENTRES = 512, 200, 5  # candidates: uniform, and near so many of the best
_CHEAP = 120  # outcomes; with more, there are fewer candidates, down to two fifths
_FITS_KEPT = 8
_ENDS_FREE = 18  # trials, before proposals leave the ends of ranges


@dataclass
class BayesModel:
    """`proposal.Model`. Its caches only save time: proposals are the same without them."""

    encoding: Encoding
    beliefs: Beliefs
    exploration: ExplorationPolicy
    seed: int
    mode: Mode
    rungs: tuple[int, ...]
    tables: Tables
    earlier: Transfer
    _fits: dict[bytes, Hyperparameters] = field(default_factory=dict)

    def propose(self, trial: int, history: History, tried: Tried) -> Proposal | None:
        """As `Model.propose`; Sobol's points where the covariance can't be factorised."""
        own = results(history.past, self.rungs, self.mode)
        first = self.earlier.first(history, own, tried)
        if first is not None:
            return first
        known = self.earlier.scores(history.foreign, own)
        fidelities = Fidelities(self.rungs, bool(known.of))
        observations = fidelities.observations(history, self.mode, known.of)
        early = self.exploration.too_early(history, observations, informed=bool(known.of))
        if early is not None:
            return self.exploration.starting(trial, tried, early)
        random = np.random.default_rng([abs(self.seed), int(self.seed < 0), trial])
        if self.exploration.explores(random, trial):
            return self.exploration.exploring(trial, tried)
        table = self.tables.table(history, fidelities, observations)
        try:
            found = self._modelled(trial, table, own, tried, random)
            if found is not None and isinstance(found.why, Modelled):
                return replace(found, why=replace(found.why, earlier=known.weights))
        except LinAlgError as error:
            return self.exploration.fallback(trial, tried, str(error))
        return found or self.exploration.rest(trial, tried)

    def _modelled(
        self, trial: int, table: Table, own: Results, tried: Tried, random: np.random.Generator
    ) -> Proposal | None:
        """The best untried candidate; None where all were tried."""
        # The scales have different errors, so they alternate: "log" tells the best apart, but on
        # a plateau stretches differences that mean nothing.
        scale: Scale = "log" if trial % 2 else "half-rank"
        at = self._fitted(table, scale)
        values, warp = table.observations.warped(scale)
        kept = thinned(values, MODELLED)
        rows = np.concatenate([table.rows[kept], table.waiting])
        waiting = np.full(len(table.waiting), table.target)
        levels = np.concatenate([table.observations.levels[kept], waiting])
        near = drawn_near(at, table.finite, random)
        believed = posterior(table.layout, near, rows, levels, values[kept])
        contenders = table.contenders(kept)
        means = believed.mean(contenders, table.target)
        promise = Improvement(
            table, believed, self.beliefs, float(means.min()), self._faith(table, own)
        )
        centres = contenders[np.argsort(means, kind="stable")[:_CENTRES]]
        points = self._candidates(centres, len(kept), random)
        if not len(points):  # nothing that keeps the constraints was found
            return None
        found = ascend(self.encoding, promise, points, random).points
        if trial >= _ENDS_FREE:
            found = np.vstack([inside(self.encoding, promise, found[0], random), found])
        copies = self.encoding.copies(found, table.running[:, : found.shape[1]])
        for point in np.concatenate([found[~copies], found[copies]]):
            config = self.encoding.space.configuration(point.tolist())
            if is_new(self.encoding.space, config, tried):
                return Proposal(config, "bayes", self._why(promise, at, point, warp))
        return None

    def _faith(self, table: Table, own: Results) -> float:
        if not self.beliefs:
            return 0.0
        rows = self.encoding.rows([past.config for past in own.trials])
        believed = self.beliefs.log_prior(rows)
        return faith(-believed, own, table.own)

    def _fitted(self, table: Table, scale: Scale) -> Hyperparameters:
        """Hyperparameters fitted to the first trials, and kept for a while."""
        observations = table.observations
        trials = np.unique(observations.trials[observations.trials >= 0])
        first = settled(len(trials), len(table.waiting))
        last = trials[first - 1] if first else -1
        chosen = np.flatnonzero(observations.trials <= last)
        values, _ = observations.only(chosen).warped(scale)
        kept = thinned(values, FITTED)
        rows, levels, values = (
            table.rows[chosen[kept]],
            observations.levels[chosen[kept]],
            values[kept],
        )
        known = b"".join([rows.tobytes(), levels.tobytes(), values.tobytes()])
        if known not in self._fits:
            if len(self._fits) >= _FITS_KEPT:
                del self._fits[next(iter(self._fits))]
            pairs = pairs_of(table.layout, rows, levels, table.fidelities.levels)
            self._fits[known] = fit(pairs, values)
        return self._fits[known]

    def _candidates(
        self, centres: NDArray[np.float64], outcomes: int, random: np.random.Generator
    ) -> NDArray[np.float64]:
        share = min(1.0, max(0.4, _CHEAP / outcomes))
        searched = centres[:, : len(self.encoding.columns)]
        around = points_of(self.encoding, searched, random)
        parts = [
            everywhere(self.encoding, random, int(share * _UNIFORM)),
            nearby(self.encoding, random, around, int(share * LOCAL)),
        ]
        if self.beliefs:
            parts.append(self.beliefs.drawn(self.encoding, parts[0][: _UNIFORM // 4], random))
        if not self.encoding.space.groups:
            return np.concatenate(parts)
        chosen = np.concatenate(parts[1:])
        return np.concatenate(
            [self.encoding.kept(parts[0], random), chosen[self.encoding.keeps(chosen)]]
        )

    def _why(
        self, promise: Improvement, at: Hyperparameters, point: NDArray[np.float64], warp: Warped
    ) -> Modelled:
        space, table = self.encoding.space, promise.table
        row = self.encoding.snapped(point[None, :])
        mean, deviation = (float(value[0]) for value in promise.belief(row))
        names = [parameter.name for parameter in (*space.searched, *space.sampled)]
        return modelled(
            table.finite,
            warp,
            (mean, deviation),
            promise.best,
            self.mode,
            shares_of(names, at.lengths),
            correlation_of(at, self.rungs, table.target, int(table.fidelities.foreign)),
        )


def bayes_model(
    space: SearchSpace,
    seed: int,
    mode: Mode,
    rungs: Sequence[int] = (),
) -> BayesModel:
    """The model of a study. rungs: their resources, rising, the maximum last; or empty."""
    encoding = encoding_of(space)
    return BayesModel(
        encoding,
        beliefs_of(encoding),
        ExplorationPolicy(space, sobol_searcher(space, seed), cheap=len(rungs) > 1),
        seed,
        mode,
        tuple(rungs),
        Tables(encoding),
        Transfer(space, mode, "bayes", start_then_model(space, seed, informed=True)),
    )
