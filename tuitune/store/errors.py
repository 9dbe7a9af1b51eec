"""Errors of the store, with what to do about each."""

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec


class StoreError(Exception):
    """A study can't be stored or read; str() names the file, the reason, and what to do."""


class FactError(StoreError):
    """A fact of the journal can't be read."""


class HeldError(StoreError):
    """Another engine of this machine runs the study."""


WORDS = {
    sqlite3.SQLITE_FULL: "no space is left on its disk; free some, then run the same command again",
    sqlite3.SQLITE_READONLY: "it can't be written; make the file and its folder writable, or "
    "choose another place with --runs DIR",
    sqlite3.SQLITE_NOTADB: "it is damaged, or not a study's database; {repair}, or move the file "
    "away",
    sqlite3.SQLITE_CORRUPT: "it is damaged; {repair}, or put a copy of the study folder back",
    sqlite3.SQLITE_IOERR: "its disk can't be read or written (full, over quota or broken); mend "
    "that, then run the same command again",
    sqlite3.SQLITE_BUSY: "another program keeps it locked; close that program, then try again",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened; see that its folder is there and can be written, "
    "or choose another place with --runs DIR",
    sqlite3.SQLITE_CONSTRAINT: "another engine has written to it; stop that one, then run the same "
    "command again",
    sqlite3.SQLITE_PROTOCOL: "its file system can't lock files; choose a local folder with "
    "--runs DIR",
}


_OF_DAMAGE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_IOERR_SHORT_READ)  # a table, a page is missing


def _is_newer_format(path: Path) -> bool:
    """Whether the header says that this SQLite may only read it; no release of SQLite writes so.

    https://www.sqlite.org/fileformat.html, 1.3.3: byte 18 is 1 or 2.
    """
    try:
        with path.open("rb") as file:
            return file.read(19)[18:] not in {b"", b"\1", b"\2"}
    except OSError:
        return False


def explain(path: Path, error: sqlite3.Error) -> StoreError:
    """SQLite's error about the database at `path`, with a message for the user."""
    # text that is not UTF-8 has no code
    none = sqlite3.SQLITE_CORRUPT if isinstance(error, sqlite3.OperationalError) else 0
    code = getattr(error, "sqlite_errorcode", none)
    is_damaged = code in _OF_DAMAGE or (code == sqlite3.SQLITE_READONLY and _is_newer_format(path))
    code = sqlite3.SQLITE_CORRUPT if is_damaged else code & 0xFF  # extended ones sit above that
    text = WORDS.get(code, "it can't be used").format(repair=repair_words(path))
    return StoreError(f"{path}: {text} ({error})")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns errors of SQLite, and of rows that are damaged, into StoreError about `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from error
    except FactError as error:
        newer = "or a newer tuitune wrote it, which then reads it"
        raise StoreError(f"{path}: {error}; {damaged_words(path)}, {newer}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:  # a wrong type
        raise StoreError(
            f"{path}: {damaged_words(path)} (what a row holds can't be read: {error})"
        ) from error


@contextmanager
def consistent(path: Path) -> Iterator[None]:
    """Turns what facts that can't follow each other lead to into StoreError about `path`."""
    try:
        yield
    except (LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise StoreError(
            f"{path}: {damaged_words(path)} (its events contradict each other)"
        ) from error


def damaged_words(path: Path) -> str:
    """That a study's database is damaged, and what to do."""
    return WORDS[sqlite3.SQLITE_CORRUPT].format(repair=repair_words(path))


def repair_words(path: Path) -> str:
    """The command that mends the study's database at `path`."""
    name = shlex.quote(path.absolute().parent.name)
    return f"`tuitune repair {name}` saves what can be read"
