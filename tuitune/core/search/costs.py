"""Seconds that a trial takes, learnt by configuration.

A Gaussian process predicts their logarithm. The acquisition is divided by a power of what it
predicts (Snoek et al. 2012, section 3.2, divide by all of it; Lee et al. 2020, "Cost-aware Bayesian
Optimization", by a power that falls to 0): a dear region that is better is still found.

Where trials share a GPU they slow each other down. Their seconds are taken as they are, so that is
an error in them, and where the errors are larger than what configurations do, nothing is learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.linalg import LinAlgError

from tuitune.core.paces import ENOUGH, THREEFOLD, ends, start_of
from tuitune.core.search.bayes.encoding import Encoding, RowCache
from tuitune.core.search.bayes.gaussian_process import Posterior, fit, posterior
from tuitune.core.search.bayes.kernel import Hyperparameters, pairs_of
from tuitune.core.search.bayes.layout import Layout
from tuitune.core.search.bayes.observations import settled
from tuitune.core.search.proposal import History, Past

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIMITED = 1.25  # as THREEFOLD, where the study has a time limit
POWER = 0.5  # of the seconds, by which improvement is divided
_MOST, _STEP = 64, 16  # trials that are learnt from: the newest; older ones leave in steps
_STRAY = 2.0  # times as long as the slow ones, or as short as the quick: further off is not learnt
_PLAIN = (2.0, 0.1)  # lengths and noise that tell whether configurations matter at all
_EXPLAINED = 0.1  # share of the variance that each trial's others have to predict with these
JUDGED = 16  # trials from which on they have to; of fewer none can tell


@dataclass(frozen=True)
class Costs:
    """The seconds that a whole trial is expected to take.

    scaled: how outcomes of the process stand for seconds.
    """

    posterior: Posterior
    scaled: Scaled

    @property
    def median(self) -> float:
        """The median seconds of the trials that were learnt from."""
        return float(np.exp(self.scaled.median))

    def log(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows,): ln of the seconds beside the median's, of rows (rows, searched places)."""
        return self.scaled.shift + self.scaled.spread * self.posterior.mean(rows, 0)

    def sloped(
        self, rows: NDArray[np.float64], places: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The same, and its slopes along numeric places: (rows, places)."""
        belief = self.posterior.sloped_belief(rows, 0, places)
        seconds = self.scaled.shift + self.scaled.spread * belief.mean
        return seconds, self.scaled.spread * belief.mean_slopes


class Timed(NamedTuple):
    """Trials whose seconds are known, and those of a whole trial: (trials,)."""

    trials: list[Past]
    seconds: NDArray[np.float64]


class Scaled(NamedTuple):
    """ln of seconds as values of mean 0 and variance 1: (trials,).

    median: of the logarithms. shift: of their mean from it. spread: their standard deviation.
    """

    values: NDArray[np.float64]
    median: float
    shift: float
    spread: float


@dataclass
class CostModel:
    """Learns `Costs` from a history. Its caches only save time."""

    encoding: Encoding
    rows: RowCache
    _fits: dict[bytes, Hyperparameters] = field(default_factory=dict)  # the newest one

    def costs(self, history: History, rungs: Sequence[int]) -> Costs | None:
        """The costs of trials; None where improvement is not to be divided by seconds.

        That is so before ENOUGH trials; while the slow ones, without their slowest tenth, do not
        take THREEFOLD as long as the quick ones, without the quickest (LIMITED with a time limit);
        and, from JUDGED trials on, where their seconds do not follow from those of similar ones.
        """
        seen = timed(history.past, rungs)
        if len(seen.trials) < ENOUGH:
            return None
        low, high = ends(np.log(seen.seconds))
        if high - low < np.log(LIMITED if history.limited else THREEFOLD):
            return None
        newest = max(0, (len(seen.trials) - _MOST) // _STEP * _STEP)
        trials = seen.trials[newest:]
        scaled = _scaled(np.log(seen.seconds[newest:]))
        rows = np.array([self.rows.row(past.trial, past) for past in trials])
        try:
            if len(trials) >= JUDGED and not self._explains(rows, scaled.values):
                return None
            at = self._fitted(trials[: settled(len(trials), 0)], rows, rungs)
            return Costs(self._posterior(rows, scaled.values, at), scaled)
        except LinAlgError:
            return None

    def log_of(
        self, costs: Costs | None, configs: Sequence[Mapping[str, Any]]
    ) -> NDArray[np.float64]:
        """(configs,): `Costs.log` of each; 0 without costs."""
        return np.zeros(len(configs)) if costs is None else costs.log(self.encoding.rows(configs))

    def _explains(self, rows: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
        """Whether each value follows from all others, at least in part.

        Rasmussen and Williams 2006, eq. 5.12. With fitted hyperparameters it would from any values.
        """
        found = self._posterior(rows, values, self._plain)
        errors = found.weights / np.square(found.root).sum(axis=1)
        return bool(np.square(errors).sum() < (1.0 - _EXPLAINED) * np.square(values).sum())

    @cached_property
    def _layout(self) -> Layout:
        return Layout(tuple(column.categories for column in self.encoding.columns))

    @cached_property
    def _plain(self) -> Hyperparameters:
        length, noise = _PLAIN
        lengths = np.full(len(self.encoding.columns), length)
        return Hyperparameters(lengths, 1.0, noise, 0.0, np.zeros(0))

    def _posterior(
        self, rows: NDArray[np.float64], values: NDArray[np.float64], at: Hyperparameters
    ) -> Posterior:
        return posterior(self._layout, at, rows, np.zeros(len(rows), dtype=np.intp), values)

    def _fitted(
        self, first: Sequence[Past], rows: NDArray[np.float64], rungs: Sequence[int]
    ) -> Hyperparameters:
        """Hyperparameters fitted to the first trials alone, and so the same for a while."""
        rows = rows[: len(first)]
        values = _scaled(np.log(timed(first, rungs).seconds)).values
        known = rows.tobytes() + values.tobytes()
        if known not in self._fits:
            levels = np.zeros(len(rows), dtype=np.intp)
            self._fits = {known: fit(pairs_of(self._layout, rows, levels, 1), values)}
        return self._fits[known]


def _scaled(logs: NDArray[np.float64]) -> Scaled:
    low, high = ends(logs)
    near = np.clip(logs, low - np.log(_STRAY), high + np.log(_STRAY))
    mean, spread, median = float(near.mean()), float(near.std()), float(np.median(near))
    values = (near - mean) / spread if spread > 0.0 else np.zeros(len(near))
    return Scaled(values, median, mean - median, spread)


def timed(pasts: Sequence[Past], rungs: Sequence[int]) -> Timed:
    """The seconds of a whole trial, for each whose pace is known.

    With rungs trials are compared over as much of the resource as all of them have spent in the
    mean; without, each that has ended counts with what it has spent itself. The start of a trial is
    the median of what first reports took longer than later ones.
    """
    known = [(past, past.times) for past in pasts if past.times and past.curve]
    if not rungs:
        known = [(past, times) for past, times in known if past.state == "ended"]
    start = start_of(times for _, times in known)
    units = np.array([past.curve[-1][0] for past, _ in known], dtype=float)
    if rungs and len(units):
        units[:] = units.mean()
    paces = np.array([times.pace(start) for _, times in known])
    return Timed([past for past, _ in known], np.maximum(start + paces * units, 1e-9))
