"""`ls` and `rm`: the list of all studies, and the deletion of one."""

import contextlib
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tuitune.cli import console
from tuitune.cli.output import Column, output, table
from tuitune.cli.studies import StudyFolder, short_path
from tuitune.core.sizes import size
from tuitune.engine.all_checkpoints import remove_all
from tuitune.messages.text import duration, plain, trial_count
from tuitune.store import owner
from tuitune.store.errors import StoreError
from tuitune.store.folder import TRIALS, check_deletable, delete_study, find_study
from tuitune.ui.render import lines
from tuitune.ui.state.studies import (
    STATE_ROLES,
    Entry,
    Studies,
    best_words,
    changed_words,
    progress_words,
    study_entry,
)

_NONE_YET = "No studies yet. `tuitune STUDY.toml` runs one; `tuitune init SCRIPT` drafts one."


def list_studies(runs: Path, *, as_json: bool = False) -> int:
    """Print the studies of the runs folder and of the registry, the one run last first."""
    studies = Studies(runs)
    studies.read_all()
    entries = list(studies.entries.values())
    studies.close()
    to = output()
    if as_json:
        console.print_json([_record(entry) for entry in entries], indent=2)
    elif entries:
        to.print(*table(_columns(entries), to.width)[0])
    else:
        to.print(lines.line(_NONE_YET))
    return 0


def _record(entry: Entry) -> dict[str, Any]:
    """A study as `ls --json` has it. `changed`: Unix seconds; a missing value is null."""
    best = {"trial": entry.trial, "value": entry.best, "partial": entry.partial}
    return {
        "study": entry.name,
        "folder": str(entry.folder.absolute()),
        "state": entry.state,
        "problem": entry.problem or None,
        "trials": entry.total,
        "done": entry.done,
        "running": entry.running,
        "failed": entry.failed,
        "seconds_left": entry.left,
        "metric": entry.metric or None,
        "best": best if entry.trial is not None else None,
        "changed": entry.when,
    }


def remove_study(text: str, runs: Path, *, yes: bool) -> int:
    """Delete a study's folder with all that its trials have saved; the exit status.

    yes: without asking for its name.
    """
    folder = find_study(text, runs)
    if not yes and not _is_confirmed(folder, " with its checkpoints and logs"):
        return 2
    storages = _storages(folder)
    delete_study(folder)
    print(f"{folder.name}: deleted {short_path(folder)}")
    _print_kept(folder, storages)
    return 0


def remove_checkpoints(text: str, runs: Path, *, yes: bool) -> int:
    """Delete the checkpoints of a study and keep all else; the exit status.

    yes: without asking for its name.
    """
    study = StudyFolder(find_study(text, runs))
    trials, held = study.path / TRIALS, study.bytes_of_checkpoints()
    words = f": only the checkpoints, {size(held)}; trials that would go on from them start again"
    if not yes and not _is_confirmed(study.path, words):
        return 2
    check_deletable(study.path)
    engine = owner.claim(study.path)  # none can begin meanwhile
    try:
        remove_all(trials, study.spec.trial.saves)
    except OSError as error:
        raise StoreError(
            f"{error.filename or trials}: can't be deleted ({error.strerror})"
        ) from error
    finally:
        engine.release()
    freed = max(0, held - study.bytes_of_checkpoints())
    print(f"{study.name}: {size(freed)} of checkpoints deleted, all else is kept")
    _print_kept(study.path, _storages(study.path))
    return 0


def _print_kept(folder: Path, storages: Iterable[str]) -> None:
    for place in storages:
        print(f"{folder.name}: its checkpoints and logs in {place} are kept; delete them there")


def _storages(folder: Path) -> list[str]:
    """Of a study that can't be read, which may be deleted too, they are not known."""
    with contextlib.suppress(StoreError):
        return StudyFolder(folder).storages
    return []


def _is_confirmed(folder: Path, words: str) -> bool:
    """Whether the user types the study's name; refuses a study that can't be deleted first."""
    check_deletable(folder)
    if not sys.stdin.isatty():
        print(f"{folder.name}: there is no terminal to ask on; --yes deletes it", file=sys.stderr)
        return False
    entry = study_entry(folder)
    what = entry.problem or f"{entry.state}, {trial_count(entry.trials)}"
    where = f"{short_path(folder)}{words}"
    output().print(lines.line(f"{folder.name}: {plain(what)}; {where}"))
    try:
        typed = input(f"type {folder.name} to delete it: ")
    except (EOFError, KeyboardInterrupt):
        typed = ""
        print()
    if typed.strip() != folder.name:
        print(f"{folder.name}: kept", file=sys.stderr)
        return False
    return True


def _columns(entries: Sequence[Entry]) -> list[Column]:
    """Columns of the list, with the values of all studies."""
    now = time.time()
    roles = [STATE_ROLES.get(entry.state, "muted") for entry in entries]
    progress = map(progress_words, entries)
    left = ["-" if e.left is None else duration(e.left) for e in entries]
    best = [plain(entry.problem) or best_words(entry) for entry in entries]
    changed = [changed_words(entry, now) for entry in entries]
    places = [plain(short_path(entry.folder)) for entry in entries]
    return [
        Column("study", _cells([plain(e.name) for e in entries], "bold"), 9, least=16),
        Column("state", list(zip([entry.state for entry in entries], roles, strict=True)), 8),
        Column("trials", _cells(progress, ""), 7, right=True),
        Column("left", _cells(left, "muted"), 4, right=True),
        Column("best", _cells(best, ""), 6, least=20),
        Column("changed", _cells(changed, "muted"), 3, right=True),
        Column("folder", _cells(places, "muted"), 2, least=12),
    ]


def _cells(texts: Iterable[str], role: str) -> list[lines.Span]:
    return [(text, role) for text in texts]
