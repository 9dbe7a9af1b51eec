"""The reader of a study's database: it never writes, and waits for no engine that does."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from tuitune.core.events import AnyFact
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.core.search.importance import Importance
from tuitune.store import curves as curve_rows, facts as fact_rows, rows as trial_rows, schema
from tuitune.store.curves import Curve
from tuitune.store.errors import explained
from tuitune.store.facts import LAST, ReportColumns
from tuitune.store.rows import IMPORTANCE, EngineRow, StudyRow, TrialRow, read_importance

MOST = 20_000  # reports of one call; more of them take several calls
COLUMNS = ",".join(trial_rows.COLUMNS)
TRIALS = f"SELECT {COLUMNS} FROM trials ORDER BY number"  # noqa: S608 - our own names
_OUTLINES = f"SELECT {','.join(trial_rows.OUTLINE)} FROM trials ORDER BY number"  # noqa: S608 - as above
_ONE = f"SELECT {COLUMNS} FROM trials WHERE number = ?"  # noqa: S608 - as above
# the + keeps SQLite from walking all trials in order instead of the few that changed
_CHANGED = f"SELECT {COLUMNS} FROM trials WHERE changed > ? ORDER BY +number"  # noqa: S608 - as above
_REPORTS = """SELECT seq, time, trial, attempt, step, value, metrics FROM reports
    WHERE seq > ? ORDER BY seq LIMIT ?"""

_metrics = msgspec.msgpack.Decoder(dict[str, float]).decode


class Report(NamedTuple):
    """One report. `value`: the objective's; None if it is missing or NaN."""

    seq: int
    time: float  # Unix seconds
    trial: int
    attempt: int
    step: int
    value: float | None
    metrics: dict[str, float]


class Changes(msgspec.Struct, frozen=True):
    """What has changed. `seq`: `since` of the next call. `study`, `engine`: None if unchanged."""

    seq: int
    rows: list[TrialRow] = []
    reports: list[Report] = []
    study: StudyRow | None = None
    engine: EngineRow | None = None

    def __bool__(self) -> bool:
        return bool(self.rows or self.reports or self.study or self.engine)


class _Watch:
    """Repeated looks at a database, each of which reads only what has changed."""

    def __init__(self, db: sqlite3.Connection, follow: Callable[[], None]) -> None:
        self._db = db
        self._follow = follow
        self._seen: tuple[int, int] | None = None  # data version, number
        self._about: dict[str, str] = {}

    def look(self, since: int | None, *, outlined: bool = False) -> Changes:
        """As Reader.changes."""
        # read first: a write between this and the queries is seen now or in the next call
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if since is not None and self._seen == (version, since):
            return Changes(since)
        if since is None:
            self._about = {}
        self._db.execute("BEGIN")
        try:
            self._follow()
            found = self._read(since, outlined=outlined)
        finally:
            self._db.execute("COMMIT")
        self._seen = None if len(found.reports) == MOST else (version, found.seq)
        return found

    def _read(self, since: int | None, *, outlined: bool) -> Changes:
        seq = schema.newest(self._db)
        study, engine = self._new("study"), self._new("engine")
        reports = [] if since is None or since >= seq else _read_reports(self._db, since)
        return Changes(
            seq=reports[-1].seq if len(reports) == MOST else seq,
            rows=self._rows(since or 0, outlined=outlined) if since != seq else [],
            reports=reports,
            study=None if study is None else msgspec.json.decode(study, type=StudyRow),
            engine=None if engine is None else msgspec.json.decode(engine, type=EngineRow),
        )

    def _rows(self, since: int, *, outlined: bool) -> list[TrialRow]:
        return _read_outlines(self._db) if outlined else _read_trials(self._db, since)

    def _new(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        if row is None or self._about.get(key) == row[0]:
            return None
        text: str = row[0]
        self._about[key] = text
        return text


def _read_trials(db: sqlite3.Connection, since: int) -> list[TrialRow]:
    found = db.execute(_CHANGED, (since,)) if since else db.execute(TRIALS)
    return [trial_rows.from_columns(row) for row in found]


def _read_outlines(db: sqlite3.Connection) -> list[TrialRow]:
    return [trial_rows.from_outline(row) for row in db.execute(_OUTLINES)]


def _read_some(db: sqlite3.Connection, numbers: Iterable[int]) -> list[TrialRow]:
    found = (db.execute(_ONE, (number,)).fetchone() for number in numbers)
    return [trial_rows.from_columns(row) for row in found if row is not None]


def _read_reports(db: sqlite3.Connection, since: int) -> list[Report]:
    found = db.execute(_REPORTS, (since, MOST))
    return [
        Report(seq, time, trial, attempt, step, value, _metrics(body))
        for seq, time, trial, attempt, step, value, body in found
    ]


__all__ = ["Changes", "Curve", "Reader", "Report"]


class Reader:
    """A study's database, read only. Values are the objective's; None is missing or NaN.

    Every method raises StoreError if the database can't be read any more.
    """

    def __init__(
        self, db: sqlite3.Connection, path: Path, follow: Callable[[], None] = lambda: None
    ) -> None:
        self._db = db
        self._path = path
        self._follow = follow  # see RebuiltRows
        self._watch = _Watch(db, follow)

    @staticmethod
    def open(path: Path) -> Reader:
        """Open it. Raises StoreError: missing, not a study's, or of an unknown version."""
        db = schema.open_to_read(path)
        try:
            with explained(path):
                if schema.has_this_layout(db):
                    return Reader(db, path)
                from tuitune.store.rebuilt import RebuiltRows  # noqa: PLC0415 - of old studies only

                return Reader(db, path, RebuiltRows(db, path).follow)
        except BaseException:
            db.close()
            raise

    def changes(self, since: int | None = None, *, outlined: bool = False) -> Changes:
        """What has changed after number `since`; None: everything, without reports.

        `outlined`: every trial's row, with only the columns of `rows.OUTLINE`.
        """
        with explained(self._path):
            return self._watch.look(since, outlined=outlined)

    def study(self) -> StudyRow:
        """The study's row; the defaults before an engine has stored one."""
        with self._rows():
            text = self.get("study")
            return StudyRow() if text is None else msgspec.json.decode(text, type=StudyRow)

    def engine(self) -> EngineRow | None:
        """What the newest engine has stored about itself; None if there was none."""
        text = self.get("engine")
        with explained(self._path):
            return None if text is None else msgspec.json.decode(text, type=EngineRow)

    def trials(self, since: int = 0) -> list[TrialRow]:
        """The trials that changed after change number `since`, by trial number."""
        with self._rows():
            return _read_trials(self._db, since)

    def some(self, numbers: Iterable[int]) -> list[TrialRow]:
        """These trials, without those that do not exist."""
        with self._rows():
            return _read_some(self._db, numbers)

    def curves(self, until: int | None = None, points: int | None = None) -> dict[int, Curve]:
        """Every trial's curve, by trial, of the facts up to number `until`.

        `points`: a longer curve is thinned to at least so many points, and less than twice as many.
        """
        with explained(self._path):
            return curve_rows.read_all(self._db, until, points)

    def reports(self, since: int = 0) -> Iterator[Report]:
        """Every report numbered above `since`, in the order they came; read in parts."""
        while True:
            with explained(self._path):
                found = _read_reports(self._db, since)
            yield from found
            if len(found) < MOST:
                return
            since = found[-1].seq

    def began(self) -> float | None:
        """The time of the study's first fact (Unix seconds); None before it."""
        with explained(self._path):
            row = self._db.execute(schema.FIRST).fetchone()
        return None if row is None else float(row[0])

    def newest_number(self) -> int:
        """The number of the newest fact; 0 before the first."""
        with explained(self._path):
            return schema.newest(self._db)

    def curve(self, trial: int, metric: str | None = None) -> list[tuple[int, int, float | None]]:
        """(attempt, step, value) of every report of a trial, in the order they came."""
        with self._rows():
            return curve_rows.read_one(self._db, trial, metric)

    def metrics_of(self, trial: int, since: int = 0) -> list[tuple[int, int, dict[str, float]]]:
        """(number, step, metrics) of a trial's reports numbered above `since`, in order."""
        with self._rows():
            return curve_rows.read_metrics(self._db, trial, since)

    def metrics(self) -> list[str]:
        """Names of the metrics in the newest reports."""
        with explained(self._path):
            return curve_rows.read_names(self._db)

    def longest_pause(self) -> float | None:
        """The most seconds between two reports of an attempt; None if none has reported twice."""
        with explained(self._path):
            return curve_rows.longest_pause(self._db)

    def repeated(self) -> tuple[int, int] | None:
        """A trial and one of its steps that it has reported several times in one attempt."""
        with explained(self._path):
            return curve_rows.repeated(self._db)

    def facts(self, since: int = 0) -> list[tuple[int, AnyFact]]:
        """(number, fact) of every fact numbered above `since`, in order."""
        with explained(self._path):
            return list(fact_rows.read_facts(self._db, since))

    def history(self, metric: str) -> Iterator[AnyFact | ReportColumns]:
        """Every fact in order; a report as (time, trial, step, objective `metric`)."""
        with explained(self._path):
            yield from fact_rows.read_history(self._db, metric)

    def facts_of(self, trial: int) -> list[tuple[int, AnyFact]]:
        """(number, fact) of every fact of a trial except its reports, in order."""
        with self._rows():
            return fact_rows.of_trial(self._db, trial)

    def attempts(self, since: int = 0) -> list[tuple[int, float, int, tuple[str, ...] | None]]:
        """(number, time, trial, devices) of launches and exits above `since`; see `facts`."""
        with explained(self._path):
            return fact_rows.attempts(self._db, since)

    def newest(self, count: int, before: int | None = None) -> list[tuple[int, AnyFact]]:
        """(number, fact) of the last notable facts of the study, the newest first."""
        from tuitune.messages.facts import NOTABLE  # noqa: PLC0415 - few readers need it

        with explained(self._path):
            last = LAST if before is None else before
            return fact_rows.newest(self._db, count, NOTABLE, last)

    def samples(
        self, since: float = 0.0, devices: Sequence[str] | None = None
    ) -> list[DeviceSample]:
        """Device samples later than `since` (Unix seconds) that are still kept, in order.

        devices: of these alone.
        """
        with explained(self._path):
            return fact_rows.read_samples(self._db, since, devices)

    def importance(self) -> Importance | None:
        """Importance of the parameters, as last computed by an engine; None before that."""
        return read_importance(self.get(IMPORTANCE))

    def get(self, key: str) -> str | None:
        """A small text about the study; None if none was put under this key."""
        with explained(self._path):
            row = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def _rows(self) -> Iterator[None]:
        with explained(self._path):
            self._follow()
            yield

    def close(self) -> None:
        """Close the database; nothing can be read after it."""
        self._db.close()
