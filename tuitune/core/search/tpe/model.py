"""The model of `method = "tpe"` (Falkner et al. 2018, algorithm 2)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from random import Random
from typing import Any

import numpy as np

from tuitune.core import options, reasons
from tuitune.core.pruning.pruner import loss_of
from tuitune.core.search import start, trust
from tuitune.core.search.bayes.encoding import RowCache, encoding_of
from tuitune.core.search.costs import POWER, CostModel, Costs
from tuitune.core.search.earlier import Transfer
from tuitune.core.search.proposal import History, Past, Proposal, Tried, is_new, unmodelled
from tuitune.core.search.sobol import SobolSearcher, sobol_searcher
from tuitune.core.search.tpe.density import Columns, Density, columns, density, log_belief
from tuitune.core.space import SearchSpace

_GOOD = 0.1  # q: the share of the good ones
_LEAST, MOST = 2, 25  # good ones
_ENOUGH = 10  # trials for a model, whatever the number of parameters


@dataclass(frozen=True, slots=True)
class Split:
    """Good and poor configurations.

    rung: the resource whose values are compared, None without rungs. trials: how many have one.
    """

    rung: int | None
    good: Sequence[Mapping[str, Any]]
    poor: Sequence[Mapping[str, Any]]
    trials: int


_FADED = 60  # own trials, after which earlier studies no longer count


def _joined(own: Split | None, earlier: Mapping[int, float], history: History) -> Split | None:
    """Both sides with the good and the poor of earlier studies, fewer as the own trials grow.

    earlier: scores by the place of a trial in the history's `foreign`.
    """
    trials = sum(bool(past.curve) or past.state == "failed" for past in history.past)
    share = max(0.0, 1.0 - trials / _FADED)
    configs = [history.foreign[place].config for place in sorted(earlier, key=earlier.__getitem__)]
    most = max(_LEAST, math.ceil(_GOOD * len(configs)))
    good, poor = configs[: round(share * most)], configs[most:]
    poor = [config for place, config in enumerate(poor) if place < share * len(poor)]
    if own is None:
        running = _running(history.past, ())
        return Split(None, good, [*poor, *running], trials) if good else None
    return Split(own.rung, [*own.good, *good], [*own.poor, *poor], own.trials)


Observed = list[tuple[float, int, "Past"]]  # (loss, number in the order given, trial)


def split(
    pasts: Iterable[Past], rungs: Sequence[int], mode: options.Mode, parameters: int
) -> Split | None:
    """Good and poor trials of the highest rung with enough trials; None where none has enough.

    Enough is N_min + 2 with N_min = parameters + 1, as in the paper, or _ENOUGH if that is less. In
    the paper at least N_min trials are good, as bandwidths are estimated from them; here they are
    not, and a tenth is good (Bergstra et al. 2011). All others are poor, including running trials
    that have not reached that rung, which keeps new proposals away from them (a constant liar); in
    the paper they are left out.
    """
    every = tuple(pasts)
    at = observations(every, rungs, mode)
    for rung in sorted(at, reverse=True):
        found = sorted(at[rung], key=lambda one: one[:2])
        if len(found) < min(parameters + 3, _ENOUGH):
            continue
        most = max(_LEAST, min(math.ceil(_GOOD * len(found)), MOST))
        good = [past.config for loss, _, past in found[:most] if isfinite(loss)]
        if good:
            poor = [past.config for _, _, past in found[most:]]
            running = _running(every, [past for _, _, past in found])
            return Split(rung if rungs else None, good, [*poor, *running], len(found))
    return None


def _running(pasts: Sequence[Past], reached: Sequence[Past]) -> list[Mapping[str, Any]]:
    there = {past.trial for past in reached if past.state == "pending"}
    return [p.config for p in pasts if p.state == "pending" and p.trial not in there]


def observations(
    pasts: Iterable[Past], rungs: Sequence[int], mode: options.Mode
) -> dict[int, Observed]:
    """The losses at each rung; without rungs all of them are at 0.

    A failed trial is the worst at the first rung that it did not reach; one that diverged, at the
    rung where it did.
    """
    found: dict[int, Observed] = {rung: [] for rung in rungs} or {0: []}
    for order, past in enumerate(pasts):
        losses = _losses(past, rungs, mode)
        for rung, loss in losses.items():
            found[rung].append((loss, order, past))
        if past.state == "failed" and inf not in losses.values():
            missed = next((rung for rung in found if rung not in losses), None)
            if missed is not None:
                found[missed].append((inf, order, past))
    return found


def _losses(past: Past, rungs: Sequence[int], mode: options.Mode) -> dict[int, float]:
    if rungs:
        return {at: loss_of(value, mode) for at, value in past.curve if at in rungs}
    if past.state == "failed":
        return {0: inf}
    if past.state == "pending" or not past.curve:
        return {}
    return {0: loss_of(past.curve[-1][1], mode)}


_EXPLORED = 0.1  # rho: the share of configurations that the model does not choose
_CANDIDATES = 64  # N_s
_ROUNDS = 6  # of draws, repeated while too few of them keep the constraints
_FEWEST = 8  # candidates that keep the constraints


@dataclass(frozen=True, slots=True)
class TpeModel:
    """`tuitune.core.search.proposal.Model`.

    The differences from the paper were better together in the first 50 trials on recorded tasks
    (not each was measured alone): rho is 0.1, not 1/3, as the flat kernels explore too; candidates
    are drawn from the good density without widening it; and those in `split` and `density`.
    """

    space: SearchSpace
    seed: int
    mode: options.Mode
    rungs: tuple[int, ...]
    sobol: SobolSearcher
    columns: Columns
    earlier: Transfer
    seconds: CostModel

    def propose(self, trial: int, history: History, tried: Tried) -> Proposal | None:
        """As `Model.propose`; Sobol's points where there are too few trials for a model."""
        own = trust.results(history.past, self.rungs, self.mode)
        first = self.earlier.first(history, own, tried)
        if first is not None:
            return first
        rng = np.random.default_rng([self.seed, trial])
        if rng.random() < _EXPLORED:
            return self._explored(trial, tried, "explore")
        found = split(history.past, self.rungs, self.mode, len(self.space.searched))
        costs = self.seconds.costs(history, self.rungs)
        earlier = self.earlier.scores(history.foreign, own)
        if earlier.of:
            found = _joined(found, earlier.of, history)
        if found is None or not self.space.searched:
            return self._explored(trial, tried, "few")
        chosen = self._likeliest(found, own, tried, rng, costs)
        if chosen is None:
            return self._explored(trial, tried, "all tried")
        config, ratio, pace = chosen
        times = float(np.exp(min(ratio, 50.0)))
        why = reasons.Denser(
            times, len(found.good), len(found.poor), found.rung, earlier=earlier.weights, pace=pace
        )
        return Proposal(config, "tpe", why)

    def _explored(self, trial: int, tried: Tried, cause: reasons.Cause) -> Proposal | None:
        return unmodelled(self.sobol.propose(trial, tried), cause)

    def _likeliest(
        self,
        found: Split,
        own: trust.Results,
        tried: Tried,
        rng: np.random.Generator,
        costs: Costs | None,
    ) -> tuple[dict[str, Any], float, reasons.Pace | None] | None:
        """(configuration, ln of the ratio of the two densities there, what its seconds did)."""
        encode, categories = self.columns.encode, self.columns.categories
        good = density(encode(found.good), categories)
        poor = density(encode(found.poor), categories)
        configs = [self.space.configuration(point) for point in self._candidates(good, rng)]
        at = encode(configs)  # after rounding
        ratios = good.log_at(at) - poor.log_at(at)
        searched = self.space.searched
        known = -log_belief(searched, [past.config for past in own.trials])
        belief = log_belief(searched, configs) * min(1.0, trust.faith(known, own, found.trials))
        seconds = self.seconds.log_of(costs, configs)
        score = ratios + belief - POWER * seconds
        for index in np.argsort(-score, kind="stable"):
            if is_new(self.space, configs[index], tried):
                times = float(np.exp(seconds[index]))
                pace = reasons.Pace(times * costs.median, times) if costs else None
                return configs[index], float(ratios[index]), pace
        return None

    def _candidates(self, good: Density, rng: np.random.Generator) -> list[list[float]]:
        """Points that keep the constraints: drawn from a density, else a few from the space."""
        points = self.columns.points(good.draw(_CANDIDATES, rng))
        if not self.space.groups:
            return points
        kept: list[list[float]] = []
        for _ in range(_ROUNDS):
            kept += [point for point in points if self.space.keeps_at(point)]
            if len(kept) >= _CANDIDATES:
                return kept[:_CANDIDATES]
            points = self.columns.points(good.draw(_CANDIDATES, rng))
        random = Random(int(rng.integers(2**63)))  # noqa: S311 - reproducible by design
        more = (self.space.draw(random) for _ in range(max(0, _FEWEST - len(kept))))
        return [*kept, *(point for point in more if point is not None)]


def tpe_model(space: SearchSpace, seed: int, mode: options.Mode, rungs: Sequence[int]) -> TpeModel:
    """rungs: the resources that trials are compared at, ascending; empty: at their end alone."""
    sobol = sobol_searcher(space, seed)
    earlier = Transfer(space, mode, "tpe", start.start_then_model(space, seed, informed=True))
    encoding = encoding_of(space)
    seconds = CostModel(encoding, RowCache(encoding))
    return TpeModel(space, seed, mode, tuple(rungs), sobol, columns(space), earlier, seconds)
