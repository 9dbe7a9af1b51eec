"""Trials that have ended with a value, in the order of ending, and the best value after each."""

from bisect import bisect_left, bisect_right, insort
from itertools import accumulate
from math import isfinite
from typing import NamedTuple

from tuitune.core.events import TrialState
from tuitune.store import curves, rows
from tuitune.ui.state.snapshot import Snapshot


class Ended(NamedTuple):
    """An ended trial."""

    ended: float  # Unix s
    number: int
    value: float
    state: TrialState


class EndedTrials:
    """The trials that have ended with a finite value, in this order; kept from look to look."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._version = self._seen = -1
        self._known: dict[int, Ended] = {}
        self.every: list[Ended] = []
        self.values: list[float] = []  # of all, ascending
        self.changes = 0

    def follow(self, snapshot: Snapshot) -> list[Ended]:
        """Enters the rows that have changed."""
        if snapshot is not self._snapshot:
            self._snapshot, self._version, self._seen = snapshot, -1, -1
            self._known, self.every, self.values = {}, [], []
        if snapshot.version == self._version:
            return self.every
        self._version, seen = snapshot.version, self._seen
        changed = [row for row in snapshot.rows if row.changed > seen or row.changed == 0]
        whole = 2 * len(changed) > len(self.every)
        for row in changed:
            self._seen = max(self._seen, row.changed)
            self._enter(row, whole=whole)
        if whole:
            self.every = sorted(self._known.values())
            self.values = sorted(one.value for one in self.every)
        self.changes += bool(changed)
        return self.every

    def _enter(self, row: rows.TrialRow, *, whole: bool) -> None:
        """whole: `every` is made again afterwards."""
        before = self._known.pop(row.number, None)
        if before is not None and not whole:
            del self.every[bisect_left(self.every, before)]
            del self.values[bisect_left(self.values, before.value)]
        if row.ended is not None and row.value is not None and isfinite(row.value):
            now = Ended(row.ended, row.number, row.value, row.state)
            self._known[row.number] = now
            if not whole:
                insort(self.every, now)
                insort(self.values, now.value)

    def of(self, number: int | None) -> Ended | None:
        """A trial by its number; None if it has not ended with a finite value."""
        return None if number is None else self._known.get(number)

    def outside(self, low: float, high: float) -> int:
        """The number of values that are not within the range."""
        return len(self.values) - bisect_right(self.values, high) + bisect_left(self.values, low)

    def counted(self) -> list[Ended]:
        """The complete ones; all if none is complete."""
        complete = TrialState.COMPLETE
        return [one for one in self.every if one.state == complete] or self.every

    def best_after_each(self, snapshot: Snapshot) -> curves.Curve:
        """The best value so far after each trial that counts, as a curve over their number."""
        self.follow(snapshot)
        better = min if snapshot.spec.objective.mode == "min" else max
        best = curves.new_curve()
        for place, value in enumerate(accumulate((one.value for one in self.counted()), better), 1):
            best.add(place, value)
        return best
