"""The rate at which trials settle, and the time until the last one has."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

WINDOW = 64  # changes over which the rate is measured
LEAST = 3  # trials that have to settle before there is a rate


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
