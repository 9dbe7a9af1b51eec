"""Observed outcomes as rows, levels and values on a common scale."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtri

from tuitune.core.options import Mode
from tuitune.core.search.bayes.encoding import Encoding, RowCache, drawn
from tuitune.core.search.bayes.layout import Layout
from tuitune.core.search.proposal import History, Past

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scale = Literal["half-rank", "log"]

_LOG_FLOOR = 0.1  # of the distance from the best to the median: added to the distance to the best


@dataclass(frozen=True)
class Warped:
    """values: of the outcomes given, in their order. knots: outcomes and values, both rising."""

    values: NDArray[np.float64]
    knots: tuple[NDArray[np.float64], NDArray[np.float64]]  # outcomes, values; both rising

    @property
    def worst(self) -> float:
        """The largest value; 0 where there is none."""
        return float(np.max(self.values)) if len(self.values) else 0.0

    def outcome(self, value: float) -> float:
        """The outcome for a value, interpolated between those seen."""
        outcomes, values = self.knots
        if len(values) < 2:
            return float(outcomes[0]) if len(outcomes) else 0.0
        if value >= values[0]:
            return float(np.interp(value, values, outcomes))
        # Better than all outcomes: extrapolate the line through the best tenth.
        near = max(1, len(values) // 10)
        slope = (outcomes[near] - outcomes[0]) / (values[near] - values[0])
        return float(outcomes[0] + slope * (value - values[0]))


def warped(outcomes: NDArray[np.float64], scale: Scale) -> Warped:
    """Warp finite outcomes; all 0 where they are all the same."""
    largest = float(np.abs(outcomes).max()) if len(outcomes) else 0.0
    # Differences of the largest floats would overflow, squares of the smallest would be 0.
    unit = outcomes / largest if largest > 0.0 else outcomes
    spread = float(np.ptp(unit)) if len(unit) else 0.0
    if spread <= 1e-14:
        return Warped(np.zeros(len(unit)), (outcomes[:1], np.zeros(len(outcomes[:1]))))
    unit = (unit - np.min(unit)) / spread
    values = _half_rank(unit) if scale == "half-rank" else _log(unit)
    values = (values - np.min(values)) / np.ptp(values)  # squares of the smallest would be 0
    values = (values - values.mean()) / values.std()
    known, places = np.unique(values, return_index=True)
    return Warped(values, (outcomes[places], known))


def _half_rank(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """The better half as it is; the worse by normal quantiles of its ranks (Song et al. 2022)."""
    middle = float(np.median(unit))
    good = unit <= middle
    deviation = float(np.sqrt(np.square(unit[good] - middle).mean()))
    if deviation == 0.0:
        deviation = 1.0
    rising = np.sort(unit)  # equal outcomes share their mean rank
    ranks = np.searchsorted(rising, unit, "left") + np.searchsorted(rising, unit, "right")
    bad = middle + deviation * np.maximum(ndtri(ranks / (2.0 * len(unit))), 0.0)
    return np.where(good, unit, bad)


def _log(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln of the distance to the best, plus a floor."""
    floor = _LOG_FLOOR * float(np.median(unit))
    return np.log(unit + (floor if floor > 0.0 else _LOG_FLOOR * float(unit.mean())))


FITTED = 128  # lines that hyperparameters are fitted to
MODELLED = 500  # lines that predictions are made from
EVERY = 24  # up to so many trials, hyperparameters are fitted again with each
_GROWTH = 1.15  # later after each growth by this factor


def settled(trials: int, pending: int) -> int:
    """The number of first trials to which hyperparameters are fitted.

    It depends on two counts only, so that the fit stays the same for several proposals; pending
    trials have the last numbers and would change what was fitted.
    """
    count = trials if trials <= EVERY else max(EVERY, trials - pending)
    level = EVERY
    if count <= level:
        return count
    while (further := max(level + 1, int(level * _GROWTH))) <= count:
        level = further
    return level


def thinned(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """The lines to keep, in order: the best two fifths of `most`, the newest fifth, an even spread.

    values: of lines in order of trials, small is good.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    best = np.argsort(values, kind="stable")[: int(0.4 * most)]
    late = np.arange(count - int(0.2 * most), count)
    kept = np.zeros(count, dtype=bool)
    kept[best] = True
    kept[late] = True
    rest = np.flatnonzero(~kept)
    room = most - int(kept.sum())
    kept[rest[np.linspace(0, len(rest) - 1, room).astype(np.intp)]] = True
    return np.flatnonzero(kept)


_ENOUGH = 3  # finite outcomes at a level that make it the target
_FAILURE = 0.5  # standard deviations by which a failure is worse than the worst outcome


@dataclass(frozen=True)
class Observations:
    """A line for each rung that a trial has filled, those of earlier studies first.

    trials: the trial of each, ascending; negative for earlier studies. levels: the rung, from 0;
    with earlier studies these are level 0. outcomes: small is good; not finite where the trial
    failed; of earlier studies, scores of variance 1.
    """

    trials: NDArray[np.intp]
    levels: NDArray[np.intp]
    outcomes: NDArray[np.float64]

    @property
    def finite(self) -> NDArray[np.bool_]:
        """(lines,): which outcomes are finite."""
        return np.isfinite(self.outcomes)

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Observations:
        """The lines chosen, by a mask (lines,) or by their numbers."""
        return Observations(self.trials[chosen], self.levels[chosen], self.outcomes[chosen])

    def warped(self, scale: Scale) -> tuple[NDArray[np.float64], Warped]:
        """Values of mean 0 and variance 1, and the warp of this study's own outcomes.

        All rungs share one warp; the outcomes of earlier studies are scores already.
        """
        values = self.outcomes.copy()
        own = self.trials >= 0
        seen = own & self.finite
        found = warped(self.outcomes[seen], scale)
        values[seen] = found.values
        values[own & ~self.finite] = found.worst + _FAILURE
        return values, found


@dataclass(frozen=True)
class Fidelities:
    """The resources of a study's rungs, rising; without rungs there is one level."""

    rungs: tuple[int, ...]
    foreign: bool  # whether earlier studies have a level of their own, below the others

    @property
    def levels(self) -> int:
        """The number of levels, including that of earlier studies."""
        return max(1, len(self.rungs)) + self.foreign

    def observations(
        self, history: History, mode: Mode, earlier: Mapping[int, float] | None = None
    ) -> Observations:
        """The lines of a history; earlier: scores by the place of a trial in its `foreign`."""
        sign = 1.0 if mode == "min" else -1.0
        count = len(history.foreign)
        lines = [(place - count, 0, score) for place, score in sorted((earlier or {}).items())]
        for past in history.past:
            lines += [
                (past.trial, level + self.foreign, sign * value)
                for level, value in self._seen(past)
            ]
        return Observations(
            np.array([line[0] for line in lines], dtype=np.intp),
            np.array([line[1] for line in lines], dtype=np.intp),
            np.array([line[2] for line in lines], dtype=np.float64),
        )

    def _seen(self, past: Past) -> Iterator[tuple[int, float]]:
        """(level, value) of each rung that the trial has filled; NaN at the next if it failed."""
        top = max(0, len(self.rungs) - 1)
        failed = past.state == "failed"
        last = -1
        for resource, value in self._points(past):
            if not math.isfinite(value):
                failed = True
                break
            level = max(0, bisect_right(self.rungs, resource) - 1)
            if level > last and not (self.rungs and resource < self.rungs[0]):
                yield level, value
                last = level
        if failed and last < top:
            yield last + 1, math.nan

    def _points(self, past: Past) -> Sequence[tuple[int, float]]:
        """The curve; without rungs one outcome, or none for a failed trial."""
        if self.rungs:
            return past.curve
        return () if past.state == "failed" else past.curve[-1:]


def target(observations: Observations, levels: int) -> int:
    """The highest level with enough finite outcomes: this study's, once it has any."""
    own = observations.trials >= 0
    seen = observations.finite & (own if (own & observations.finite).any() else ~own)
    counts = np.bincount(observations.levels[seen], minlength=levels)
    for least in (_ENOUGH, 1):
        reached = np.flatnonzero(counts >= least)
        if len(reached):
            return int(reached[-1])
    return levels - 1


@dataclass(frozen=True)
class Table:
    """rows: one for each line of the observations. target: the level at which trials are compared.

    waiting: rows of running trials that have not reached it; running: of all that run. typical:
    values assumed for sampled parameters.
    """

    fidelities: Fidelities
    layout: Layout
    observations: Observations
    rows: NDArray[np.float64]
    waiting: NDArray[np.float64]
    running: NDArray[np.float64]
    typical: NDArray[np.float64]
    target: int

    @property
    def finite(self) -> int:
        """How many outcomes are finite."""
        return int(self.observations.finite.sum())

    @property
    def own(self) -> int:
        """How many of the study's own trials have a finite outcome."""
        of = self.observations
        return len(np.unique(of.trials[of.finite & (of.trials >= 0)]))

    def contenders(self, kept: NDArray[np.intp]) -> NDArray[np.float64]:
        """Rows, of the lines kept, among which the best is looked for.

        Trials without an outcome are left out: the most optimistic of their means would be too hard
        to improve on. A lucky draw says nothing about its configuration, so all get typical ones.
        """
        finite = kept[self.observations.finite[kept]]
        own = finite[self.observations.trials[finite] >= 0]
        rows = self.rows[own if len(own) else finite]
        return self.whole(rows[:, : rows.shape[1] - len(self.typical)])

    def whole(self, searched: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows from their searched parts, with typical sampled values."""
        if not len(self.typical):
            return searched
        drawn_parts = np.broadcast_to(self.typical, (len(searched), len(self.typical)))
        return np.hstack([searched, drawn_parts])


@dataclass
class Tables:
    """Makes tables."""

    encoding: Encoding
    rows: RowCache

    def table(self, history: History, fidelities: Fidelities, observations: Observations) -> Table:
        """Trials of earlier studies have negative numbers, as in the observations."""
        reached = target(observations, fidelities.levels)
        lines = zip(observations.trials.tolist(), observations.levels.tolist(), strict=True)
        there = {trial for trial, level in lines if level == reached}
        running = [past.trial for past in history.past if past.state == "pending"]
        waiting = [trial for trial in running if trial not in there]
        every = dict(enumerate(history.foreign, -len(history.foreign)))
        every |= {past.trial: past for past in history.past}
        needed = [*observations.trials.tolist(), *waiting, *running]
        values = drawn(self.encoding.space.sampled, [every[number].config for number in needed])
        searched = np.array([self.rows.row(number, every[number]) for number in needed])
        searched = searched.reshape(len(needed), len(self.encoding.columns))
        rows = np.hstack([searched, values.columns])
        count, known = len(observations.trials), len(observations.trials) + len(waiting)
        categories = tuple(column.categories for column in self.encoding.columns)
        expected = tuple(column.expected for column in self.encoding.columns)
        layout = Layout(categories + values.categories, expected)
        return Table(
            fidelities,
            layout,
            observations,
            rows[:count],
            rows[count:known],
            rows[known:],
            values.typical,
            reached,
        )
