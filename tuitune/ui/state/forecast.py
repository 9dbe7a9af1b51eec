"""How fast do trials come to their end, and when will the last one have done so?"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tuitune.core.events import ENDED

if TYPE_CHECKING:
    from tuitune.store.rows import TrialRow
    from tuitune.ui.state.snapshot import Snapshot

WINDOW = 64  # changes over which the rate is measured
LEAST = 3  # trials that have to end before there is a rate


class Forecast:
    """Counts what is settled: trials that ended, and those that wait at a rung.

    Of the latter most end there without another step, and those that go on come back here, so
    that counting them tells better how much of the study is left.
    """

    def __init__(self) -> None:
        self.settled: set[int] = set()
        self._steps: deque[tuple[float, int]] = deque(maxlen=WINDOW)  # (Unix s, settled then)
        self._opened = 0.0

    def follow(self, snapshot: Snapshot) -> None:
        """Take up what changed; at first, and after a new engine, the past from the rows' times."""
        if snapshot.study.opened != self._opened and not snapshot.study.finished:
            self._begin(snapshot)
            return
        before = len(self.settled)
        for number in snapshot.changed:
            settled = _is_settled(snapshot.rows[number])
            (self.settled.add if settled else self.settled.discard)(number)
        if len(self.settled) != before:
            self._steps.append((snapshot.now, len(self.settled)))

    def rate(self, now: float) -> float | None:
        """Trials a second; None until enough of them have ended."""
        if not self._steps:
            return None
        since, base = self._steps[0]
        gained = len(self.settled) - base
        return gained / (now - since) if gained >= LEAST and now > since else None

    def remaining(self, snapshot: Snapshot) -> float | None:
        """Seconds until the last trial ends, or the study's time is up; None where unknown."""
        rate = self.rate(snapshot.now)
        if rate is None:
            return None
        left = max(0, snapshot.total - len(self.settled)) / rate
        limit = snapshot.study.settings.time_limit if snapshot.study.settings else None
        return left if limit is None else min(left, max(0.0, limit - elapsed(snapshot)))

    def _begin(self, snapshot: Snapshot) -> None:
        self._opened = snapshot.study.opened
        self._steps.clear()
        settled = [row for row in snapshot.rows if _is_settled(row)]
        self.settled = {row.number for row in settled}
        times = (row.ended or row.launched or 0.0 for row in settled)
        recent = sorted(t for t in times if t >= self._opened)
        first = len(self.settled) - len(recent)
        self._steps.append((self._opened, first))
        self._steps.extend((t, first + count) for count, t in enumerate(recent, 1))


def _is_settled(row: TrialRow) -> bool:
    return row.state in ENDED or row.parked


def elapsed(snapshot: Snapshot) -> float:
    """Seconds that the study has run, pauses between engines left out."""
    study, engine = snapshot.study, snapshot.engine
    if study.finished or not study.opened:
        return study.elapsed
    until = snapshot.now if engine.state in {"running", "silent", "importing"} else engine.heard
    return study.elapsed + max(0.0, until - study.opened)
