"""`repair`: a damaged study is written anew, and what is missing is said."""

import time
from pathlib import Path

from tuitune.cli.studies import StudyFolder, short_path
from tuitune.messages.text import trial_count, trial_name
from tuitune.store.folder import TRIALS, check_deletable, find_study
from tuitune.store.repair import Repaired, repair


def repair_study(text: str, runs: Path) -> int:
    """Repair a study, and print what is saved and what is missing; the exit status."""
    study = StudyFolder(find_study(text, runs))
    name = study.name
    check_deletable(study.path)
    found = repair(study.path, study.spec)
    if found is None:
        print(f"{name}: its database is not damaged, and stays as it is")
        return 0
    print(f"{name}: repaired; saved: {trial_count(found.trials)}, reports: {found.reports}")
    print(f"{name}: {_missing(study.path, found)}")
    print(f"{name}: the damaged database is kept as {short_path(found.damaged)}")
    return 0


def _missing(folder: Path, found: Repaired) -> str:
    """What is not saved."""
    if found.is_whole:
        return "no event of its trials is missing"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.until))
    words = f"missing: all that happened after {when}"
    lost = sorted(n for n in map(_number, (folder / TRIALS).glob("[0-9]*")) if n >= found.trials)
    if lost:
        names = trial_name(lost[0])
        names += f" to {trial_name(lost[-1])}" if len(lost) > 1 else ""
        words += f", with {names}, of which only the folders are left"
    if found.unused:
        words += (
            f"; {found.unused} of it can be read, and not be used, since what led to it is lost"
        )
    return words


def _number(folder: Path) -> int:
    return int(folder.name) if folder.name.isdecimal() else -1
