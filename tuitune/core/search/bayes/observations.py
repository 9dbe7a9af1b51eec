"""What has been seen so far, as rows, rungs and outcomes, and what is still to come?"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tuitune.core.search.bayes.warp import warped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tuitune.core.search.bayes.warp import Scale, Warped
    from tuitune.core.search.history import History, Past
    from tuitune.core.spec import Mode

ENOUGH = 3  # finite outcomes at a level, to aim there
FAILURE = 0.5  # a failure counts as the worst seen, and so many standard deviations more


@dataclass(frozen=True)
class Observations:
    """A line for each rung that a trial has filled. Earlier studies' lines come first.

    trials: which trial each is of, in whose order they are; negative for earlier studies.
    levels: which rung, counted from 0; where there are earlier studies, they are level 0.
    outcomes: small is good; not finite where the trial failed.
    """

    trials: NDArray[np.intp]
    levels: NDArray[np.intp]
    outcomes: NDArray[np.float64]

    @property
    def finite(self) -> NDArray[np.bool_]:
        return np.isfinite(self.outcomes)

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Observations:
        return Observations(self.trials[chosen], self.levels[chosen], self.outcomes[chosen])

    def warped(self, scale: Scale) -> tuple[NDArray[np.float64], Warped]:
        """Values of mean 0 and variance 1, and the warp of this study's own outcomes.

        All rungs share one warp; earlier studies have their own, by rank, as their metric may be
        another one.
        """
        values = np.zeros(len(self.outcomes))
        own = self.trials >= 0
        found: list[Warped] = []
        for mine in (own, ~own):
            seen = mine & self.finite
            found.append(warped(self.outcomes[seen], "half-rank" if found else scale))
            values[seen] = found[-1].values
            values[mine & ~self.finite] = found[-1].worst + FAILURE
        return values, found[0]


@dataclass(frozen=True)
class Fidelities:
    """The resources of a study's rungs, rising; without any there is a single level."""

    rungs: tuple[int, ...]
    foreign: bool  # whether earlier studies stand on a level of their own below

    @property
    def levels(self) -> int:
        return max(1, len(self.rungs)) + self.foreign

    def observations(self, history: History, mode: Mode) -> Observations:
        sign = 1.0 if mode == "min" else -1.0
        lines: list[tuple[int, int, float]] = []
        if self.foreign:
            count = len(history.foreign)
            lines += [
                (number - count, 0, sign * past.curve[-1][1] if past.curve else math.nan)
                for number, past in enumerate(history.foreign)
                if past.curve or past.state == "failed"
            ]
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
        """(rung, value) of each that the trial has filled, and a failure where it ended in one."""
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
        """Without rungs a trial has one outcome, and a failed one has failed."""
        if self.rungs:
            return past.curve
        return () if past.state == "failed" else past.curve[-1:]


def target(observations: Observations, levels: int) -> int:
    """The highest level with enough finite outcomes, of this study as soon as it has any."""
    own = observations.trials >= 0
    seen = observations.finite & (own if (own & observations.finite).any() else ~own)
    counts = np.bincount(observations.levels[seen], minlength=levels)
    for least in (ENOUGH, 1):
        reached = np.flatnonzero(counts >= least)
        if len(reached):
            return int(reached[-1])
    return levels - 1
