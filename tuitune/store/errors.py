"""Errors of the store, with what to do about each."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec


class StoreError(Exception):
    """A study can't be stored or read; str() names the file, the reason, and what to do."""


class HeldError(StoreError):
    """Another engine of this machine runs the study."""


WORDS = {
    sqlite3.SQLITE_FULL: "no space is left on its disk; free some, then run the same command again",
    sqlite3.SQLITE_READONLY: "it can't be written; make the file and its folder writable, or "
    "choose another place with --runs DIR",
    sqlite3.SQLITE_NOTADB: "it is not a study's database; move the file away, or choose another "
    "place with --runs DIR",
    sqlite3.SQLITE_CORRUPT: "it is damaged; put a copy of the study folder back, or start again "
    "with --new",
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


def explain(path: Path, error: sqlite3.Error) -> StoreError:
    """SQLite's error about the database at `path`, with a message for the user."""
    # text that is not UTF-8 has no code
    none = sqlite3.SQLITE_CORRUPT if isinstance(error, sqlite3.OperationalError) else 0
    code = getattr(error, "sqlite_errorcode", none) & 0xFF  # extended ones sit above the first byte
    text = WORDS.get(code, "it can't be used")
    return StoreError(f"{path}: {text} ({error})")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns errors of SQLite, and of rows that are damaged, into StoreError about `path`."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:  # a wrong type
        raise StoreError(
            f"{path}: {WORDS[sqlite3.SQLITE_CORRUPT]} (what a row holds can't be read: {error})"
        ) from error
