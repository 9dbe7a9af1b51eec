"""The protocol of destinations: other tools that a study is written to."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from tuitune.core.events import ENDED, TrialState
from tuitune.core.spec import StudySpec
from tuitune.store import reader, rows

_Item = TypeVar("_Item")


class DestinationError(Exception):
    """A destination that can't be opened or written; str() says why, and what to do."""


class Source(NamedTuple):
    """The study that a destination is opened for."""

    name: str
    folder: Path  # the study folder
    spec: StudySpec
    identity: str  # differs between studies of the same name

    @property
    def tag(self) -> str:
        """What a destination marks the study with, to find it again."""
        return f"{self.name}/{self.identity}"


class Destination(Protocol):
    """A tool that keeps the trials of one study. Any method may raise any exception.

    What was written before a failure may be written again: a destination keeps it once if its tool
    can do that.
    """

    def reached(self) -> int:
        """The `reached` of the last flush, by any process; 0 for none."""

    def begin(self, trial: rows.TrialRow) -> None:
        """A trial that has started: once in the life of this object, before its reports."""

    def report(self, reports: Sequence[reader.Report]) -> None:
        """Reports in the order in which they came, of trials that have begun."""

    def update(self, trial: rows.TrialRow) -> None:
        """A trial that has changed, once all of its reports so far were given.

        One that has ended may go on later.
        """

    def flush(self, reached: int) -> None:
        """Keep all that was given, so that it needs not be given again."""

    def close(self) -> None:
        """Nothing follows. Running trials stay unfinished."""


def has_ended(trial: rows.TrialRow) -> bool:
    """Whether it is complete, pruned, failed or killed."""
    return trial.state in ENDED


def has_failed(trial: rows.TrialRow) -> bool:
    """Whether it has ended without a result: failed, or killed."""
    return trial.state in (TrialState.FAILED, TrialState.KILLED)


def batches(items: Iterable[_Item], most: int) -> Iterator[list[_Item]]:
    """The items in lists of at most so many."""
    left = iter(items)
    while batch := list(islice(left, most)):
        yield batch
