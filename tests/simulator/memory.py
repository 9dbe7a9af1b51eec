"""The store and the trials' folders in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from tuitune.core.events import AnyFact
    from tuitune.core.study.checkpoints import Keep
    from tuitune.store.rows import Progress, StudyRow, TrialRow


Reports = frozenset[int]  # the steps of one trial's


class MemoryJournal:
    """A `Store` in memory, as `tuitune.store.journal.Journal`."""

    def __init__(self) -> None:
        self.facts: list[AnyFact] = []
        self.rows: dict[int, TrialRow] = {}
        self.study: StudyRow | None = None
        self.syncs: list[int] = []  # how many facts were there each time
        self._snapshot: tuple[int, bytes] | None = None
        self._ends: list[int] = []  # of transactions, in facts
        self._about: dict[str, str] = {}

    @property
    def seq(self) -> int:
        return len(self.facts)

    def write(
        self,
        facts: Sequence[AnyFact],
        rows: Sequence[TrialRow],
        study: StudyRow | None = None,
        progress: Sequence[Progress] = (),
    ) -> None:
        self.facts += facts
        self._ends.append(self.seq)
        self.study = study or self.study
        for row in rows:
            self.rows[row.number] = row
        for advanced in progress:
            self.rows[advanced.number] = replace(self.rows[advanced.number], **advanced._asdict())

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

    def cut(self, seconds: float, *, restored: bool = False) -> bool:
        """Lose the last seconds that are not synced, as in a power cut; whether there were any.

        restored: an older copy was put in its place, whatever was synced.
        """
        if not self.facts:
            return False
        oldest = self.facts[-1].time - seconds
        synced = 0 if restored else max(self.syncs, default=0)
        kept = [end for end in self._ends if end <= synced or self.facts[end - 1].time < oldest]
        lost = not kept or kept[-1] < self.seq
        self._ends = kept
        del self.facts[kept[-1] if kept else 0 :]
        self.syncs = [seq for seq in self.syncs if seq <= self.seq]
        if self._snapshot is not None and self._snapshot[0] > self.seq:
            self._snapshot = None
        return lost

    def put(self, key: str, value: str) -> None:
        self._about[key] = value

    def get(self, key: str) -> str | None:
        return self._about.get(key)

    def close(self) -> None: ...


class MemoryTrialFolders:
    """The steps of each trial's checkpoints: `engine.trial_folders` without files."""

    def __init__(self) -> None:
        self.steps: dict[int, list[int]] = {}
        self.given_up: set[int] = set()  # trials that no checkpoint was to be kept of
        self._configurations: dict[int, Mapping[str, Any]] = {}  # by trial, as in its folder
        # by (trial, step of a checkpoint)
        self._saved: dict[tuple[int, int], tuple[Mapping[str, Any], Reports]] = {}

    def save(
        self, trial: int, step: int, configuration: Mapping[str, Any], reports: Reports
    ) -> None:
        steps = self.steps.setdefault(trial, [])
        steps[:] = sorted({*steps, step})
        self._saved[trial, step] = configuration, reports

    def trained_with(self, trial: int, step: int) -> Mapping[str, Any] | None:
        """The configuration of the attempt that wrote this checkpoint."""
        found = self._saved.get((trial, step))
        return None if found is None else found[0]

    def reports(self, trial: int, step: int | None) -> Reports:
        """What was reported on the way to this checkpoint."""
        found = None if step is None else self._saved.get((trial, step))
        return frozenset() if found is None else found[1]

    def folder(self, trial: int) -> Path:
        return Path(f"trials/{trial:04d}")

    def prepare(self, trial: int, configuration: Mapping[str, Any]) -> str:
        moved = self._is_other(trial, configuration)
        if moved:
            self.steps.pop(trial, None)
        self._configurations[trial] = configuration
        return f"trials/{trial:04d}.old-1" if moved else ""

    def _is_other(self, trial: int, configuration: Mapping[str, Any]) -> bool:
        return self._configurations.get(trial, configuration) != configuration

    def newest_checkpoint(self, trial: int, but: int | None, known: int) -> Path | None:
        steps = [step for step in self.steps.get(trial, ()) if step != but and step <= known]
        return self.folder(trial) / f"checkpoints/{steps[-1]:08d}" if steps else None

    def leave(self, keeps: Mapping[int, Keep]) -> None:
        for trial, keep in keeps.items():
            if not keep.count:
                self.given_up.add(trial)
            self.forget(trial, keep.superfluous(self.steps.get(trial, ())))

    def forget(self, trial: int, gone: Collection[int]) -> None:
        left = [step for step in self.steps.pop(trial, ()) if step not in gone]
        if left:
            self.steps[trial] = left
