"""A stored study as a Python program reads it: trials, reports, the best one, tables of pandas."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuitune.cli.studies import StudyFolder
from tuitune.messages.text import trial_count
from tuitune.store.exported import metric_names, report_records, trial_records
from tuitune.store.folder import find_study, trial_folder

if TYPE_CHECKING:
    import pandas as pd

    from tuitune.core.options import Mode
    from tuitune.store import reader, rows


def load(study: str | os.PathLike[str], *, runs: str | os.PathLike[str] | None = None) -> Study:
    """The study of this name, or of this folder; it may be running, and is only read.

    `runs` is the folder in which a name is looked up first: $TUITUNE_RUNS, or "runs". Raises
    StoreError if there is no such study or it can't be read, StudyFileError if its study file is
    damaged.
    """
    folder = StudyFolder(find_study(os.fspath(study), runs_folder(runs)).resolve())
    _ = folder.spec, folder.reader
    return Study(folder)


def runs_folder(runs: str | os.PathLike[str] | None) -> Path:
    """The folder of study folders: `runs`, else $TUITUNE_RUNS, else "runs"."""
    return Path(runs or os.environ.get("TUITUNE_RUNS") or "runs")


@dataclass(frozen=True)
class StoredTrial:
    """A trial as it was when it was read. Times are Unix seconds."""

    number: int
    state: str  # WAITING, RUNNING, PAUSED, COMPLETE, PRUNED, FAILED or KILLED
    config: Mapping[str, Any]  # nested as the training code gets it
    value: float | None  # the objective that it counts with
    step: int | None  # the furthest that it has reported
    origin: str  # the search method, "point" or "hand"
    why: str
    attempts: int
    started: float | None
    ended: float | None
    device: str
    error: str
    folder: Path  # with config.json, output.log and what the training code has written there
    checkpoint: Path | None  # its newest whole checkpoint; None if none is kept


@dataclass(frozen=True)
class Study:
    """A stored study. Each property reads it again, so that a running study shows its progress."""

    _folder: StudyFolder

    def __repr__(self) -> str:
        trials = len(self._folder.reader.trials())
        return f"<study {self.name}: {self.state}, {trial_count(trials)}; {self.path}>"

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self._folder.name

    @property
    def path(self) -> Path:
        """The study folder."""
        return self._folder.path

    @property
    def metric(self) -> str:
        """The objective's metric."""
        return self._folder.spec.objective.metric

    @property
    def mode(self) -> Mode:
        """Whether a small ("min") or a large ("max") value is good."""
        return self._folder.spec.objective.mode

    @property
    def state(self) -> rows.StudyState:
        """As `tuitune ls` has it."""
        return self._folder.state()

    @property
    def trials(self) -> list[StoredTrial]:
        """All trials, by number."""
        return [self._trial(row) for row in self._folder.reader.trials()]

    @property
    def best(self) -> StoredTrial | None:
        """The best complete trial; while there is none, the one that has got furthest."""
        found, _ = self._folder.best(self._folder.reader.trials())
        return None if found is None else self._trial(found)

    @property
    def reports(self) -> Iterator[reader.Report]:
        """All reports, in the order in which they came; each has all its `metrics`."""
        return self._folder.reader.reports()

    def to_pandas(self, what: Literal["trials", "reports"] = "trials") -> pd.DataFrame:
        """A table with the columns of `tuitune export`; needs pandas.

        One row for each trial, by number, or for each report, in the order in which they came.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - not a dependency
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from error
        if what == "reports":
            names = metric_names(self.reports)
            return pd.DataFrame.from_records(list(report_records(self.reports, names)))
        if what != "trials":
            raise ValueError(f"to_pandas({what!r}): there are 'trials' and 'reports'")
        names = [p.name for p in self._folder.spec.space.parameters]
        return pd.DataFrame.from_records(trial_records(self._folder.reader.trials(), names))

    def _trial(self, row: rows.TrialRow) -> StoredTrial:
        space = self._folder.spec.space
        return StoredTrial(
            number=row.number,
            state=row.state.value,
            config=space.nested(row.config),
            value=row.value,
            step=row.step,
            origin=row.origin,
            why=row.why,
            attempts=row.attempt,
            started=row.started,
            ended=row.ended,
            device=row.device,
            error=row.error,
            folder=trial_folder(self.path, row.number),
            checkpoint=self._folder.checkpoint(row.number),
        )
