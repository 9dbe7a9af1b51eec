"""Which studies does this machine know?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.cli.studies import StudyFolder, short_path
from tuitune.core.events import ENDED
from tuitune.messages.text import number, plain, table, which
from tuitune.store.errors import StoreError
from tuitune.store.folder import all_studies
from tuitune.studyfile import StudyFileError

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
    place = short_path(folder)
    try:
        rows = study.reader.trials()
        best, partial = study.best(rows)
        done = sum(row.state in ENDED for row in rows)
        value = "-"
        if best is not None:
            words = f"{study.spec.objective.metric} {number(best.value)}"
            value = f"{words} {which(best.number, partial=partial)}"
        trials = f"{done}/{study.total()}"
        return [study.name, study.state(), trials, value, place]
    except (StoreError, StudyFileError) as error:
        words = str(error).partition("\n")[0]
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others are listed
        words = f"it is damaged: {type(error).__name__}: {error}"
    words = words.removeprefix(f"{folder}/")
    return [study.name, "unreadable", "-", "-", plain(f"{place}: {words}")]
