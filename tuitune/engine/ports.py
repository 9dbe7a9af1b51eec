"""What an engine works with: the ports that a simulation fills in its own way, and its timeouts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from tuitune.core.events import AnyFact, Settings
    from tuitune.core.search.proposal import History, Past, Proposal, Searcher
    from tuitune.core.study import Study
    from tuitune.store.rows import StudyRow, TrialRow


class Store(Protocol):
    """Where facts are safe: `tuitune.store.journal.Journal`."""

    def write(
        self, facts: Sequence[AnyFact], rows: Sequence[TrialRow], study: StudyRow | None = None
    ) -> None:
        """All of them or none. Raises StoreError."""

    def sync(self) -> None:
        """What was written survives a power cut, too; on any thread. Raises StoreError."""

    def snapshot(self, blob: bytes) -> None:
        """Keep a study's state, in place of an earlier one. Raises StoreError."""

    def drop_snapshot(self) -> None:
        """Every fact is read again by the next `restore`."""

    def restore(self) -> tuple[bytes | None, Iterator[AnyFact]]:
        """The newest snapshot, and every fact after it."""

    def history(self) -> Iterator[AnyFact]:
        """Every fact from the beginning."""


class Folders(Protocol):
    """Where trials keep their files: `tuitune.engine.trial_folders.TrialFolders`."""

    def folder(self, trial: int) -> Path:
        """Where it is, or will be."""

    def prepare(self, trial: int, configuration: dict[str, Any]) -> str:
        """Make the trial's folder. Raises OSError.

        Returns where another configuration's folder was moved that was in its place, else "".
        """

    def newest_checkpoint(self, trial: int, but: int | None) -> Path | None:
        """The folder of the newest whole checkpoint, except step `but`; its name is the step."""

    def leave(self, newest: Mapping[int, int]) -> None:
        """Soon, only so many of the newest checkpoints of each of these trials are there."""


class ModelClient(Protocol):
    """Where the study's model is: `tuitune.model_process.ModelProcess`."""

    async def propose(
        self, trial: int, history: History, tried: Collection[str]
    ) -> Proposal | None:
        """As `core.search.proposal.Model`. Raises ModelError where the model has no answer."""


class SettingsFile(Protocol):
    """Where a study's settings stand: `tuitune.engine.settings.StudyDocument`."""

    def change(self, overrides: Sequence[str], study: Study) -> tuple[Settings, list[str]]:
        """The settings with these overrides, and what changed, in words."""


class Timeouts(msgspec.Struct, frozen=True):
    """How long an engine waits, in seconds."""

    heartbeat: float = 10.0  # between two signs of life in the study folder
    disk: float = 5.0  # between two looks at the free space
    first_retry: float = 5.0  # until launching is tried again, doubled each time it was in vain
    longest_retry: float = 60.0
    slow_sampler: float = 5.0  # that a sampler may take before it is told of
    vacating: float = 30.0  # that memory may stay on a GPU before it is shown as still held


@dataclass(frozen=True, slots=True)
class EngineDeps:
    """All that an engine works with but its executor, which needs the engine first."""

    journal: Store
    searcher: Searcher
    trial_folders: Folders
    clock: Callable[[], float]  # Unix seconds
    watch: Callable[[Sequence[AnyFact]], None]  # sees facts once they are safe; never raises
    model_client: ModelClient | None = None  # where the search needs a model
    clock_step: Callable[[], float] = lambda: 0.0  # seconds that the clock was set by meanwhile
    foreign: tuple[Past, ...] = ()  # trials of earlier studies that it learns from
    note: Callable[[str], None] = lambda _: None  # shows a message that is not a fact of the study
    timeouts: Timeouts = field(default_factory=Timeouts)
