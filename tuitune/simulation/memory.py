"""What stands in for the database and the trials' folders?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tuitune.events import AnyFact
    from tuitune.store.rows import StudyRow, TrialRow


class MemoryJournal:
    """As `tuitune.store.journal.Journal`, in memory."""

    def __init__(self) -> None:
        self.facts: list[AnyFact] = []
        self.rows: dict[int, TrialRow] = {}
        self.study: StudyRow | None = None
        self._snapshot: tuple[int, bytes] | None = None
        self._about: dict[str, str] = {}

    @property
    def seq(self) -> int:
        return len(self.facts)

    def write(
        self, facts: Sequence[AnyFact], rows: Sequence[TrialRow], study: StudyRow | None = None
    ) -> None:
        self.facts += facts
        self.study = study or self.study
        for row in rows:
            self.rows[row.number] = row

    def snapshot(self, blob: bytes) -> None:
        self._snapshot = (self.seq, blob)

    def restore(self) -> tuple[bytes | None, Iterator[AnyFact]]:
        since, blob = self._snapshot or (0, None)
        return blob, iter(self.facts[since:])

    def history(self) -> Iterator[AnyFact]:
        return iter(self.facts)

    def put(self, key: str, value: str) -> None:
        self._about[key] = value

    def get(self, key: str) -> str | None:
        return self._about.get(key)

    def close(self) -> None: ...


class MemoryShelf:
    """As `tuitune.engine.shelf.Shelf`: the steps of each trial's whole checkpoints, no files."""

    def __init__(self) -> None:
        self._steps: dict[int, list[int]] = {}

    def save(self, trial: int, step: int) -> None:
        """The newest two are kept."""
        steps = self._steps.setdefault(trial, [])
        steps[:] = sorted({*steps, step})[-2:]

    def prepare(self, trial: int, configuration: dict[str, Any]) -> Path:  # noqa: ARG002
        return Path(f"trials/{trial:04d}")

    def newest_checkpoint(self, trial: int) -> Path | None:
        steps = self._steps.get(trial)
        return Path(f"trials/{trial:04d}/checkpoints/{steps[-1]:08d}") if steps else None

    def has_checkpoints(self, trial: int) -> bool:
        return bool(self._steps.get(trial))

    def drop_checkpoints(self, trial: int, keep: int) -> None:
        steps = self._steps.get(trial, [])
        self._steps[trial] = steps[len(steps) - keep :] if keep else []
