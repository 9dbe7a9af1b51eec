"""What is new in a study's database since a reader last looked?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tuitune.store import rows as trial_rows
from tuitune.store import schema
from tuitune.store.rows import EngineRow, StudyRow, TrialRow

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

MOST = 20_000  # reports at once: who was away for long catches up in several looks
COLUMNS = ",".join(trial_rows.COLUMNS)
TRIALS = f"SELECT {COLUMNS} FROM trials ORDER BY number"  # noqa: S608 - our own names
OUTLINES = f"SELECT {','.join(trial_rows.OUTLINE)} FROM trials ORDER BY number"  # noqa: S608 - as above
ONE = f"SELECT {COLUMNS} FROM trials WHERE number = ?"  # noqa: S608 - as above
# the + keeps SQLite from walking all trials in order instead of the few that changed
CHANGED = f"SELECT {COLUMNS} FROM trials WHERE changed > ? ORDER BY +number"  # noqa: S608 - as above
REPORTS = """SELECT seq, time, trial, attempt, step, value, metrics FROM reports
    WHERE seq > ? ORDER BY seq LIMIT ?"""

_metrics = msgspec.msgpack.Decoder(dict[str, float]).decode
read_study = msgspec.json.Decoder(StudyRow).decode
read_engine = msgspec.json.Decoder(EngineRow).decode


class Report(NamedTuple):
    """`value`: the objective's; None is missing or NaN."""

    seq: int
    time: float  # Unix seconds
    trial: int
    attempt: int
    step: int
    value: float | None
    metrics: dict[str, float]


@dataclass(frozen=True, slots=True)
class Changes:
    """`seq`: what to ask with next time. `study`, `engine`: None where they are as before."""

    seq: int
    rows: list[TrialRow] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    study: StudyRow | None = None
    engine: EngineRow | None = None

    def __bool__(self) -> bool:
        return bool(self.rows or self.reports or self.study or self.engine)


class Watch:
    """Looks again and again, and at little where little has changed."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._seen: tuple[int, int] | None = None  # data version, number
        self._about: dict[str, str] = {}

    def look(self, since: int | None, *, outlined: bool = False) -> Changes:
        # read first: what is written between this and the queries is seen now or next time
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if since is not None and self._seen == (version, since):
            return Changes(since)
        if since is None:
            self._about = {}
        self._db.execute("BEGIN")
        try:
            found = self._read(since, outlined=outlined)
        finally:
            self._db.execute("ROLLBACK")
        self._seen = None if len(found.reports) == MOST else (version, found.seq)
        return found

    def _read(self, since: int | None, *, outlined: bool) -> Changes:
        (seq,) = self._db.execute(schema.NEWEST).fetchone()
        study, engine = self._new("study"), self._new("engine")
        reports = [] if since is None or since >= seq else read_reports(self._db, since)
        return Changes(
            seq=reports[-1].seq if len(reports) == MOST else seq,
            rows=self._rows(since or 0, outlined=outlined) if since != seq else [],
            reports=reports,
            study=None if study is None else read_study(study),
            engine=None if engine is None else read_engine(engine),
        )

    def _rows(self, since: int, *, outlined: bool) -> list[TrialRow]:
        return read_outlines(self._db) if outlined else read_trials(self._db, since)

    def _new(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        if row is None or self._about.get(key) == row[0]:
            return None
        text: str = row[0]
        self._about[key] = text
        return text


def read_trials(db: sqlite3.Connection, since: int) -> list[TrialRow]:
    found = db.execute(CHANGED, (since,)) if since else db.execute(TRIALS)
    return [trial_rows.from_columns(row) for row in found]


def read_outlines(db: sqlite3.Connection) -> list[TrialRow]:
    return [trial_rows.from_outline(row) for row in db.execute(OUTLINES)]


def read_some(db: sqlite3.Connection, numbers: Iterable[int]) -> list[TrialRow]:
    found = (db.execute(ONE, (number,)).fetchone() for number in numbers)
    return [trial_rows.from_columns(row) for row in found if row is not None]


def read_reports(db: sqlite3.Connection, since: int) -> list[Report]:
    found = db.execute(REPORTS, (since, MOST))
    return [
        Report(seq, time, trial, attempt, step, value, _metrics(body))
        for seq, time, trial, attempt, step, value, body in found
    ]
