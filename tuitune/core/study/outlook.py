"""What more trials are worth: how far the best is likely to improve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import exp, expm1, inf, isfinite, log, log1p
from typing import NamedTuple

_HOUR = 3600.0  # s
_LEAST = 10  # ended trials with a value, before anything is said
_RECENT = 64  # ended trials that tell how many end in an hour
_TAIL = 3  # one in so many values tells how far apart the best ones are
_FEWEST = 3  # of those


class Outlook(NamedTuple):
    """What so many more trials are worth.

    chance: that they improve the best at all. expected, low, high: the improvement of the
    objective, which the last two enclose in 80 of 100 cases.
    """

    trials: int
    chance: float
    expected: float
    low: float
    high: float


def next_hour(ends: Iterable[tuple[float, float]], left: float) -> Outlook | None:
    """What the next hour is worth, or the rest of the study if that is shorter.

    ends: of every trial that has ended, (Unix seconds, loss), the loss infinite for one without a
    value that counts. left: trials that are still to come. None where too little is known.
    """
    ordered = sorted(ends)
    recent = [when for when, _ in ordered[-_RECENT:]]
    if len(recent) < _LEAST or recent[-1] <= recent[0]:
        return None
    rate = (len(recent) - 1) / (recent[-1] - recent[0])
    return improvement([loss for _, loss in ordered], int(min(left, rate * _HOUR)))


def improvement(losses: Sequence[float], trials: int) -> Outlook | None:
    """What `trials` more are worth, from the losses so far in their order; None if too few.

    The chance that trial n is a new best is that of independent draws, 1 / n, times how often new
    bests came in the later half beside what such draws would do: a searcher that learns has more.
    By how much it is better is exponential, with the mean of the normalised spacings of
    the best values (Weissman 1978, "Estimation of parameters and large quantiles based on the k
    largest observations").
    """
    finite = sorted(filter(isfinite, losses))
    if len(finite) < _LEAST or trials < 1:
        return None
    tail = max(_FEWEST, len(finite) // _TAIL)
    scale = sum(k * (finite[k] - finite[k - 1]) for k in range(1, tail + 1)) / tail
    seen = len(losses) + 0.5
    none = (seen / (seen + trials)) ** _records(losses)
    chance = -expm1(log(none) / trials)  # of one trial, in the mean
    found = sum((1 - exp(k * log1p(-chance))) / k for k in range(1, trials + 1))
    ends = (0.0, 0.8) if none >= 0.2 else (0.1, 0.9)
    low, high = (_quantile(chance, scale, trials, share) for share in ends)
    return Outlook(trials, 1 - none, scale * found, low, high)


def _records(losses: Sequence[float]) -> float:
    """New bests in the later half, beside those of independent draws; both with one more."""
    half, best, seen = len(losses) // 2, inf, 0
    for place, loss in enumerate(losses):
        if loss < best:
            best = loss
            seen += place >= half
    return (seen + 1) / (sum(1 / n for n in range(half + 1, len(losses) + 1)) + 1)


def _quantile(chance: float, scale: float, trials: int, share: float) -> float:
    """The improvement that `share` of all cases stay below."""
    if share == 0.0 or scale == 0.0:
        return 0.0
    single = -expm1(log(share) / trials)  # the share of single trials that must exceed it
    return max(0.0, scale * log(chance / single))
