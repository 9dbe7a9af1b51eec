"""What is read only while somebody looks at it? A trial's facts, the newest, other metrics."""

from __future__ import annotations

from array import array
from threading import Thread
from typing import TYPE_CHECKING

from tuitune.core.search.importance import FINISHED, GROWTH, is_due
from tuitune.store.reader import Curve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuitune.core.events import AnyFact
    from tuitune.core.search.importance import Importance
    from tuitune.store.reader import Reader
    from tuitune.ui.state.snapshot import Snapshot

NEWEST = 200  # facts of the whole study
CURVES = 64  # of other metrics that are remembered
LATE = 2.5 * GROWTH  # new trials after which a running engine is not waited for any more


class LazyQueries:
    """Remembers each answer until the trial, or the study, has changed."""

    def __init__(self, reader: Reader, objective: str) -> None:
        self.snapshot: Snapshot | None = None
        self._reader = reader
        self._objective = objective
        self._facts: tuple[object, Sequence[tuple[int, AnyFact]]] = (None, ())
        self._newest: tuple[object, Sequence[tuple[int, AnyFact]]] = (None, ())
        self._curves: dict[tuple[int, str], tuple[object, Curve]] = {}
        self._importance: Importance | None = None
        self._looked_at: object = None  # the version at which the store was asked for it
        self._computing: _Computation | None = None

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

    def importance(self) -> Importance | None:
        """The newest; where the store's is not new enough a process is started to compute it."""
        snapshot = self.snapshot
        if snapshot is None or snapshot.version == self._looked_at:
            return self._importance
        self._looked_at = snapshot.version
        stored, known = self._reader.importance(), self._importance
        if stored and (known is None or stored.finished > known.finished):
            self._importance = stored
        finished = sum(snapshot.counts.get(state, 0) for state in FINISHED)
        growth = LATE if snapshot.engine.state == "running" else 0.0
        if self._computing is None and is_due(self._importance, finished, growth):
            self._computing = _Computation(snapshot.folder, finished)
        return self._importance

    def poll(self) -> bool:
        """Take up what has been computed meanwhile; true where there is something."""
        if self._computing is None or self._computing.result is None:
            return False
        self._importance, self._computing = self._computing.result, None
        return True

    def _stamp(self, trial: int) -> object:
        row = None if self.snapshot is None else self.snapshot.row(trial)
        return None if row is None else row.changed


class _Computation:
    """Computes the importance of parameters in another process; `result` is None until then."""

    def __init__(self, folder: Path, finished: int) -> None:
        self.result: Importance | None = None
        Thread(target=self._run, args=(folder, finished), daemon=True, name="importance").start()

    def _run(self, folder: Path, finished: int) -> None:
        from tuitune.model_process.importance import compute  # noqa: PLC0415 - for who looks at it

        self.result = compute(folder, finished)


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
