"""A study's database: its tables, how it is opened, and the file system that it lies on."""

import os
import sqlite3
from pathlib import Path

import msgspec

from tuitune.store.errors import StoreError, explained, repair_words
from tuitune.store.rows import LAYOUT, TABLE

_APPLICATION = 0x74756974  # "tuit", in the file's header
VERSION = 3  # of the journal
_KNOWN = (2, VERSION)  # 2: the same journal, and rows without a note of their layout
WAL_LIMIT = 64 * 1024 * 1024  # bytes
PATIENCE = 5.0  # seconds to wait for a lock

# The journal is `journal` and `reports`. Made from it are `trials`, `snapshots` and, in `about`,
# the row of the study.
# `value` is the objective's, NULL where it is missing or NaN; `metrics` has the whole report.
# A fact of several trials, or of none, has no `trial` here. No index by trial: it would cost every
# write a page more, and all of a trial lies between `born` and, once it has ended, `changed`.
# `can_save` holds a report's flags: 1: it came with `save`; 2: more reports of its step may follow;
# 4: its trial waits for a verdict.
# `kept` samples outlive the others.
TRIALS_INDEX = "CREATE INDEX trials_changed ON trials(changed)"
TABLES = (
    "CREATE TABLE about(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE journal(
        seq INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, trial INTEGER,
        body BLOB NOT NULL)""",
    """CREATE TABLE reports(
        seq INTEGER PRIMARY KEY, time REAL NOT NULL, trial INTEGER NOT NULL,
        attempt INTEGER NOT NULL, step INTEGER NOT NULL, value REAL, metrics BLOB NOT NULL,
        can_save INTEGER NOT NULL)""",
    f"CREATE TABLE {TABLE}",
    TRIALS_INDEX,
    """CREATE TABLE samples(
        time REAL NOT NULL, device TEXT NOT NULL, kept INTEGER NOT NULL, body BLOB NOT NULL,
        PRIMARY KEY(time, device)) WITHOUT ROWID""",
    "CREATE TABLE snapshots(seq INTEGER PRIMARY KEY, state BLOB NOT NULL)",
)
FIRST = "SELECT time FROM journal ORDER BY seq LIMIT 1"
_NEWEST = """SELECT max(
    coalesce((SELECT max(seq) FROM journal), 0),
    coalesce((SELECT max(seq) FROM reports), 0),
    coalesce((SELECT max(changed) FROM trials), 0))"""


def newest(db: sqlite3.Connection) -> int:
    """The number of the last fact, or of the last change without one."""
    (found,) = db.execute(_NEWEST).fetchone()
    return msgspec.convert(found, int)  # raises ValidationError where a table is damaged


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open the database at `path`, or make it. Raises StoreError, with the remedy."""
    with explained(path):
        db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
    try:
        with explained(path):
            if _is_new(db):
                _set_journal(db, path)
                _create(db)
            check(db, path)
            _set_journal(db, path)
            db.execute("BEGIN IMMEDIATE")  # fails now if the file can't be written
            db.execute("ROLLBACK")
    except BaseException:
        db.close()
        raise
    return db


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open the database at `path` without changing it. Raises StoreError, with the remedy."""
    if not path.exists():
        raise StoreError(f"{path}: there is no such database; is this a study's folder?")
    db = _connect_to_read(path, "mode=ro")
    try:
        with explained(path):
            check(db, path)
    except StoreError as error:
        db.close()
        if not _is_frozen(path, error):
            raise
        # a folder that can't be written has no room for SQLite's shared memory
        db = _connect_to_read(path, "mode=ro&immutable=1")
        try:
            with explained(path):
                check(db, path)
        except BaseException:
            db.close()
            raise
    return db


def check(db: sqlite3.Connection, path: Path) -> None:
    """Raises StoreError if this is not a study's database, or its journal's version is unknown."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if _is_new(db):
        raise StoreError(
            f"{path}: this database is empty, as of a study that is just being made: try again; "
            f"if no study starts there, remove it"
        )
    if application != _APPLICATION:
        raise StoreError(
            f"{path}: this is a database, but not a study's, or damaged; "
            f"{repair_words(path)}, or move it away"
        )
    if version not in _KNOWN:
        how = "a newer" if version > VERSION else "an older"
        raise StoreError(
            f"{path}: its journal is of version {version}, written by {how} tuitune; this one "
            f"reads version {VERSION}: use the tuitune that made the study, or start again with "
            f"--new; if the file is damaged, {repair_words(path)}"
        )


def has_this_layout(db: sqlite3.Connection) -> bool:
    """Whether the rows of trials and study can be read and written as they are."""
    found = db.execute("SELECT value FROM about WHERE key = 'layout'").fetchone()
    return bool(found == (LAYOUT,))


def mark_layout(db: sqlite3.Connection) -> None:
    """Note that rows have this version's layout, inside a transaction of the caller."""
    db.execute("REPLACE INTO about VALUES('layout', ?)", (LAYOUT,))
    db.execute(f"PRAGMA user_version = {VERSION}")


def _connect_to_read(path: Path, options: str) -> sqlite3.Connection:
    with explained(path):
        return sqlite3.connect(
            f"{path.resolve().as_uri()}?{options}",
            uri=True,
            timeout=PATIENCE,
            isolation_level=None,
            check_same_thread=False,
        )


def _is_frozen(path: Path, error: StoreError) -> bool:
    cause = error.__cause__
    code = int(getattr(cause, "sqlite_errorcode", 0)) & 0xFF
    return (
        code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        and not path.with_name(path.name + "-wal").exists()
    )


def _is_new(db: sqlite3.Connection) -> bool:
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return bool(tables == 0 and version == 0)


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")  # all of it or nothing, whenever the process dies
    try:
        for statement in TABLES:
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        mark_layout(db)
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _set_journal(db: sqlite3.Connection, path: Path) -> None:
    wanted = "TRUNCATE" if is_network(path.parent) else "WAL"
    (mode,) = db.execute(f"PRAGMA journal_mode = {wanted}").fetchone()
    # in WAL mode NORMAL keeps every commit through a crash of the process; elsewhere it may not
    db.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
    db.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT}")


MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset(
    (
        *("fuse", "nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph"),
        *("afs", "9p", "panfs", "gfs2", "ocfs2", "wekafs", "virtiofs", "vboxsf", "fakeowner"),
    )
)


def filesystem_kind(path: Path, mounts: str | None = None) -> str:
    """The type of file system that `path` lies on, "" if it is unknown.

    `mounts` is the text of /proc/self/mountinfo (proc_pid_mountinfo(5)).
    """
    if mounts is None:
        try:
            mounts = os.fsdecode(MOUNTS.read_bytes())
        except OSError:
            return ""
    target = str(path.resolve())
    found, length = "", -1
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:
            continue
        point = _unescaped(fields[4])
        # the later of two mounts on one point hides the earlier one
        if _holds(point, target) and len(point) >= length:
            found, length = right.split(" ")[0], len(point)
    return found


def is_network(path: Path) -> bool:
    """Whether several machines may see this path, so that SQLite's WAL must not be used."""
    name = filesystem_kind(path)
    return name in _NETWORK or name.startswith("fuse.")


def _holds(point: str, target: str) -> bool:
    return target == point or target.startswith(point.rstrip("/") + "/")


def _unescaped(point: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point
