"""Which study does the user mean, and what does its folder say?"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.core.study.ranking import best_of
from tuitune.store import owner
from tuitune.store.errors import StoreError
from tuitune.store.folder import DATABASE, DOCUMENT, find_study
from tuitune.store.reader import Reader
from tuitune.studyfile import StudyFileError, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.spec import StudySpec
    from tuitune.store.owner import Owner
    from tuitune.store.rows import StudyState, TrialRow


@dataclass(frozen=True)
class StudyFolder:
    """A study folder, read as far as it is asked about. Raises StoreError, StudyFileError."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def reader(self) -> Reader:
        return Reader.open(self.path / DATABASE)

    @cached_property
    def spec(self) -> StudySpec:
        """The study file as run."""
        return load(self.path / DOCUMENT, check_target=False)

    @property
    def source(self) -> str:
        """The study file, as a user would name it from here."""
        return short_path(Path(self.reader.get("source") or self.path / DOCUMENT))

    def owner(self) -> Owner | None:
        """The engine of this machine that runs it now."""
        return owner.running(self.path)

    def state(self) -> StudyState:
        return self.reader.study().state(running=self.owner() is not None)

    def total(self) -> int:
        """How many trials it is to have."""
        return self.reader.study().total or self.spec.search.trials

    def best(self, rows: Sequence[TrialRow]) -> tuple[TrialRow | None, bool]:
        """The best trial, and whether it is a partial one."""
        number, partial = best_of(self.spec, rows)
        return next((r for r in rows if r.number == number), None), partial


def open_study(text: str, runs: Path) -> StudyFolder | None:
    """The study that this text names; None, and words on stderr, where there is none to read."""
    try:
        study = StudyFolder(find_study(text, runs))
        study.reader.get("source")
        _ = study.spec
    except (StoreError, StudyFileError) as error:
        print(error, file=sys.stderr)
        return None
    return study


def short_path(path: Path) -> str:
    """Relative to the current folder where it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
