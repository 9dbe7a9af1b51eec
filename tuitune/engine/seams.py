"""What does the engine ask of its store and its folders, so that a simulation can stand in?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tuitune.events import AnyFact, Settings
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


class Paper(Protocol):
    """Where a study's settings stand: `tuitune.engine.document.Document`."""

    def change(self, overrides: Sequence[str], study: Study) -> tuple[Settings, list[str]]:
        """The settings with these overrides, and what changed, in words."""
