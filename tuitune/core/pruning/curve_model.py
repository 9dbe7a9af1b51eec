"""A model of how trials end: each rung's values predict those of the next one, up to the last.

Values are ranks among all values of all rungs, as quantiles of a standard normal distribution, so
that neither plateaus nor outliers bend the lines. Lower is better, as of losses.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from math import sqrt
from statistics import NormalDist, fmean, pstdev

import msgspec

_TENTH = 0.1  # the best trials, which are sought
_MOST_MARKS = 257  # quantiles by which values are ranked
_PRIOR = 3.0  # pairs that the prior of each line weighs
_FEWEST = 3  # values of new trials for a spread
_NORMAL = NormalDist()
_GRID = tuple(_NORMAL.inv_cdf((k + 0.5) / 21) for k in range(21))


class Line(msgspec.Struct, array_like=True, frozen=True):
    """The value at a later rung: offset + slope times this one's, with a normal error."""

    offset: float
    slope: float
    variance: float

    def then(self, other: Line) -> Line:
        """First this line, and from its value the other one."""
        return Line(
            other.offset + other.slope * self.offset,
            self.slope * other.slope,
            other.variance + other.slope**2 * self.variance,
        )

    def at(self, value: float) -> NormalDist:
        """The value at the later rung, of a trial with this one here."""
        return NormalDist(self.offset + self.slope * value, sqrt(self.variance))


class CurveModel(msgspec.Struct, array_like=True, frozen=True):
    """What was learnt from a study's rungs; plain data.

    marks: losses at evenly spaced ranks, ascending. steps: for each rung the line to the next one,
    the last of them to the end. news: mean and standard deviation at the first rung of all trials,
    and of the newest ones.
    cut: the value at the end that the best tenth of the trials are expected to reach.
    """

    marks: tuple[float, ...]
    steps: tuple[Line, ...]
    news: tuple[tuple[float, float], tuple[float, float]]
    cut: float

    def normal(self, loss: float) -> float:
        """The loss as a quantile of a standard normal distribution."""
        return _normal(self.marks, loss)

    def loss(self, normal: float) -> float:
        """The loss at a quantile: one that some trial has had."""
        place = int(_NORMAL.cdf(normal) * len(self.marks))
        return self.marks[min(place, len(self.marks) - 1)]

    def at_end(self, rung: int) -> Line:
        """The line from the values at a rung, numbered from 0, to those at the last rung."""
        line = Line(0.0, 1.0, 0.0)
        for step in self.steps[rung:]:
            line = line.then(step)
        return line

    def end_of(self, rung: int, loss: float) -> NormalDist:
        """How a trial with this loss at a rung ends."""
        return self.at_end(rung).at(self.normal(loss))

    def chance(self, rung: int, loss: float) -> float:
        """The chance that its end is among the best tenth."""
        return self.end_of(rung, loss).cdf(self.cut)

    def promise(self, rung: int, loss: float, costs: Sequence[float]) -> float:
        """The expected improvement on `cut` a unit of resource, if a trial goes on from a rung.

        costs: of every step, the first one to the first rung.
        """
        return self._promise(self.steps[rung].at(self.normal(loss)), rung + 1, costs)

    def promise_of_new(self, costs: Sequence[float]) -> float:
        """The same of a new trial; of a searcher that learns the newest ones are the best."""
        return max(self._promise(NormalDist(*new), 0, costs) for new in self.news)

    def _promise(self, value: NormalDist, rung: int, costs: Sequence[float]) -> float:
        """The promise of a trial whose value at `rung` has this distribution.

        It goes on from there only where that is worth it: of all shares of the values, the best
        first, the one with the largest gain for its expected cost counts.
        """
        points = [value.mean + value.stdev * z for z in _GRID]
        first = costs[rung]
        if rung == len(self.steps):
            return fmean(max(self.cut - point, 0.0) for point in points) / first
        line, rest = self.at_end(rung), sum(costs[rung + 1 :])
        error = sqrt(line.variance)
        gains = sorted(
            (_improvement(self.cut - line.offset - line.slope * z, error) for z in points),
            reverse=True,
        )
        shares = enumerate(accumulate(gains), 1)
        return max(gain / (first * len(points) + rest * taken) for taken, gain in shares)


def fit(
    rungs: Sequence[Mapping[int, float]], ends: Mapping[int, float], recent: Sequence[float]
) -> CurveModel | None:
    """The model of a study; None while too few trials have filled the first rung.

    rungs: for each, trial -> its loss there, infinite for a trial that failed. ends: the same at
    the end. recent: losses of the newest trials at the first rung.
    """
    if len(recent) < _FEWEST:
        return None
    columns = [*rungs, ends]
    pooled = sorted(loss for column in columns for loss in column.values())
    marks = _marks(pooled)
    values = [{t: _normal(marks, loss) for t, loss in column.items()} for column in columns]
    spread = pstdev(values[0].values()) or 1.0
    steps = tuple(_line(before, after, spread) for before, after in pairwise(values))
    newest = [_normal(marks, loss) for loss in recent]
    news = _distribution(values[0].values(), spread), _distribution(newest, spread)
    model = CurveModel(marks, steps, news, 0.0)
    return msgspec.structs.replace(model, cut=_cut(model, values))


def _distribution(values: Collection[float], spread: float) -> tuple[float, float]:
    return fmean(values), max(pstdev(values), 0.1 * spread)


def _cut(model: CurveModel, values: Sequence[Mapping[int, float]]) -> float:
    """The best tenth of all ends, as known or predicted from each trial's highest rung."""
    ends: dict[int, float] = {}
    for rung, column in enumerate(values):
        line = model.at_end(rung)
        ends.update((t, line.offset + line.slope * value) for t, value in column.items())
    ranked = sorted(ends.values())
    return ranked[int(_TENTH * len(ranked))]


def _line(before: Mapping[int, float], after: Mapping[int, float], spread: float) -> Line:
    """Least squares with a prior: a slope of 1, and errors as large as the spread."""
    both = [(before[trial], value) for trial, value in after.items() if trial in before]
    if not both:
        return Line(-0.2 * spread, 1.0, 2.0 * spread**2)
    n = len(both)
    mean_x, mean_y = fmean(x for x, _ in both), fmean(y for _, y in both)
    xx = sum((x - mean_x) ** 2 for x, _ in both) + spread**2
    xy = sum((x - mean_x) * (y - mean_y) for x, y in both) + spread**2
    slope = max(0.2, xy / xx)
    offset = mean_y - slope * mean_x
    errors = sum((y - offset - slope * x) ** 2 for x, y in both)
    variance = (errors + _PRIOR * spread**2) / (n + _PRIOR) * (1 + 1 / n)
    return Line(offset, slope, variance)


def _marks(pooled: Sequence[float]) -> tuple[float, ...]:
    n = len(pooled)
    if n <= _MOST_MARKS:
        return tuple(pooled)
    return tuple(pooled[round(k * (n - 1) / (_MOST_MARKS - 1))] for k in range(_MOST_MARKS))


def _normal(marks: Sequence[float], loss: float) -> float:
    """Equal losses have the middle of their ranks."""
    n = len(marks)
    rank = (bisect_left(marks, loss) + bisect_right(marks, loss)) / 2
    return _NORMAL.inv_cdf(min(max(rank, 0.5), n - 0.5) / n)


def _improvement(gain: float, error: float) -> float:
    """E[max(0, N(gain, error))] (Jones et al. 1998, equation 15)."""
    if error == 0.0:
        return max(gain, 0.0)
    z = gain / error
    return gain * _NORMAL.cdf(z) + error * _NORMAL.pdf(z)


def losses_by_trial(entries: Iterable[tuple[float, int]]) -> dict[int, float]:
    """The entries of a rung by trial."""
    return {trial: loss for loss, trial in entries}
