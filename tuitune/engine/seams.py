"""What does the engine ask of its store and its folders, so that a simulation can stand in?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from tuitune.events import AnyFact, Settings
    from tuitune.search.history import History
    from tuitune.search.proposal import Proposal
    from tuitune.store.rows import StudyRow, TrialRow
    from tuitune.study import Study


class Store(Protocol):
    """Where facts are safe: `tuitune.store.journal.Journal`."""

    def write(
        self, facts: Sequence[AnyFact], rows: Sequence[TrialRow], study: StudyRow | None = None
    ) -> None:
        """All of them or none. Raises StoreError."""

    def snapshot(self, blob: bytes) -> None: ...

    def restore(self) -> tuple[bytes | None, Iterator[AnyFact]]:
        """The newest snapshot, and every fact after it."""


class Folders(Protocol):
    """Where trials keep their files: `tuitune.engine.shelf.Shelf`."""

    def prepare(self, trial: int, configuration: dict[str, Any]) -> Path:
        """The trial's folder. Raises OSError."""

    def newest_checkpoint(self, trial: int) -> Path | None:
        """Its name is the step."""

    def has_checkpoints(self, trial: int) -> bool: ...

    def drop_checkpoints(self, trial: int, keep: int) -> None: ...


class Oracle(Protocol):
    """Where the study's model is: `tuitune.thinking.ModelProcess`."""

    async def propose(
        self, trial: int, history: History, tried: Collection[str]
    ) -> Proposal | None:
        """As `tuitune.search.history.Model`. Raises ModelError where the model has no answer."""


class Paper(Protocol):
    """Where a study's settings stand: `tuitune.engine.document.Document`."""

    def change(self, overrides: Sequence[str], study: Study) -> tuple[Settings, list[str]]:
        """The settings with these overrides, and what changed, in words."""
