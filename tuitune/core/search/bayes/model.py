"""The model of `method = "bayes"`: its proposals by a Gaussian process."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.linalg import LinAlgError

from tuitune.core import options, reasons
from tuitune.core.search import sobol, start, trust
from tuitune.core.search.bayes import (
    acquisition,
    exploration,
    gaussian_process,
    observations,
    optimize_acquisition,
)
from tuitune.core.search.bayes.encoding import Encoding, RowCache, encoding_of
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
from tuitune.core.search.costs import CostModel, Costs
from tuitune.core.search.earlier import Transfer
from tuitune.core.search.proposal import History, Proposal, Tried, is_new
from tuitune.core.space import SearchSpace

_UNIFORM, LOCAL, _CENTRES = 512, 200, 5  # candidates: uniform, and near so many of the best
_CHEAP = 100  # outcomes; with more, there are fewer candidates, down to two fifths
_FITS_KEPT = 8
_ENDS_FREE = 18  # trials, before proposals leave the ends of ranges
_TWO = 2  # outcomes that can be the same
_ALIKE = 0.02  # of the correlation, by which two configurations are nearly the same
_FARTHEST = 0.4  # the same, however often an outcome was seen


class _Known(NamedTuple):
    """What is known of the study's own trials."""

    table: Table
    own: trust.Results
    costs: Costs | None


@dataclass
class BayesModel:
    """`proposal.Model`. Its caches only save time: proposals are the same without them."""

    encoding: Encoding
    beliefs: acquisition.Beliefs
    exploration: exploration.ExplorationPolicy
    seed: int
    mode: options.Mode
    rungs: tuple[int, ...]
    tables: Tables
    earlier: Transfer
    seconds: CostModel
    _fits: dict[bytes, Hyperparameters] = field(default_factory=dict)

    def propose(self, trial: int, history: History, tried: Tried) -> Proposal | None:
        """As `Model.propose`; Sobol's points where the covariance can't be factorised."""
        own = trust.results(history.past, self.rungs, self.mode)
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
        if self.exploration.explores(random, trial, observations):
            return self.exploration.exploring(trial, tried)
        table = self.tables.table(history, fidelities, observations)
        costs = self.seconds.costs(history, self.rungs)
        try:
            found = self._modelled(trial, _Known(table, own, costs), tried, random)
            if found is not None and isinstance(found.why, reasons.Modelled):
                return replace(found, why=replace(found.why, earlier=known.weights))
        except LinAlgError as error:
            return self.exploration.fallback(trial, tried, str(error))
        return found or self.exploration.rest(trial, tried)

    def _modelled(
        self, trial: int, seen: _Known, tried: Tried, random: np.random.Generator
    ) -> Proposal | None:
        """The best untried candidate; None where all were tried."""
        table = seen.table
        # The scales have different errors, so they alternate: "log" tells the best apart, but on
        # a plateau stretches differences that mean nothing.
        scale: Scale = "log" if trial % 2 else "half-rank"
        at = self._fitted(table, scale)
        values, warp = table.observations.warped(scale)
        kept = thinned(values, MODELLED)
        rows = np.concatenate([table.rows[kept], table.waiting])
        waiting = np.full(len(table.waiting), table.target)
        levels = np.concatenate([table.observations.levels[kept], waiting])
        near = gaussian_process.drawn_near(at, table.finite, random)
        believed = gaussian_process.posterior(table.layout, near, rows, levels, values[kept])
        contenders = table.contenders(kept)
        means = believed.mean(contenders, table.target)
        best, faith_in = float(np.min(means)), self._faith(table, seen.own)
        promise = acquisition.Improvement(table, believed, self.beliefs, best, faith_in, seen.costs)
        centres = contenders[np.argsort(means, kind="stable")[:_CENTRES]]
        points = self._candidates(centres, len(kept), random)
        if not len(points):  # nothing that keeps the constraints was found
            return None
        found = optimize_acquisition.ascend(self.encoding, promise, points, random).points
        if trial >= _ENDS_FREE:
            found = np.vstack(
                [optimize_acquisition.inside(self.encoding, promise, found[0], random), found]
            )
        later = self.encoding.copies(found, table.running[:, : found.shape[1]])
        later |= repeats(table, kept, believed, self.encoding.snapped(found))
        for point in np.concatenate([found[~later], found[later]]):
            config = self.encoding.space.configuration(point.tolist())
            if is_new(self.encoding.space, config, tried):
                why = self._why(promise, at, point, warp)
                pace = promise.pace(self.encoding.snapped(np.vstack([point, found])))
                return Proposal(config, "bayes", replace(why, pace=pace))
        return None

    def _faith(self, table: Table, own: trust.Results) -> float:
        if not self.beliefs:
            return 0.0
        rows = self.encoding.rows([past.config for past in own.trials])
        believed = self.beliefs.log_prior(rows)
        return trust.faith(-believed, own, table.own)

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
            self._fits[known] = gaussian_process.fit(pairs, values)
        return self._fits[known]

    def _candidates(
        self, centres: NDArray[np.float64], outcomes: int, random: np.random.Generator
    ) -> NDArray[np.float64]:
        share = min(1.0, max(0.4, _CHEAP / outcomes))
        searched = centres[:, : len(self.encoding.columns)]
        around = optimize_acquisition.points_of(self.encoding, searched, random)
        parts = [
            optimize_acquisition.everywhere(self.encoding, random, int(share * _UNIFORM)),
            optimize_acquisition.nearby(self.encoding, random, around, int(share * LOCAL)),
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
        self,
        promise: acquisition.Improvement,
        at: Hyperparameters,
        point: NDArray[np.float64],
        warp: Warped,
    ) -> reasons.Modelled:
        space, table = self.encoding.space, promise.table
        row = self.encoding.snapped(point[None, :])
        mean, deviation = (float(value[0]) for value in promise.belief(row))
        names = [parameter.name for parameter in (*space.searched, *space.sampled)]
        return exploration.modelled(
            table.finite,
            warp,
            (mean, deviation),
            promise.best,
            self.mode,
            exploration.shares_of(names, at.lengths),
            exploration.correlation_of(at, self.rungs, table.target, int(table.fidelities.foreign)),
        )


def bayes_model(
    space: SearchSpace, seed: int, mode: options.Mode, rungs: Sequence[int] = ()
) -> BayesModel:
    """The model of a study. rungs: their resources, rising, the maximum last; or empty."""
    encoding = encoding_of(space)
    rows = RowCache(encoding)
    return BayesModel(
        encoding,
        acquisition.beliefs_of(encoding),
        exploration.ExplorationPolicy(
            space, sobol.sobol_searcher(space, seed), cheap=len(rungs) > 1
        ),
        seed,
        mode,
        tuple(rungs),
        Tables(encoding, rows),
        Transfer(space, mode, "bayes", start.start_then_model(space, seed, informed=True)),
        CostModel(encoding, rows),
    )


def repeats(
    table: observations.Table,
    kept: NDArray[np.intp],
    posterior: gaussian_process.Posterior,
    rows: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """(rows,): which of the searched parts of rows lie where all that was seen is exactly the same.

    Where the nearest configurations have one and the same outcome, it does not change there, though
    the model still hopes for more. The circle around a configuration doubles with each neighbour of
    the same outcome, up to the first with another. Only the better half of the outcomes at the
    target counts, as nothing else draws proposals; kept: the lines that the model has seen.
    """
    of = table.observations
    own = of.finite[kept] & (of.trials[kept] >= 0)
    at_target = kept[own & (of.levels[kept] == table.target)]
    outcomes = of.outcomes[at_target]
    if len(outcomes) < _TWO:
        return np.zeros(len(rows), dtype=bool)
    same = outcomes[:, None] == outcomes
    tied = np.flatnonzero((same.sum(axis=1) > 1) & (outcomes <= np.quantile(outcomes, 0.5)))
    if not len(tied):
        return np.zeros(len(rows), dtype=bool)
    seen, same = table.rows[at_target], same[tied]
    alike = posterior.correlations(seen[tied], seen, table.target)
    nearest_other = np.where(same, -np.inf, alike).max(axis=1)
    times = (same & (alike > nearest_other[:, None])).sum(axis=1)
    least = np.maximum(1.0 - np.minimum(_ALIKE * 2.0**times, _FARTHEST), nearest_other)
    flat = times > 1
    near = posterior.correlations(table.whole(rows), seen[tied[flat]], table.target)
    found: NDArray[np.bool_] = (near > least[flat]).any(axis=1)
    return found
