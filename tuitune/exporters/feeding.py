"""Feeding a destination from the store: all that it lacks, step by step."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tuitune.exporters.destination import Destination, DestinationError, Source, batches
from tuitune.exporters.registry import Place, opener
from tuitune.store import errors, rows
from tuitune.store.folder import DATABASE, DOCUMENT
from tuitune.store.reader import MOST, Reader
from tuitune.studyfile import load

_LONGEST = 200  # characters of an error: some hold whole requests
_PART = 200  # reports, after which trials that have ended are told of: they may hold files open


class NotBegunError(DestinationError):
    """The study has no facts yet."""


class Feed:
    """What a destination has got of a study so far."""

    def __init__(self, reader: Reader, destination: Destination) -> None:
        self._reader = reader
        self._destination = destination
        self._reached = destination.reached()
        self._begun: set[int] = set()
        self._due: dict[int, rows.TrialRow] = {}  # to be updated once their reports are written

    def step(self) -> int:
        """Write what is new, up to MOST reports; returns how many facts may be left.

        Raises StoreError, and what the destination raises.
        """
        found = self._reader.changes(self._reached)
        started = [row for row in found.rows if row.started is not None]
        for row in started:
            if row.number not in self._begun:
                self._destination.begin(row)
                self._begun.add(row.number)
        self._due.update((row.number, row) for row in started)
        for part in batches(found.reports, _PART):
            self._destination.report(part)
            self._update(part[-1].seq)
        left = 0
        if len(found.reports) == MOST:
            left = self._reader.newest_number() - found.seq
        else:
            self._update(found.seq)
        if found.seq > self._reached:
            self._destination.flush(found.seq)
            self._reached = found.seq
        return left

    def _update(self, seq: int) -> None:
        """Update the trials all of whose reports are among the facts up to this number."""
        done = [row for row in self._due.values() if row.changed <= seq]
        for row in done:
            self._destination.update(row)
            del self._due[row.number]

    def all(self, told: Callable[[int], None] = lambda _left: None) -> None:
        """Write all that is there now. `told` gets how many facts are left, after each step."""
        while left := self.step():
            told(left)


@contextmanager
def feeding(folder: Path, place: Place) -> Iterator[Feed]:
    """A feed of the study of this folder.

    Raises StoreError, StudyFileError, NotBegunError, and DestinationError for all that the
    destination raises.
    """
    reader = Reader.open(folder / DATABASE)
    try:
        spec = load(folder / DOCUMENT, check_target=False)
        began = reader.began()
        if began is None:
            raise NotBegunError(f"{folder.name}: has not begun yet; there is nothing to write")
        source = Source(folder.name, folder, spec, f"{began:.6f}")
        with _alone(folder, place), _explained(place):
            destination = opener(place.name)(source, place.where)
            try:
                yield Feed(reader, destination)
            finally:
                destination.close()
    finally:
        reader.close()


@contextmanager
def _alone(folder: Path, place: Place) -> Iterator[None]:
    """Keep other processes from writing the study to the same tool. Raises DestinationError.

    Without a lock where the study folder can't be written: it is another user's then.
    """
    try:
        file = (folder / f".{place.name}.lock").open("w", encoding="utf-8")
    except OSError:
        yield
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            words = "another process writes it, as the engine does for [log]"
            raise DestinationError(f"{place.name}: {folder.name}: {words}") from error
        except OSError:
            pass  # the file system has no locks
        yield


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    try:
        yield
    except (DestinationError, errors.StoreError):
        raise
    except Exception as error:
        words = str(error).strip().partition("\n")[0]
        kind = type(error).__name__
        said = f"{kind}: {words[:_LONGEST]}" if words else kind
        raise DestinationError(f"{place.name}: {place.where}: {said}") from error
