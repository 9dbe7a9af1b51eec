"""Forecasts: the time until the last trial has settled, and what more trials are worth."""

from collections import deque
from collections.abc import Iterable, Sequence
from math import exp, expm1, inf, isfinite, log, log1p
from typing import NamedTuple

WINDOW = 64  # changes over which the rate is measured
LEAST = 3  # trials that have to settle before there is a rate
_HOUR = 3600.0  # s
_LEAST_ENDED = 10  # ended trials with a value, before anything is said
_RECENT = 64  # ended trials that tell how many end in an hour
_TAIL = 5  # one in so many values tells how far apart the best ones are
_FEWEST = 3  # of those
_LEARNS = 2.0  # times as many new bests are expected at first of a searcher with a model


class Forecast:
    """Counts trials that have settled: they have ended, or wait at a rung.

    Most of those at a rung end there without another step, and promoted ones are counted as
    unsettled again, so this estimates well how much of the study is left. Times are Unix seconds;
    the rate is measured over what has settled since the engine opened the study.
    """

    def __init__(self) -> None:
        self._settled: set[int] = set()
        self._steps: deque[tuple[float, int]] = deque(maxlen=WINDOW)  # (time, settled by then)

    def begin(self, opened: float, settled: Iterable[tuple[int, float]]) -> None:
        """An engine has opened the study; settled: (trial, time) of those settled so far."""
        times = dict(settled)
        self._settled = set(times)
        recent = sorted(time for time in times.values() if time >= opened)
        earlier = len(times) - len(recent)
        self._steps.clear()
        self._steps.append((opened, earlier))
        self._steps.extend((time, earlier + count) for count, time in enumerate(recent, 1))

    def note(self, trial: int, *, settled: bool, now: float) -> None:
        """Record that a trial has settled, or that it runs again, at Unix time `now`."""
        if settled is (trial in self._settled):
            return
        (self._settled.add if settled else self._settled.discard)(trial)
        self._steps.append((now, len(self._settled)))

    def rate(self, now: float) -> float | None:
        """Trials a second; None until enough of them have settled."""
        if not self._steps:
            return None
        since, base = self._steps[0]
        gained = len(self._settled) - base
        return gained / (now - since) if gained >= LEAST and now > since else None

    def remaining(self, now: float, total: int, time_left: float | None) -> float | None:
        """Seconds until the last of `total` trials has settled; None where unknown.

        time_left: seconds until the study's time limit, which may come first; None without one.
        """
        rate = self.rate(now)
        if rate is None:
            return None
        left = max(0, total - len(self._settled)) / rate
        return left if time_left is None else min(left, max(0.0, time_left))


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


def next_hour(
    ends: Iterable[tuple[float, float]], left: float, *, learns: bool = False
) -> Outlook | None:
    """What the next hour is worth, or the rest of the study if that is shorter.

    ends: of every trial that has ended, (Unix seconds, loss), the loss infinite for one without a
    value that counts. left: trials that are still to come. learns: whether the searcher has a
    model. None where too little is known.
    """
    ordered = sorted(ends)
    recent = [when for when, _ in ordered[-_RECENT:]]
    if len(recent) < _LEAST_ENDED or recent[-1] <= recent[0]:
        return None
    rate = (len(recent) - 1) / (recent[-1] - recent[0])
    losses = [loss for _, loss in ordered]
    return improvement(losses, int(min(left, rate * _HOUR)), learns=learns)


def improvement(losses: Sequence[float], trials: int, *, learns: bool = False) -> Outlook | None:
    """What `trials` more are worth, from the losses so far in their order; None if too few.

    The chance that trial n is a new best is that of independent draws, 1 / n, times how often new
    bests came in the later half beside what such draws would do: a searcher that learns has more,
    and as the half of few trials says little, it is taken to have so from the start.
    By how much it is better is exponential, with the mean of the normalised spacings of
    the best values (Weissman 1978, "Estimation of parameters and large quantiles based on the k
    largest observations").
    """
    finite = sorted(filter(isfinite, losses))
    if len(finite) < _LEAST_ENDED or trials < 1:
        return None
    tail = max(_FEWEST, len(finite) // _TAIL)
    scale = sum(k * (finite[k] - finite[k - 1]) for k in range(1, tail + 1)) / tail
    seen = len(losses) + 0.5
    none = (seen / (seen + trials)) ** _records(losses, _LEARNS if learns else 1.0)
    chance = -expm1(log(none) / trials)  # of one trial, in the mean
    found = sum((1 - exp(k * log1p(-chance))) / k for k in range(1, trials + 1))
    ends = (0.0, 0.8) if none >= 0.2 else (0.1, 0.9)
    low, high = (_quantile(chance, scale, trials, share) for share in ends)
    return Outlook(trials, 1 - none, scale * found, low, high)


def _records(losses: Sequence[float], assumed: float) -> float:
    """New bests in the later half, beside those of independent draws.

    Both with one more of such draws, which counts for `assumed` new bests.
    """
    half, best, seen = len(losses) // 2, inf, 0
    for place, loss in enumerate(losses):
        if loss < best:
            best = loss
            seen += place >= half
    return (seen + assumed) / (sum(1 / n for n in range(half + 1, len(losses) + 1)) + 1)


def _quantile(chance: float, scale: float, trials: int, share: float) -> float:
    """The improvement that `share` of all cases stay below."""
    if share == 0.0 or scale == 0.0:
        return 0.0
    single = -expm1(log(share) / trials)  # the share of single trials that must exceed it
    return max(0.0, scale * log(chance / single))
