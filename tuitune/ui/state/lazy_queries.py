"""What is read only while somebody looks at it? A trial's facts, the newest, other metrics."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from tuitune.store.reader import Curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.events import AnyFact
    from tuitune.store.reader import Reader
    from tuitune.ui.state.snapshot import Snapshot

NEWEST = 200  # facts of the whole study
CURVES = 64  # of other metrics that are remembered


class LazyQueries:
    """Remembers each answer until the trial, or the study, has changed."""

    def __init__(self, reader: Reader, objective: str) -> None:
        self.snapshot: Snapshot | None = None
        self._reader = reader
        self._objective = objective
        self._facts: tuple[object, Sequence[tuple[int, AnyFact]]] = (None, ())
        self._newest: tuple[object, Sequence[tuple[int, AnyFact]]] = (None, ())
        self._curves: dict[tuple[int, str], tuple[object, Curve]] = {}

    def facts_of(self, trial: int) -> Sequence[tuple[int, AnyFact]]:
        key = (trial, self._stamp(trial))
        if self._facts[0] != key:
            self._facts = (key, self._reader.facts_of(trial))
        return self._facts[1]

    def newest(self) -> Sequence[tuple[int, AnyFact]]:
        key = self.snapshot.version if self.snapshot else None
        if self._newest[0] != key:
            self._newest = (key, self._reader.newest(NEWEST))
        return self._newest[1]

    def curve(self, trial: int, metric: str) -> Curve:
        stamp = self._stamp(trial)
        known = self._curves.get((trial, metric))
        if known is not None and known[0] == stamp:
            return known[1]
        if len(self._curves) >= CURVES:
            self._curves.clear()
        curve = newest_attempts(self._reader.curve(trial, metric))
        self._curves[trial, metric] = (stamp, curve)
        return curve

    def _stamp(self, trial: int) -> object:
        row = None if self.snapshot is None else self.snapshot.row(trial)
        return None if row is None else row.changed


def newest_attempts(reports: Sequence[tuple[int, int, float | None]]) -> Curve:
    """What still stands of (attempt, step, value): later attempts replace earlier ones."""
    steps, values = array("q"), array("d")
    for _, step, value in reports:
        while steps and steps[-1] >= step:
            steps.pop()
            values.pop()
        steps.append(step)
        values.append(float("nan") if value is None else value)
    return Curve(steps, values)
