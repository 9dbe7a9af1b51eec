"""The writer of a study's database: one transaction for each group of facts."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import msgspec

from tuitune.core.events import AnyFact
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.core.search.importance import Importance
from tuitune.core.spec import StudySpec
from tuitune.store import errors, facts as fact_rows, rows as trial_rows, schema
from tuitune.store.facts import Samples
from tuitune.store.projection import Projection, state_layout
from tuitune.store.rows import (
    IMPORTANCE,
    EngineRow,
    Progress,
    StudyRow,
    TrialRow,
    read_importance,
)

ADD_FACT = "INSERT INTO journal VALUES(?,?,?,?,?)"
ADD_REPORT = "INSERT INTO reports VALUES(?,?,?,?,?,?,?,?)"
_PUT_TRIAL = f"REPLACE INTO trials VALUES({','.join('?' * len(trial_rows.COLUMNS))})"
_ADVANCE = """UPDATE trials SET value = ?2, step = ?3, best = ?4, rung = ?5, gpu_seconds = ?6,
    changed = ?7 WHERE number = ?1"""
_PUT_ABOUT = "REPLACE INTO about VALUES(?,?)"
_WAL_CHECK = 64  # writes between two looks at the size of the log


class Journal:
    """The only writer of a study's database; used by one thread.

    `seq` is the number of the last fact. What `write` has returned from survives `kill -9`.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, metric: str) -> None:
        self._db = db
        self._path = path
        self._metric = metric
        self._log = path.with_name(path.name + "-wal")
        self._until_check = _WAL_CHECK
        self._log_limit = schema.WAL_LIMIT
        self._samples = Samples(db)
        with errors.explained(path):
            # checked, since a damaged value would be written again
            self.seq = schema.newest(db)
            self._born: dict[int, int] = msgspec.convert(
                dict(db.execute("SELECT number, born FROM trials").fetchall()), dict[int, int]
            )

    @staticmethod
    def open(path: Path, metric: str) -> Journal:
        """Open the database at `path`, or make it; `metric` is the objective's name.

        Raises StoreError: not to be written, not a study's database, of an unknown version,
        on a full disk.
        """
        db = schema.open_to_write(path)
        try:
            return Journal(db, path, metric)
        except BaseException:
            db.close()
            raise

    def write(
        self,
        facts: Sequence[AnyFact],
        rows: Sequence[TrialRow],
        study: StudyRow | None = None,
        progress: Sequence[Progress] = (),
    ) -> None:
        """Append the facts, numbered on from `seq`, and put the rows: all or nothing.

        progress: of trials that have a row and are not among `rows`.
        Without facts the changed rows still take a number, so that readers see them. Raises
        StoreError (disk full, not writable); then the database and `seq` are as before.
        """
        if not facts and not rows and not progress:
            return
        last = self.seq + (len(facts) or 1)
        journal, reports = fact_rows.to_columns(facts, self.seq, self._metric)
        born = self._born
        for row in rows:  # a trial's first row comes with its first fact
            born.setdefault(row.number, self.seq + 1)
        trials = [trial_rows.to_columns(row, born[row.number], last) for row in rows]
        execute, executemany = self._db.execute, self._db.executemany
        try:
            execute("BEGIN IMMEDIATE")
            if journal:
                executemany(ADD_FACT, journal)
            if reports:
                executemany(ADD_REPORT, reports)
            if trials:
                executemany(_PUT_TRIAL, trials)
            if progress:
                executemany(_ADVANCE, [(*columns, last) for columns in progress])
            if study is not None:
                execute(_PUT_ABOUT, ("study", _json(study)))
            execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - raised again once rolled back
            self._give_up(error)
        self.seq = last
        self._until_check -= 1
        if not self._until_check:
            self._until_check = _WAL_CHECK
            self._tidy()

    def sync(self) -> None:
        """Make what was written survive a power cut. Raises StoreError.

        On any thread: the database itself is not touched. Without a log (on network file systems)
        every transaction is synced anyway.
        """
        try:
            # never study.db itself: closing a file drops all POSIX locks that this process has on
            # it, SQLite's too, and the next to close the database would delete the log in use
            _sync(self._log)
            _sync(self._log.parent)  # it may be new there
        except FileNotFoundError:
            return
        except OSError as error:
            raise errors.StoreError(
                f"{self._log}: can't be synced to its disk: {error.strerror}"
            ) from error

    def rebuild(self, spec: StudySpec) -> None:
        """Make the rows again from the facts if another version stored them in another layout.

        To be called before anything is written. Raises StoreError.
        """
        with errors.explained(self._path):
            if schema.has_this_layout(self._db):
                return
            projection = Projection(spec)
            trials = projection.fold(fact_rows.read_facts(self._db, 0))
        with self._transaction():
            self._db.execute("DROP TABLE trials")
            self._db.execute(f"CREATE TABLE {trial_rows.TABLE}")
            self._db.execute(schema.TRIALS_INDEX)
            self._db.executemany(_PUT_TRIAL, trials)
            self._db.execute(_PUT_ABOUT, ("study", _json(projection.study_row())))
            self._db.execute("DELETE FROM snapshots")
            schema.mark_layout(self._db)
        self._born = projection.born

    def drop_snapshot(self) -> None:
        """Let the next `restore` read every fact. Raises StoreError."""
        with self._transaction():
            self._db.execute("DELETE FROM snapshots")

    def snapshot(self, blob: bytes) -> None:
        """Store the study's state as of `seq`, in place of any earlier one. Raises StoreError."""
        with self._transaction():
            self._db.execute("DELETE FROM snapshots")
            self._db.execute("INSERT INTO snapshots VALUES(?,?)", (self.seq, blob))
            self._db.execute(_PUT_ABOUT, ("snapshot", state_layout()))

    def sample(self, samples: Sequence[DeviceSample]) -> None:
        """Store device samples; old ones are thinned, then removed. Raises StoreError."""
        with self._transaction():
            self._samples.add(samples)

    def tell(self, engine: EngineRow) -> None:
        """Store the engine's own state, in place of the earlier one. Raises StoreError."""
        self.put("engine", _json(engine))

    def keep_importance(self, importance: Importance) -> None:
        """Store it in place of an earlier one. Raises StoreError."""
        self.put(IMPORTANCE, _json(importance))

    def importance(self) -> Importance | None:
        """The stored snapshot; None without one, or if another version has stored it."""
        return read_importance(self.get(IMPORTANCE))

    def restore(self) -> tuple[bytes | None, Iterator[AnyFact]]:
        """The newest snapshot, None if this version has none, and every fact after it."""
        layout = self.get("snapshot")
        if layout is None or layout != state_layout():
            return None, self._facts(0)
        with errors.explained(self._path):
            row = self._db.execute("SELECT seq, state FROM snapshots ORDER BY seq DESC").fetchone()
        seq, blob = row or (0, None)
        return blob, self._facts(seq)

    def history(self) -> Iterator[AnyFact]:
        """Every fact from the beginning, in order."""
        return self._facts(0)

    def put(self, key: str, value: str) -> None:
        """Store a small text about the study, in place of an earlier one under this key."""
        with errors.explained(self._path):
            self._db.execute(_PUT_ABOUT, (key, value))

    def get(self, key: str) -> str | None:
        """A small text about the study; None if there is none under this key."""
        with errors.explained(self._path):
            row = self._db.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def close(self) -> None:
        """Close the database; the write-ahead log is emptied unless a reader still uses it."""
        with suppress(sqlite3.Error):  # the database is complete with its log
            self._empty_log()
        self._db.close()

    def _facts(self, since: int) -> Iterator[AnyFact]:
        with errors.explained(self._path):
            for _, fact in fact_rows.read_facts(self._db, since):
                yield fact

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - raised again once rolled back
            self._give_up(error)

    def _give_up(self, error: BaseException) -> NoReturn:
        """Roll the transaction back, and raise the error as a StoreError if it is one."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise errors.explain(self._path, error) from error
        if isinstance(error, (OverflowError, ValueError)):
            raise errors.StoreError(f"{self._path}: a value can't be kept: {error}") from error
        raise error

    def _tidy(self) -> None:
        """Empty a log that grew because of a long read; tried again after it has grown more."""
        try:
            size = self._log.stat().st_size
        except OSError:
            return
        if size <= self._log_limit:
            return
        with errors.explained(self._path):
            busy = self._empty_log()
        self._log_limit = size + schema.WAL_LIMIT // 8 if busy else schema.WAL_LIMIT

    def _empty_log(self) -> bool:
        """Returns whether a reader kept the log from being emptied."""
        self._db.execute("PRAGMA busy_timeout = 0")  # do not wait for a reader
        (busy, _, _) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._db.execute(f"PRAGMA busy_timeout = {int(schema.PATIENCE * 1000)}")
        return bool(busy)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _json(row: msgspec.Struct) -> str:
    return msgspec.json.encode(row).decode()
