"""What is remembered of a study? Read while an engine writes, neither waiting for the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.messages.facts import NOTABLE
from tuitune.store import curves as curve_rows
from tuitune.store import facts as fact_rows
from tuitune.store import samples as sample_rows
from tuitune.store import schema
from tuitune.store.changes import (
    Changes,
    Report,
    Watch,
    read_engine,
    read_some,
    read_study,
    read_trials,
)
from tuitune.store.curves import Curve
from tuitune.store.errors import explained
from tuitune.store.facts import LAST
from tuitune.store.rows import IMPORTANCE, StudyRow, read_importance

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from pathlib import Path

    from tuitune.core.events import AnyFact
    from tuitune.core.placement.sample import DeviceSample
    from tuitune.core.search.importance import Importance
    from tuitune.store.rows import EngineRow, TrialRow

__all__ = ["Changes", "Curve", "Reader", "Report"]


class Reader:
    """A study's database, read only. Values are the objective's; None is missing or NaN.

    Every method raises StoreError where the database can't be read any more.
    """

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._watch = Watch(db)

    @staticmethod
    def open(path: Path) -> Reader:
        """Raises StoreError: not there, not a study's database, of an unknown version."""
        return Reader(schema.open_to_read(path), path)

    def changes(self, since: int | None = None, *, outlined: bool = False) -> Changes:
        """What is new after number `since`; None for all but the reports, which `curves` has.

        outlined: every trial's row, with no more than `rows.OUTLINE` of it.
        """
        with explained(self._path):
            return self._watch.look(since, outlined=outlined)

    def study(self) -> StudyRow:
        """The study as it stands."""
        text = self.get("study")
        with explained(self._path):
            return StudyRow() if text is None else read_study(text)

    def engine(self) -> EngineRow | None:
        """What the newest engine has said of itself."""
        text = self.get("engine")
        with explained(self._path):
            return None if text is None else read_engine(text)

    def trials(self, since: int = 0) -> list[TrialRow]:
        """The trials that changed after change number `since`, by trial number."""
        with explained(self._path):
            return read_trials(self._db, since)

    def some(self, numbers: Iterable[int]) -> list[TrialRow]:
        """These trials, those that are not there left out."""
        with explained(self._path):
            return read_some(self._db, numbers)

    def curves(self, until: int | None = None, points: int | None = None) -> dict[int, Curve]:
        """Every trial's curve, of the facts up to number `until`.

        `points`: of long curves so many points or more are kept, and less than twice as many.
        """
        with explained(self._path):
            return curve_rows.read_all(self._db, until, points)

    def curve(self, trial: int, metric: str | None = None) -> list[tuple[int, int, float | None]]:
        """(attempt, step, value) of every report of a trial, in the order they came."""
        with explained(self._path):
            return curve_rows.read_one(self._db, trial, metric)

    def metrics(self) -> list[str]:
        """The names of what was reported lately."""
        with explained(self._path):
            return curve_rows.read_names(self._db)

    def longest_pause(self) -> float | None:
        """Seconds between two reports of one attempt; None where none has reported twice."""
        with explained(self._path):
            return curve_rows.longest_pause(self._db)

    def repeated(self) -> tuple[int, int] | None:
        """A trial and one of its steps that it has reported several times in one attempt."""
        with explained(self._path):
            return curve_rows.repeated(self._db)

    def facts(self, since: int = 0) -> list[tuple[int, AnyFact]]:
        """(number, fact) of every fact numbered above `since`, in order."""
        with explained(self._path):
            return list(fact_rows.read(self._db, since))

    def facts_of(self, trial: int) -> list[tuple[int, AnyFact]]:
        """(number, fact) of all that befell a trial but its reports, in order."""
        with explained(self._path):
            return fact_rows.of_trial(self._db, trial)

    def newest(self, count: int, before: int | None = None) -> list[tuple[int, AnyFact]]:
        """(number, fact) of the last that is worth telling of the study, the newest first."""
        with explained(self._path):
            last = LAST if before is None else before
            return fact_rows.newest(self._db, count, NOTABLE, last)

    def samples(self, since: float = 0.0) -> list[DeviceSample]:
        """The telemetry of later than `since` (Unix seconds) that is still kept, in order."""
        with explained(self._path):
            return sample_rows.read(self._db, since)

    def importance(self) -> Importance | None:
        """Of its parameters, as an engine has computed it last; None where none has."""
        return read_importance(self.get(IMPORTANCE))

    def get(self, key: str) -> str | None:
        """A small text about the study, None where none was put under this key."""
        with explained(self._path):
            row = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        self._db.close()
