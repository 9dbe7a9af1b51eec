"""What stands in for the database and the trials' folders?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuitune.study.keeping import WRITTEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tuitune.events import AnyFact
    from tuitune.store.rows import StudyRow, TrialRow


class MemoryJournal:
    """As `tuitune.store.journal.Journal`, in memory."""

    def __init__(self) -> None:
        self.facts: list[AnyFact] = []
        self.rows: dict[int, TrialRow] = {}
        self.study: StudyRow | None = None
        self.syncs: list[int] = []  # how many facts were there each time
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

    def sync(self) -> None:
        self.syncs.append(self.seq)

    def snapshot(self, blob: bytes) -> None:
        self._snapshot = (self.seq, blob)

    def drop_snapshot(self) -> None:
        self._snapshot = None

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
        self.steps: dict[int, list[int]] = {}

    def save(self, trial: int, step: int) -> None:
        """The newest two are kept."""
        steps = self.steps.setdefault(trial, [])
        steps[:] = sorted({*steps, step})[-WRITTEN:]

    def folder(self, trial: int) -> Path:
        return Path(f"trials/{trial:04d}")

    def prepare(self, trial: int, configuration: dict[str, Any]) -> str:  # noqa: ARG002
        return ""

    def newest_checkpoint(self, trial: int) -> Path | None:
        steps = self.steps.get(trial)
        return self.folder(trial) / f"checkpoints/{steps[-1]:08d}" if steps else None

    def leave(self, newest: Mapping[int, int]) -> None:
        for trial, keep in newest.items():
            if trial in self.steps:
                steps = self.steps.pop(trial)
                if keep:
                    self.steps[trial] = steps[-keep:]
