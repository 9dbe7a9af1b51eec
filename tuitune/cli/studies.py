"""Stored studies, and the one that the user means."""

import shlex
import sys
import tomllib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from tuitune.core.search.importance import FINISHED, Importance, is_due
from tuitune.core.spec import StudySpec
from tuitune.core.study.ranking import best_of
from tuitune.store import errors, owner
from tuitune.store.folder import (
    DATABASE,
    DOCUMENT,
    STORAGE_KEY,
    STORAGES,
    TRIALS,
    all_studies,
    find_study,
    trial_folder,
)
from tuitune.store.owner import Owner
from tuitune.store.reader import Reader
from tuitune.store.rows import StudyRow, StudyState, TrialRow
from tuitune.studyfile import load

_MOST_NAMES = 8  # that a message lists


class StudyFolder(msgspec.Struct, frozen=True, dict=True):
    """A study folder, read when first needed. Its methods raise StoreError, StudyFileError."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name, which is the study's."""
        return self.path.name

    @cached_property
    def reader(self) -> Reader:
        """Opened at the first use and kept open."""
        return Reader.open(self.path / DATABASE)

    @cached_property
    def spec(self) -> StudySpec:
        """The study file as run."""
        return load(self.path / DOCUMENT, check_target=False)

    @property
    def source(self) -> Path:
        """The study file, as it was run last."""
        return Path(self.reader.get("source") or self.path / DOCUMENT)

    @property
    def storages(self) -> list[str]:
        """Its folders in storages, where a cluster's nodes have copied checkpoints and logs."""
        places = (self.reader.get(STORAGES) or "").splitlines()
        return [f"{place.rstrip('/')}/{self.reader.get(STORAGE_KEY)}" for place in places]

    @property
    def words(self) -> str:
        """What follows `tuitune` to continue it; see `file_words`."""
        return file_words(self.path, self.source)

    def owner(self) -> Owner | None:
        """The engine of this machine that runs it now."""
        return owner.running(self.path)

    def importance(self, rows: Sequence[TrialRow], engine: Owner | None) -> Importance | None:
        """The importance of the parameters; None while too few trials are finished.

        What an engine has stored is taken while it runs; what is missing or old is computed.
        """
        stored = self.reader.importance()
        finished = sum(row.state in FINISHED for row in rows)
        if not is_due(stored, finished, 0.0) or (stored is not None and engine is not None):
            return stored
        from tuitune.model_process.importance import compute  # noqa: PLC0415 - seldom needed

        return compute(self.path, finished)

    def state(self) -> StudyState:
        """The study's state, by the store and by whether an engine runs it."""
        return self.reader.study().state(running=self.owner() is not None)

    def total(self, row: StudyRow) -> int:
        """The number of trials that the study will have, with those added by hand."""
        return row.total or self.spec.search.trials

    def best(self, rows: Sequence[TrialRow]) -> tuple[TrialRow | None, bool]:
        """The best trial, and whether it is a partial one."""
        number, partial = best_of(self.spec, rows)
        return next((r for r in rows if r.number == number), None), partial

    def saved(self, trial: int) -> Path | None:
        """The folder, named by its step, of the newest whole checkpoint that a trial has kept."""
        # Few commands need these.
        from tuitune.engine.trial_folders import whole  # noqa: PLC0415
        from tuitune.trial.checkpoints import CHECKPOINTS  # noqa: PLC0415

        folder = trial_folder(self.path, trial) / CHECKPOINTS
        try:
            found = whole(list(folder.iterdir()))
        except OSError:
            return None
        return found[-1] if found else None

    def bytes_of_checkpoints(self) -> int:
        """What all checkpoints hold on disk."""
        from tuitune.engine.all_checkpoints import bytes_on_disk  # noqa: PLC0415 - as above

        return bytes_on_disk(self.path / TRIALS, self.spec.trial.saves)

    def checkpoint(self, trial: int) -> Path | None:
        """As `saved`; of a command with `saves` the file in there that it has saved."""
        folder, saves = self.saved(trial), self.spec.trial.saves
        if folder is None or saves is None:
            return folder
        from tuitune.trial.saved_files import newest  # noqa: PLC0415 - few commands need it

        found = newest(str(folder), saves)
        return None if found is None else folder / found.place


def open_study(text: str | None, runs: Path) -> StudyFolder:
    """The study that this text names, None: the one of `named_or_newest`.

    Raises StoreError and StudyFileError if none can be read.
    """
    study = StudyFolder(named_or_newest(text, runs))
    study.reader.get("source")
    _ = study.spec
    return study


def named_or_newest(text: str | None, runs: Path) -> Path:
    """The study that `text` names; None: the one that runs, else the one run last, said on stderr.

    Those of the runs folder are looked at, or all of this machine if that has none. Raises
    StoreError, also if several run.
    """
    if text is not None:
        return find_study(text, runs)
    folder, why = _the_one(runs)
    print(f"{folder.name}: {why}", file=sys.stderr)
    return folder


def candidates(runs: Path) -> tuple[list[Path], list[Path]]:
    """Those that run, and all that STUDY may mean if it is left out, the one run last first."""
    every, here = all_studies(runs), runs.resolve()
    folders = [folder for folder in every if folder.parent == here] or every
    return [folder for folder in folders if owner.running(folder) is not None], folders


def _the_one(runs: Path) -> tuple[Path, str]:
    """The study that is meant if none is named, and why."""
    running, folders = candidates(runs)
    place = f"in {short_path(runs.absolute())}"
    if not folders:
        raise errors.StoreError(
            f"no studies {place} or on this machine; `tuitune STUDY.toml` runs one"
        )
    if folders[0].parent != runs.resolve():
        place = "on this machine"
    if len(running) > 1:
        names = ", ".join(folder.name for folder in running[:_MOST_NAMES])
        raise errors.StoreError(f"{len(running)} studies run {place}: name one of {names}")
    if len(folders) == 1:
        return folders[0], f"the only study {place}"
    if running:
        return running[0], f"the only study that runs {place}"
    return folders[0], f"the newest of {len(folders)} studies {place}"


def file_words(folder: Path, file: Path) -> str:
    """The study file as a command takes it, quoted.

    With its name and its runs folder where the file alone would mean another study.
    """
    words = [short_path(file.absolute())]
    if _own_name(file) != folder.name:
        words += ["--set", f"study.name={folder.name}"]
    if folder.parent.resolve() != Path("runs").resolve():
        words += ["--runs", short_path(folder.parent.absolute())]
    return shlex.join(words)


def _own_name(file: Path) -> str:
    """The name that a study of this file has; the file's own where it can't be read."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return file.stem
    named = document.get("study")
    name = named.get("name") if isinstance(named, dict) else None
    return name if isinstance(name, str) else file.stem


def short_path(path: Path) -> str:
    """Relative to the current folder where it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
