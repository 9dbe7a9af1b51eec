"""Rows of another version's layout, made again in memory for a database that is only read."""

import sqlite3
from pathlib import Path

import msgspec

from tuitune.store import errors, facts, folder, rows, schema
from tuitune.store.projection import Projection
from tuitune.studyfile import StudyFileError, load

# In SQLite's temporary database a table hides one of the same name in the study's own.
_HIDING = (
    "PRAGMA temp_store = MEMORY",
    f"CREATE TEMP TABLE {rows.TABLE}",
    schema.TRIALS_INDEX.replace("INDEX ", "INDEX temp."),
    "CREATE TEMP TABLE study(value TEXT)",
    """CREATE TEMP VIEW about AS SELECT key, value FROM main.about WHERE key <> 'study'
        UNION ALL SELECT 'study', value FROM study""",
)
_PUT = f"REPLACE INTO temp.trials VALUES({','.join('?' * len(rows.COLUMNS))})"


class RebuiltRows:
    """Rows made again for one connection; an engine of another version may still write facts."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        try:
            spec = load(path.with_name(folder.DOCUMENT), check_target=False)
        except StudyFileError as error:
            raise errors.StoreError(
                f"{path}: another version of tuitune has stored its table of trials, and this one "
                f"can't make it again without the study file: {error}"
            ) from error
        self._db = db
        self._path = path
        self._projection = Projection(spec)
        for statement in _HIDING:
            db.execute(statement)

    def follow(self) -> None:
        """Take in the facts that are new. Raises StoreError, sqlite3.Error."""
        projection, before = self._projection, self._projection.seq
        with errors.explained(self._path), errors.consistent(self._path):
            trials = projection.fold(facts.read_facts(self._db, before))
        if projection.seq == before:
            return
        self._db.executemany(_PUT, trials)
        study = msgspec.json.encode(projection.study_row()).decode()
        self._db.execute("DELETE FROM study")
        self._db.execute("INSERT INTO study VALUES(?)", (study,))
