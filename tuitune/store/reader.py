"""What is remembered of a study? Read while an engine writes, neither waiting for the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.events import Reported
from tuitune.store import facts as fact_rows
from tuitune.store import rows as trial_rows
from tuitune.store import schema
from tuitune.store.errors import explained

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from tuitune.events import AnyFact, Fact
    from tuitune.store.rows import TrialRow

COLUMNS = ",".join(trial_rows.COLUMNS)
TRIALS = f"SELECT {COLUMNS} FROM trials ORDER BY number"  # noqa: S608 - our own names
# the + keeps SQLite from walking all trials in order instead of the few that changed
CHANGED = f"SELECT {COLUMNS} FROM trials WHERE changed > ? ORDER BY +number"  # noqa: S608 - as above
CURVE = "SELECT attempt, step, value FROM reports WHERE trial = ? ORDER BY seq"
CURVES = "SELECT trial, step, value FROM reports ORDER BY seq"


class Reader:
    """A study's database, read only. Values are the objective's; None is missing or NaN."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    @staticmethod
    def open(path: Path) -> Reader:
        """Raises StoreError: not there, not a study's database, of an unknown version."""
        return Reader(schema.open_to_read(path), path)

    def trials(self, since: int = 0) -> list[TrialRow]:
        """The trials that changed after change number `since`, by trial number."""
        with explained(self._path):
            found = self._db.execute(CHANGED, (since,)) if since else self._db.execute(TRIALS)
            rows = found.fetchall()
        return [trial_rows.from_columns(row) for row in rows]

    def curve(self, trial: int) -> list[tuple[int, int, float | None]]:
        """(attempt, step, value) of every report of a trial, in the order they came."""
        with explained(self._path):
            return self._db.execute(CURVE, (trial,)).fetchall()

    def curves(self) -> dict[int, list[tuple[int, float | None]]]:
        """(step, value) of every trial, steps rising.

        A report of a later attempt takes the place of what earlier ones said of its step and of
        those after it.
        """
        with explained(self._path):
            rows = self._db.execute(CURVES).fetchall()
        curves: dict[int, list[tuple[int, float | None]]] = {}
        for trial, step, value in rows:
            points = curves.get(trial)
            if points is None:
                curves[trial] = [(step, value)]
                continue
            while points and points[-1][0] >= step:
                points.pop()
            points.append((step, value))
        return curves

    def facts(self, since: int = 0) -> list[tuple[int, AnyFact]]:
        """(number, fact) of every fact numbered above `since`, in order."""
        with explained(self._path):
            return list(fact_rows.read(self._db, since))

    def last(self, kinds: Sequence[type[Fact]]) -> AnyFact | None:
        """The newest fact of these kinds, None where there is none."""
        with explained(self._path):
            newest = max((self._newest(kind) for kind in kinds), default=0)
            return fact_rows.at(self._db, newest) if newest else None

    def get(self, key: str) -> str | None:
        """A small text about the study, None where none was put under this key."""
        with explained(self._path):
            row = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        self._db.close()

    def _newest(self, kind: type[Fact]) -> int:
        if kind is Reported:
            row = self._db.execute("SELECT max(seq) FROM reports").fetchone()
        else:
            name = fact_rows.kind_of(kind)
            # backwards: the kinds asked for are among the last, and an index costs every write
            row = self._db.execute(
                "SELECT seq FROM journal WHERE kind = ? ORDER BY seq DESC LIMIT 1", (name,)
            ).fetchone()
        return (row and row[0]) or 0
