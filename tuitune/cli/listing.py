"""Which studies does this machine know?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tuitune.cli.studies import StudyFolder, short_path
from tuitune.store.errors import StoreError
from tuitune.store.folder import all_studies
from tuitune.study.state import ENDED
from tuitune.studyfile import StudyFileError
from tuitune.words.text import number, table, which

if TYPE_CHECKING:
    from pathlib import Path


def list_studies(runs: Path) -> int:
    """Those of the runs folder and those that the registry knows, the one run last first."""
    rows = [_cells(folder) for folder in all_studies(runs)]
    if not rows:
        print("No studies yet. `tuitune STUDY.toml` runs one; `tuitune init SCRIPT` drafts one.")
        return 0
    print(table([["study", "state", "trials", "best", "folder"], *rows]))
    return 0


def _cells(folder: Path) -> list[str]:
    study = StudyFolder(folder)
    try:
        rows = study.reader.trials()
        best, partial = study.best(rows)
        done = sum(row.state in ENDED for row in rows)
        value = "-"
        if best is not None:
            words = f"{study.spec.objective.metric} {number(best.value)}"
            value = f"{words} {which(best.number, partial=partial)}"
        trials = f"{done}/{study.total()}"
        return [study.name, study.state(), trials, value, short_path(folder)]
    except (StoreError, StudyFileError) as error:
        print(error, file=sys.stderr)
        return [study.name, "unreadable", "-", "-", short_path(folder)]
