"""How well an expectation ranks the trials of a study: the user's beliefs, or an earlier study."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuitune.core.options import Mode
from tuitune.core.pruning.pruner import loss_of
from tuitune.core.search.proposal import Past

_BETA = 10.0  # trials after which a belief that is right counts for as much as one trial's
_FIRST = 24  # trials that are ranked; later ones lie too close to each other
_ASSUMED = 0.75  # share of pairs that an expectation is assumed to order as the outcomes do
_PAIRS = 6.0  # how many pairs that assumption counts for
_NONE, _FULL = 0.55, 0.75  # no trust up to the first share, full trust from the second one on


@dataclass(frozen=True)
class Results:
    """Trials with an outcome, and their losses (trials, rungs).

    A loss is NaN where a rung was not reached; infinite at the rung that a failed trial missed.
    """

    trials: tuple[Past, ...]
    losses: NDArray[np.float64]


def results(pasts: Iterable[Past], rungs: Sequence[int], mode: Mode) -> Results:
    """The first trials with an outcome; rungs: rising, or empty."""
    found = [(past, row) for past in pasts if (row := _losses(past, rungs, mode))][:_FIRST]
    losses = np.full((len(found), max(1, len(rungs))), np.nan)
    for place, (_, row) in enumerate(found):
        for rung, loss in row.items():
            losses[place, rung] = loss
    return Results(tuple(past for past, _ in found), losses)


def _losses(past: Past, rungs: Sequence[int], mode: Mode) -> dict[int, float]:
    row: dict[int, float] = {}
    for resource, value in past.curve if rungs else past.curve[-1:]:
        rung = bisect_right(rungs, resource) - 1 if rungs else 0
        if rung >= 0:
            row.setdefault(rung, loss_of(value, mode))
    if past.state == "failed" and math.inf not in row.values():
        row[min(max(row, default=-1) + 1, max(0, len(rungs) - 1))] = math.inf
    return row


def trust(expected: NDArray[np.float64], of: Results) -> float:
    """From 0 to 1, by the share of pairs of trials whose order is as expected; 1 at first.

    expected: (trials,), small is good. Two trials are compared at the highest rung that both have.
    """
    agree = pairs = 0.0
    for first in range(1, len(expected)):
        order = _order(of.losses, first)
        known = order != 0.0
        pairs += float(known.sum())
        agree += float((np.sign(expected[:first] - expected[first]) * order)[known].sum())
    share = ((pairs + agree) / 2.0 + _ASSUMED * _PAIRS) / (pairs + _PAIRS)
    return min(max((share - _NONE) / (_FULL - _NONE), 0.0), 1.0)


def faith(expected: NDArray[np.float64], of: Results, trials: int) -> float:
    """The power of a prior: beta / n (Hvarfner et al. 2022, eq. 6), times the trust in it.

    trials: how many of the study have an outcome.
    """
    return trust(expected, of) * _BETA / max(trials, 1)


def _order(losses: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    """(first,): 1 where an earlier trial is worse than number `first`, -1 better, 0 unknown."""
    order = np.zeros(first)
    for rung in range(losses.shape[1]):
        mine, theirs = losses[first, rung], losses[:first, rung]
        known = ~np.isnan(theirs) & (not np.isnan(mine))
        order = np.where(known, (theirs > mine) * 1.0 - (theirs < mine) * 1.0, order)
    return order
