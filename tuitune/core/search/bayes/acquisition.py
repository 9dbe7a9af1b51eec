"""Logarithm of expected improvement, with its slopes and the user's beliefs.

Ament et al. 2023, eq. 8 and 9, by the scaled complementary error function; outcomes are minimised.
Beliefs: the acquisition is multiplied by a power of prior(x) (Hvarfner et al. 2022, eq. 6), so that
they guide the first trials and fade with the number of the study's own trials, or sooner where they
rank these poorly: see `trust`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx

from tuitune.core import reasons, space
from tuitune.core.search.bayes import gaussian_process, observations
from tuitune.core.search.bayes.encoding import Encoding
from tuitune.core.search.costs import POWER, Costs

_SPREAD = 0.15  # around a single likely value, as a fraction of the range
_NARROWEST = 0.02  # the least spread of a likely range
_ELSEWHERE = 0.05  # the least belief, so that outcomes can overrule a wrong one


class Weights(NamedTuple):
    """The weights of a choice's values, relative to the heaviest. unordered: it is a category."""

    of_cells: NDArray[np.float64]
    unordered: bool

    def at(self, column: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows,) of a column of rows; 1 where an unordered choice does not exist."""
        count = len(self.of_cells)
        if self.unordered:
            return np.append(self.of_cells, 1.0)[column.astype(np.intp)]
        return self.of_cells[np.minimum((column * count).astype(np.intp), count - 1)]


@dataclass(frozen=True)
class Beliefs:
    """The user's beliefs by place.

    numbers: (middle, spread). cells: the likely ones of a choice.
    """

    numbers: Mapping[int, tuple[float, float]]
    cells: Mapping[int, tuple[int, ...]]
    weights: Mapping[int, Weights] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.numbers or self.cells or self.weights)

    def log_prior(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows,): the log of the belief in each row, at most 0."""
        total = np.zeros(len(rows))
        for place, (middle, spread) in self.numbers.items():
            distance = (rows[:, place] - middle) / spread
            total += np.log(_ELSEWHERE + (1.0 - _ELSEWHERE) * np.exp(-0.5 * distance**2))
        for place, liked in self.cells.items():
            total += np.where(np.isin(rows[:, place], liked), 0.0, np.log(_ELSEWHERE))
        for place, weights in self.weights.items():
            total += np.log(np.maximum(weights.at(rows[:, place]), _ELSEWHERE))
        return total

    def slopes(self, rows: NDArray[np.float64], places: NDArray[np.intp]) -> NDArray[np.float64]:
        """(rows, places): slopes of `log_prior` along these places."""
        found = np.zeros((len(rows), len(places)))
        for column, place in enumerate(places):
            if int(place) in self.numbers:
                middle, spread = self.numbers[int(place)]
                distance = (rows[:, place] - middle) / spread
                bell = (1.0 - _ELSEWHERE) * np.exp(-0.5 * distance**2)
                found[:, column] = -bell * distance / spread / (_ELSEWHERE + bell)
        return found

    def drawn(
        self, encoding: Encoding, points: NDArray[np.float64], random: np.random.Generator
    ) -> NDArray[np.float64]:
        """Points whose believed coordinates are drawn from the beliefs instead."""
        points = points.copy()
        for place, (middle, spread) in self.numbers.items():
            near = middle + spread * random.normal(size=len(points))
            points[:, place] = np.clip(near, 0.0, 1.0)
        for place, liked in self.cells.items():
            for index, choice in enumerate(random.integers(len(liked), size=len(points))):
                points[index, place] = encoding.point_of_cell(place, liked[int(choice)])
        for place, weights in self.weights.items():
            shares = weights.of_cells / weights.of_cells.sum()
            for index, cell in enumerate(random.choice(len(shares), len(points), p=shares)):
                points[index, place] = encoding.point_of_cell(place, int(cell))
        return points


def beliefs_of(encoding: Encoding) -> Beliefs:
    """The priors of the parameters, and their likely values."""
    numbers: dict[int, tuple[float, float]] = {}
    cells: dict[int, tuple[int, ...]] = {}
    weights: dict[int, Weights] = {}
    for place, column in enumerate(encoding.columns):
        normal = space.normal_units(column.parameter)
        if normal is not None:
            numbers[place] = normal[0], max(normal[1], _NARROWEST)
        elif given := space.weights_of(column.parameter):
            weights[place] = Weights(np.array(given) / max(given), column.categories > 0)
        likely = space.likely_of(column.parameter)
        if not likely:
            continue
        if column.categories:
            found = [space.index_of(column.parameter, value) for value in likely]
            cells[place] = tuple(cell for cell in found if cell is not None)
        else:
            numbers[place] = _neighbourhood(space.likely_units(column.parameter))
    return Beliefs(numbers, cells, weights)


def _neighbourhood(units: Sequence[float]) -> tuple[float, float]:
    """The middle and the spread, on the unit interval, of one value or of a range."""
    low, high = min(units), max(units)
    spread = _SPREAD if len(units) == 1 else max(_NARROWEST, (high - low) / 2)
    return (low + high) / 2, spread


_FAR = -1000.0  # below, 1 + z m loses its digits and a series is used
_LOG_ROOT_2PI = 0.5 * float(np.log(2.0 * np.pi))


def log_h(z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """ln(phi(z) + z Phi(z)) and its slope.

    With m = Phi/phi = sqrt(pi/2) erfcx(-z/sqrt2): h = phi (1 + z m), and h'/h = m / (1 + z m).
    """
    # Above 8, h is z to machine precision, and m would overflow further up.
    near = np.clip(z, _FAR, 8.0)
    ratio = np.sqrt(np.pi / 2.0) * erfcx(-near / np.sqrt(2.0))
    sum_ = 1.0 + near * ratio
    value = -0.5 * near * near - _LOG_ROOT_2PI + np.log(sum_)
    slope = ratio / sum_
    if (near == z).all():
        return value, slope
    far = np.minimum(z, _FAR)
    # 1 + z m = z^-2 - 3 z^-4 + ...
    value = np.where(
        z < _FAR,
        -0.5 * far * far - _LOG_ROOT_2PI - 2.0 * np.log(-far) + np.log1p(-3.0 / (far * far)),
        value,
    )
    slope = np.where(z < _FAR, -far - 2.0 / far + 6.0 / (far**3 - 3.0 * far), slope)
    high = np.maximum(z, 8.0)
    return np.where(z > 8.0, np.log(high), value), np.where(z > 8.0, 1.0 / high, slope)


def log_expected_improvement(
    mean: NDArray[np.float64], deviation: NDArray[np.float64], best: float
) -> NDArray[np.float64]:
    """(rows,): ln of the expected improvement on `best`; mean, deviation: (rows,), of outcomes."""
    value, _ = log_h((best - mean) / deviation)
    return value + np.log(deviation)


def sloped_log_expected_improvement(
    belief: gaussian_process.SlopedBelief, best: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The value for each row, and its slopes by those of mean and deviation: (rows, places)."""
    z = (best - belief.mean) / belief.deviation
    value, slope = log_h(z)
    by_mean = -slope / belief.deviation
    by_deviation = (1.0 - slope * z) / belief.deviation
    slopes = by_mean[:, None] * belief.mean_slopes
    slopes += by_deviation[:, None] * belief.deviation_slopes
    return value + np.log(belief.deviation), slopes


@dataclass(frozen=True)
class Improvement:
    """Log expected improvement on `best`, the user's beliefs added.

    Rows are the searched parts of the table's rows.
    """

    table: observations.Table
    posterior: gaussian_process.Posterior
    beliefs: Beliefs
    best: float
    faith: float  # in the beliefs: the power of the prior
    costs: Costs | None  # improvement is divided by a power of the seconds, where they count

    def value(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows,) of rows (rows, searched places)."""
        return self._weighed(rows, log_expected_improvement(*self.belief(rows), self.best))

    def sloped(
        self, rows: NDArray[np.float64], places: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(rows,) and (rows, places): the values, and their slopes along `places`."""
        belief = self.posterior.sloped_belief(self.table.whole(rows), self.table.target, places)
        value, slopes = sloped_log_expected_improvement(belief, self.best)
        if self.beliefs:
            value += self.faith * self.beliefs.log_prior(rows)
            slopes += self.faith * self.beliefs.slopes(rows, places)
        if self.costs is not None:
            seconds, by_place = self.costs.sloped(rows, places)
            value -= POWER * seconds
            slopes -= POWER * by_place
        return value, slopes

    def gains(
        self, row: NDArray[np.float64], rows: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of rows, and what they gain over one row (1, places) if as uncertain as that."""
        every = np.vstack([row, rows])
        mean, deviation = self.belief(every)
        alike = log_expected_improvement(mean, np.full(len(every), deviation[0]), self.best)
        values = log_expected_improvement(mean, deviation, self.best)
        shift = self._weighed(every, np.zeros(len(every)))
        gains: NDArray[np.float64] = alike + shift
        return (values + shift)[1:], gains[1:] - gains[0]

    def pace(self, rows: NDArray[np.float64]) -> reasons.Pace | None:
        """What the seconds of the first row did, beside the other candidates."""
        if self.costs is None:
            return None
        seconds = self.costs.log(rows)
        improvement = self.value(rows) + POWER * seconds
        rates = improvement - seconds
        longer = float(np.exp(seconds[0]))
        rate = float(np.exp(rates[0] - rates[np.argmax(improvement)]))
        # Below 1 the seconds did not decide: better candidates were tried, or run.
        kept = rate if rate >= 1.0 else None
        return reasons.Pace(longer * self.costs.median, longer, kept)

    def _weighed(
        self, rows: NDArray[np.float64], improvement: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(rows,): the logarithms with the user's beliefs and the seconds."""
        if self.beliefs:
            improvement += self.faith * self.beliefs.log_prior(rows)
        if self.costs is not None:
            improvement -= POWER * self.costs.log(rows)
        return improvement

    def belief(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and deviation of the outcome at the target level."""
        return self.posterior.belief(self.table.whole(rows), self.table.target)

    def lengths(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        """(places,): the kernel's length scales along these places."""
        return self.posterior.at.lengths[places]
