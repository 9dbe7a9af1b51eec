"""The model of BOHB: two kernel densities with the settings of Falkner et al. 2018."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from random import Random
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from tuitune.core import options, reasons
from tuitune.core.search.proposal import History, Past, Proposal, Tried, is_new, unmodelled
from tuitune.core.search.random_search import RandomSearcher
from tuitune.core.search.tpe.density import Columns, columns
from tuitune.core.search.tpe.model import observations
from tuitune.core.space import SearchSpace

Array = NDArray[np.float64]

_GOOD = 0.15  # q: the share of good configurations
_EXPLORED = 1 / 3  # rho: the share of random ones
_CANDIDATES = 64  # N_s
_WIDENED = 3.0  # b_w: candidates are drawn with bandwidths so many times as wide
_LEAST_WIDTH = 1e-3  # of a bandwidth, as in the authors' implementation
_FEWEST = 8  # candidates that keep the constraints
_ROUNDS = 6  # of draws, as long as constraints leave fewer


class Sides(msgspec.Struct, frozen=True):
    """Good and poor trials of one rung; rung: its resource, None without rungs."""

    rung: int | None
    good: tuple[Past, ...]
    poor: tuple[Past, ...]


def _sides(
    pasts: Iterable[Past], rungs: Sequence[int], mode: options.Mode, least: int
) -> Sides | None:
    """The best and worst trials of the highest rung with least + 2 of them; None without one.

    least: N_min, in the paper the number of parameters + 1. With N trials, max(N_min, q N) are good
    and max(N_min, N - max(N_min, q N)) poor (equation 3), so that in a small rung some are both.
    """
    at = observations(pasts, rungs, mode)
    for rung in sorted(at, reverse=True):
        found = [past for _, _, past in sorted(at[rung], key=lambda one: one[:2])]
        finite = sum(isfinite(loss) for loss, _, _ in at[rung])
        if len(found) >= least + 2 and finite >= least:
            good = max(least, int(_GOOD * len(found)))
            poor = max(least, len(found) - good)
            name = rung if rungs else None
            return Sides(name, tuple(found[:good]), tuple(found[-poor:]))
    return None


@dataclass(frozen=True, slots=True)
class Kernels:
    """A kernel density: the mean over points of the product of one kernel for each parameter.

    points: (n, d), numbers in [0, 1], categories as whole numbers from 0. categories: (d,), how
    many there are, 0 for numbers. widths: (d,), of a normal kernel, or the probability mass that
    leaves a category (Aitchison and Aitken 1976).
    """

    points: Array
    categories: NDArray[np.int64]
    widths: Array

    def log_at(self, at: Array) -> Array:
        """ln of the density at (m, d) points; shape (m,)."""
        total = np.zeros((len(at), len(self.points)))
        for axis, count in enumerate(self.categories):
            theirs, ours, width = at[:, axis, None], self.points[:, axis], self.widths[axis]
            if count:
                leaving = np.maximum(width / max(count - 1, 1), 1e-300)
                total += np.log(np.where(theirs == ours, 1.0 - width, leaving))
            else:
                total += -0.5 * ((theirs - ours) / width) ** 2
                total -= math.log(width * math.sqrt(2 * math.pi))
        highest = total.max(axis=1)
        found: Array = highest + np.log(np.exp(total - highest[:, None]).mean(axis=1))
        return found

    def draw(self, picks: NDArray[np.int64], shares: Array) -> Array:
        """Draws from the kernels of the points `picks`, (m,), with widened bandwidths.

        shares: (m, d), uniform draws, each a quantile of a normal kernel truncated to [0, 1], or
        the choice of a category.
        """
        drawn = self.points[picks].copy()
        for axis, count in enumerate(self.categories):
            width, share = _WIDENED * self.widths[axis], shares[:, axis]
            if count:
                drawn[:, axis] = _category(drawn[:, axis], share, width, int(count))
            else:
                drawn[:, axis] = _number(drawn[:, axis], share, width)
        return drawn


def _kernels(points: Array, categories: NDArray[np.int64]) -> Kernels:
    """Bandwidths by the normal reference rule from the points' own spread, 1.06 s n^(-1 / (4 + d)).

    points: (n, d), n at least 1, without NaN.
    """
    n, d = points.shape
    widths = np.maximum(1.06 * points.std(axis=0) * n ** (-1.0 / (4.0 + d)), _LEAST_WIDTH)
    most = np.maximum(categories - 1, 1) / np.maximum(categories, 1)  # then all are equally likely
    return Kernels(points, categories, np.where(categories > 0, np.minimum(widths, most), widths))


def _number(centres: Array, shares: Array, width: float) -> Array:
    low, high = ndtr(-centres / width), ndtr((1.0 - centres) / width)
    found: Array = np.clip(centres + width * ndtri(low + shares * (high - low)), 0.0, 1.0)
    return found


def _category(own: Array, shares: Array, leaving: float, count: int) -> Array:
    leaving = min(leaving, (count - 1) / count)
    if not leaving:
        return own
    other = np.floor((shares - (1.0 - leaving)) / leaving * (count - 1)).clip(0, count - 2)
    return np.where(shares < 1.0 - leaving, own, other + (other >= own))


def _imputed(points: Array, categories: NDArray[np.int64], rng: np.random.Generator) -> Array:
    """NaN, where a parameter does not exist, replaced by the value of a random other point.

    Where no point has one, by a random value. points: (n, d).
    """
    filled = points.copy()
    for axis, count in enumerate(categories):
        column = filled[:, axis]
        missing = np.isnan(column)
        if not missing.any():
            continue
        known = column[~missing]
        if len(known):
            column[missing] = known[rng.integers(len(known), size=int(missing.sum()))]
        elif count:
            column[missing] = rng.integers(count, size=int(missing.sum()))
        else:
            column[missing] = rng.random(int(missing.sum()))
    return filled


@dataclass(frozen=True, slots=True)
class BohbModel:
    """`tuitune.core.search.proposal.Model`: algorithm 2 of Falkner et al. 2018.

    Failed trials are the worst of the first rung that they did not reach. Trials of earlier studies
    and likely values are not in the paper, and not used.
    """

    space: SearchSpace
    seed: int
    mode: options.Mode
    rungs: tuple[int, ...]
    random: RandomSearcher
    columns: Columns

    def propose(self, trial: int, history: History, tried: Tried) -> Proposal | None:
        """As `Model.propose`; a random configuration where there are too few trials for a model."""
        rng = np.random.default_rng([self.seed, trial])
        if rng.random() < _EXPLORED:
            return self._explored(trial, tried, "explore")
        found = _sides(history.past, self.rungs, self.mode, _least_good(self.space))
        if found is None or not self.space.searched:
            return self._explored(trial, tried, "few")
        chosen = self._likeliest(found, tried, rng)
        if chosen is None:
            return self._explored(trial, tried, "all tried")
        config, ratio = chosen
        times = math.exp(min(ratio, 50.0))
        why = reasons.Denser(times, len(found.good), len(found.poor), found.rung, running=False)
        return Proposal(config, "bohb", why)

    def _explored(self, trial: int, tried: Tried, cause: reasons.Cause) -> Proposal | None:
        return unmodelled(self.random.propose(trial, tried), cause)

    def _likeliest(
        self, found: Sides, tried: Tried, rng: np.random.Generator
    ) -> tuple[dict[str, Any], float] | None:
        """(configuration, ln of the ratio of the two densities there)."""
        encode, categories = self.columns.encode, self.columns.categories
        good, poor = (
            _kernels(_imputed(encode([past.config for past in side]), categories, rng), categories)
            for side in (found.good, found.poor)
        )
        configs = [self.space.configuration(point) for point in self._candidates(good, rng)]
        at = _imputed(encode(configs), categories, rng)  # after rounding
        ratios = good.log_at(at) - poor.log_at(at)
        for index in np.argsort(-ratios, kind="stable"):
            if is_new(self.space, configs[index], tried):
                return configs[index], float(ratios[index])
        return None

    def _candidates(self, good: Kernels, rng: np.random.Generator) -> list[list[float]]:
        """Points that keep the constraints, some of them from the whole space if they are rare."""
        kept: list[list[float]] = []
        for _ in range(_ROUNDS):
            picks = rng.integers(len(good.points), size=_CANDIDATES)
            drawn = good.draw(picks, rng.random((_CANDIDATES, len(good.categories))))
            points = self.columns.points(drawn)
            if not self.space.groups:
                return points
            kept += [point for point in points if self.space.keeps_at(point)]
            if len(kept) >= _CANDIDATES:
                return kept[:_CANDIDATES]
        random = Random(int(rng.integers(2**63)))  # noqa: S311 - reproducible by design
        more = (self.space.draw(random) for _ in range(max(0, _FEWEST - len(kept))))
        return [*kept, *(point for point in more if point is not None)]


def _least_good(space: SearchSpace) -> int:
    """N_min: a density needs more points than parameters."""
    return len(space.searched) + 1


def bohb_model(
    space: SearchSpace, seed: int, mode: options.Mode, rungs: Sequence[int]
) -> BohbModel:
    """rungs: the resources that trials are compared at, ascending; empty: at their end alone."""
    random = RandomSearcher(space, seed)
    return BohbModel(space, seed, mode, tuple(rungs), random, columns(space))
