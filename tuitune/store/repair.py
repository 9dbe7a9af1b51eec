"""A damaged database of a study, written anew from all events that are whole."""

import contextlib
import heapq
import os
import shutil
import sqlite3
from collections.abc import Callable
from itertools import count, repeat
from pathlib import Path
from typing import Any

import msgspec

from tuitune.core import events as ev
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study
from tuitune.store import facts, owner, schema
from tuitune.store.errors import StoreError, explained
from tuitune.store.folder import DATABASE
from tuitune.store.journal import ADD_FACT, ADD_REPORT, Journal
from tuitune.store.pages import Pages, TornError
from tuitune.store.reader import Reader
from tuitune.store.rows import IMPORTANCE

_TABLES = {  # what the columns of a row hold
    "journal": tuple[int, float, str, int | None, bytes],
    "reports": tuple[int, float, int, int, int, float | None, bytes, int],
}
_MADE_ANEW = {"layout", "snapshot", "study", "engine", IMPORTANCE}  # in `about`
_LOGS = ("-wal", "-journal", "-shm")  # ends of the names of files beside a database

_Rows = dict[str, list[tuple[Any, ...]]]  # by table
_Roots = tuple[int, ...]


class Repaired(msgspec.Struct, frozen=True):
    """What a repair has saved."""

    damaged: Path  # where the damaged database is kept
    trials: int
    reports: int
    until: float  # the time of the last event that is saved, Unix seconds
    is_whole: bool  # no event is missing
    unused: int  # later events that were read: some before them are missing


class _Salvaged(msgspec.Struct):
    rows: _Rows
    torn: bool
    unused: int = 0

    @property
    def saved(self) -> int:
        return sum(map(len, self.rows.values()))


def repair(folder: Path, spec: StudySpec) -> Repaired | None:
    """Write the study's database anew; the damaged one is kept. None: nothing is damaged.

    Raises StoreError: an engine runs the study, nothing can be saved, the disk is full.
    """
    path = folder / DATABASE
    copy, new = path.with_name("study.db.copy"), path.with_name("study.db.new")
    held = owner.claim(folder)
    try:
        _remove(copy, new)
        with explained(new):
            return _repair(path, copy, new, spec)
    except OSError as error:
        raise StoreError(f"{error.filename or path}: {error.strerror}") from error
    finally:
        _remove(copy, new)
        held.release()


def _repair(path: Path, copy: Path, new: Path, spec: StudySpec) -> Repaired | None:
    first, roots = _empty(new)
    roots_then = _merged(path, copy, first)
    pages = Pages(copy.read_bytes())
    found = max((_salvage(pages, one, spec) for one in {roots, roots_then or roots}), key=_saved)
    if roots_then is not None and not found.torn and _is_sound(copy, new):
        return None
    if found.torn and roots_then is not None:
        _refuse_newer(path, copy)
    if not found.saved:
        raise StoreError(
            f"{path}: no event of it can be read any more; put a copy of the study folder back, "
            f"or start again with --new"
        )
    trials = _write(new, copy, found.rows, spec)
    reports = len(found.rows["reports"])
    until = max(rows[-1][1] for rows in found.rows.values() if rows)
    return Repaired(_swap(path, new), trials, reports, until, not found.torn, found.unused)


def _refuse_newer(path: Path, copy: Path) -> None:
    """What this version can't read may be whole."""
    with contextlib.closing(sqlite3.connect(copy)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > schema.VERSION:
        raise StoreError(
            f"{path}: its journal is of version {version}: let the newer tuitune that wrote it "
            f"repair it"
        )


def _saved(found: _Salvaged) -> tuple[int, bool]:
    return found.saved, not found.torn


def _empty(new: Path) -> tuple[bytes, _Roots]:
    """The first page of a new database, and where its tables begin."""
    with contextlib.closing(schema.open_to_write(new)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        roots = _roots(db)
        (size,) = db.execute("PRAGMA page_size").fetchone()
    page = bytearray(new.read_bytes()[:size])
    page[92:96] = b"\xff" * 4  # so that the number of pages in it does not count
    assert roots is not None
    return bytes(page), roots


def _merged(path: Path, copy: Path, first: bytes) -> _Roots | None:
    """Copy the database with its log in it. Returns where its tables begin; None: unreadable.

    A first page that can't be read is replaced by that of another database: all are alike.
    """
    for tail in ("", *_LOGS):
        if os.path.exists(f"{path}{tail}"):  # noqa: PTH110
            shutil.copyfile(f"{path}{tail}", f"{copy}{tail}")
    if (roots := _checkpoint(copy)) is None:
        with copy.open("r+b") as file:
            file.write(first)
        _checkpoint(copy)
    return roots


def _checkpoint(copy: Path) -> _Roots | None:
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as db,
    ):
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return _roots(db)
    return None


def _roots(db: sqlite3.Connection) -> _Roots | None:
    """The page at which each table of _TABLES begins. Raises sqlite3.Error."""
    found = dict(db.execute("SELECT name, rootpage FROM sqlite_master").fetchall())
    roots = tuple(root for name in _TABLES if isinstance(root := found.get(name), int))
    return roots if len(roots) == len(_TABLES) else None


def _salvage(pages: Pages, roots: _Roots, spec: StudySpec) -> _Salvaged:
    """All events before the first that is damaged, or contradicts those before it."""
    read: _Rows = {}
    end = facts.LAST
    for name, root in zip(_TABLES, roots, strict=True):
        read[name], torn = _read(pages, root, name)
        if torn:
            end = min(end, read[name][-1][0] if read[name] else 0)
    end = _last_event(read, end, spec)
    whole = {name: [row for row in read[name] if row[0] <= end] for name in _TABLES}
    unused = sum(len(read[name]) - len(whole[name]) for name in _TABLES)
    return _Salvaged(whole, end < facts.LAST, unused)


def _read(pages: Pages, root: int, name: str) -> tuple[list[tuple[Any, ...]], bool]:
    """The rows of a table up to where it is damaged, and whether it is."""
    found: list[tuple[Any, ...]] = []
    try:
        for seq, (_, *columns) in pages.rows(root):
            found.append(msgspec.convert((seq, *columns), _TABLES[name]))
    except (TornError, msgspec.ValidationError, ValueError):
        return found, True
    return found, False


def _last_event(read: _Rows, end: int, spec: StudySpec) -> int:
    """The number of the last that can be used, all decisions on it included.

    `end`: what lies after it is damaged. Where nothing is, it is returned as it is.
    """
    study, begun = Study(spec), 1
    tables = (zip(repeat(name), found, strict=False) for name, found in read.items())
    for table, row in heapq.merge(*tables, key=_number):
        if row[0] > end:
            return begun - 1
        try:
            fact = facts.from_row(table, row)
            study.evolve(fact)
        except Exception:  # noqa: BLE001 - whatever a damaged event leads to
            return begun - 1
        if isinstance(fact, ev.Event):
            begun = row[0]
    return end if end == facts.LAST else begun - 1


def _number(row: tuple[str, tuple[Any, ...]]) -> int:
    seq: int = row[1][0]
    return seq


def _is_sound(path: Path, new: Path) -> bool:
    """Whether SQLite and all readers find nothing wrong, and no column of a new one is missing."""
    try:
        with contextlib.closing(schema.open_to_write(path)) as db:
            (words,) = db.execute("PRAGMA integrity_check").fetchone()
            db.execute("SELECT state FROM snapshots").fetchall()  # that does not read all of it
            there = _columns(db)
        with contextlib.closing(schema.open_to_read(new)) as db:
            if not _columns(db) <= there:
                return False
        reader = Reader.open(path)
    except (sqlite3.Error, StoreError):
        return False
    with contextlib.closing(reader), contextlib.suppress(StoreError):
        reader.changes()
        reader.samples()
        return bool(words == "ok")
    return False


def _columns(db: sqlite3.Connection) -> set[tuple[str, str]]:
    return set(
        db.execute("SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c")
    )


def _write(new: Path, copy: Path, found: _Rows, spec: StudySpec) -> int:
    """Fill the new database; the number of its trials. Raises StoreError, sqlite3.Error."""
    with contextlib.closing(schema.open_to_write(new)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.executemany(ADD_FACT, found["journal"])
        db.executemany(ADD_REPORT, found["reports"])
        db.executemany("INSERT INTO about VALUES(?,?)", _readable(copy, "about", _is_kept))
        db.executemany(
            "INSERT INTO samples VALUES(?,?,?,?)", _readable(copy, "samples", _is_sample)
        )
        db.execute("DELETE FROM about WHERE key = 'layout'")  # so that the rows are made
        db.execute("COMMIT")
    with contextlib.closing(Journal.open(new, spec.objective.metric)) as journal:
        journal.rebuild(spec)
    with new.open("rb") as file:
        os.fsync(file.fileno())
    with contextlib.closing(Reader.open(new)) as reader:
        return len(reader.trials())


def _readable(
    copy: Path, table: str, is_whole: Callable[[tuple[Any, ...]], bool]
) -> list[tuple[Any, ...]]:
    """The rows of a table that may lack some."""
    found: list[tuple[Any, ...]] = []
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(copy)) as db:
        for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - our own names
            found += [row] if is_whole(row) else []
    return found


def _is_kept(row: tuple[Any, ...]) -> bool:
    key, value = row
    return isinstance(value, str) and key not in _MADE_ANEW


def _is_sample(row: tuple[Any, ...]) -> bool:
    try:
        msgspec.msgpack.decode(row[-1], type=DeviceSample)
    except (msgspec.MsgspecError, TypeError, UnicodeDecodeError):
        return False
    return all(column is not None for column in row)


def _swap(path: Path, new: Path) -> Path:
    """Put the new database in place of the damaged one. Returns the name that this has now."""
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    damaged = next(name for name in names if not name.exists())
    for tail in (*_LOGS, ""):
        with contextlib.suppress(FileNotFoundError):
            os.rename(f"{path}{tail}", f"{damaged}{tail}")  # noqa: PTH104
    new.rename(path)
    return damaged


def _remove(*paths: Path) -> None:
    for path in paths:
        for tail in ("", *_LOGS):
            Path(f"{path}{tail}").unlink(missing_ok=True)
