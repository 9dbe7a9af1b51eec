"""The studies of this machine, their states and their progress, read in small portions."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from tuitune.core.events import ENDED, TrialState
from tuitune.core.spec import StudySpec
from tuitune.core.study.forecast import Forecast
from tuitune.core.study.ranking import best_of
from tuitune.messages.text import duration, number, which
from tuitune.store import errors, owner
from tuitune.store.folder import DATABASE, DOCUMENT, all_studies
from tuitune.store.reader import Reader
from tuitune.store.rows import StudyRow, TrialRow
from tuitune.studyfile import StudyFileError, load
from tuitune.ui.state.records import Holder

StudyState = Literal["running", "finished", "interrupted", "unreadable", "…"]

_AT_ONCE = 0.1  # s of reading per refresh
_ORDER: tuple[StudyState, ...] = ("running", "interrupted", "finished", "…", "unreadable")


STATE_ROLES: Final[Mapping[str, str]] = {
    "running": "success",
    "interrupted": "warning",
    "finished": "text",
    "unreadable": "error",
}


class Entry(Holder):
    """A study in the list."""

    folder: Path
    state: StudyState = "…"  # not read yet
    done: int = 0  # trials that have ended or are held at a rung
    total: int | None = None
    metric: str = ""
    best: float | None = None
    trial: int | None = None  # the best one
    partial: bool = False
    when: float = 0.0  # Unix s of the newest change
    problem: str = ""
    left: float | None = None  # s until the last trial ends; None: unknown, or none runs
    running: int = 0  # trials
    failed: int = 0  # trials
    launching: bool = True  # False: paused by hand
    trials: int = 0  # in the store
    may_save: bool = True  # its trials, as far as that is known

    @property
    def name(self) -> str:
        """The name of the study's folder."""
        return self.folder.name


class _Known(Holder):
    """The data of a study so far."""

    reader: Reader
    spec: StudySpec
    rows: dict[int, TrialRow] = msgspec.field(default_factory=dict)
    study: StudyRow = msgspec.field(default_factory=StudyRow)
    seq: int | None = None


class Studies:
    """The studies of a runs folder and of the registry, without duplicates."""

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._known: dict[Path, _Known] = {}
        self.entries: dict[Path, Entry] = {}

    def refresh(self) -> bool:
        """Reads changes for about 0.1 s; returns whether there were any."""
        before = {folder: _stamp(entry) for folder, entry in self.entries.items()}
        self._find()
        deadline = time.monotonic() + _AT_ONCE
        for entry in sorted(self.entries.values(), key=lambda e: (e.state != "…", -e.when)):
            if time.monotonic() > deadline:
                break
            self.read(entry)
        return before != {folder: _stamp(entry) for folder, entry in self.entries.items()}

    def read_all(self) -> None:
        """Reads every study once, however long that takes."""
        self._find()
        for entry in self.entries.values():
            self.read(entry)

    def listed(self, text: str = "") -> list[Entry]:
        """Running studies first, then the newest. text: words that an entry must all contain."""
        words = text.lower().split()
        found = [e for e in self.entries.values() if all(_has(e, word) for word in words)]
        return sorted(found, key=lambda e: (_ORDER.index(e.state), -e.when, e.name))

    def close(self) -> None:
        """Closes the databases of all studies."""
        for known in self._known.values():
            known.reader.close()
        self._known.clear()

    def forget(self, folder: Path) -> None:
        """Closes the database of a study that is to be deleted."""
        known = self._known.pop(folder, None)
        if known is not None:
            known.reader.close()

    def _find(self) -> None:
        folders = all_studies(self._runs)
        for folder in folders:
            if folder not in self.entries:
                self.entries[folder] = Entry(folder, when=_changed(folder))
        for folder in [folder for folder in self.entries if folder not in folders]:
            del self.entries[folder]
            self.forget(folder)

    def read(self, entry: Entry) -> None:
        """Reads an entry; only the times of two files if no engine runs and nothing has changed."""
        runs = owner.running(entry.folder) is not None
        when = _changed(entry.folder)
        state: StudyState = "running" if runs else entry.state
        if when == entry.when and entry.state not in ("…", "unreadable") and state == entry.state:
            return
        entry.when = when
        try:
            known = self._known.get(entry.folder) or self._open(entry.folder)
            changes = known.reader.changes(known.seq)
        except (errors.StoreError, StudyFileError) as error:
            _spoil(entry, str(error))
            return
        except Exception:  # noqa: BLE001 - a damaged study must not hide the others
            _spoil(entry, errors.damaged_words(entry.folder / DATABASE))
            return
        known.seq = changes.seq
        known.rows.update((row.number, row) for row in changes.rows)
        known.study = changes.study or known.study
        _describe(entry, known, runs=runs)

    def _open(self, folder: Path) -> _Known:
        known = _Known(Reader.open(folder / DATABASE), load(folder / DOCUMENT, check_target=False))
        self._known[folder] = known
        return known


def study_entry(folder: Path) -> Entry:
    """The entry of one study, read now."""
    studies = Studies(folder.parent)
    entry = Entry(folder)
    studies.read(entry)
    studies.close()
    return entry


def best_words(entry: Entry) -> str:
    """The best value and its trial; "-" without one."""
    if entry.best is None or entry.trial is None:
        return "-"
    return f"{entry.metric} {number(entry.best)} {which(entry.trial, partial=entry.partial)}"


def progress_words(entry: Entry) -> str:
    """As "3/20": the trials that are done, and all."""
    return f"{entry.done}/{'-' if entry.total is None else entry.total}"


def changed_words(entry: Entry, now: float) -> str:
    """As "5m03s ago". now: Unix s."""
    return f"{duration(max(0.0, now - entry.when))} ago"


def _describe(entry: Entry, known: _Known, *, runs: bool) -> None:
    rows: Iterable[TrialRow] = known.rows.values()
    counts = Counter(row.state for row in rows)
    spec = known.spec
    entry.state = known.study.state(running=runs)
    held = sum(row.is_held for row in rows)
    entry.done = sum(counts[state] for state in ENDED) + held
    entry.running, entry.failed = counts[TrialState.RUNNING], counts[TrialState.FAILED]
    entry.launching, entry.trials = known.study.launching, len(known.rows)
    entry.may_save = spec.trial.may_save or any(row.checkpoint is not None for row in rows)
    entry.total = spec.search.trials if known.study.total is None else known.study.total
    entry.trial, entry.partial = best_of(spec, rows)
    best = None if entry.trial is None else known.rows[entry.trial]
    entry.metric, entry.best = spec.objective.metric, None if best is None else best.value
    entry.problem = ""
    entry.left = _left(known, entry.total) if runs else None


def _left(known: _Known, total: int) -> float | None:
    """Seconds until the last trial ends or the time limit is reached; None if unknown."""
    study, now = known.study, time.time()
    if not study.may_launch or study.halted:
        return None
    settled = (row for row in known.rows.values() if row.state in ENDED or row.at_rung)
    forecast = Forecast()
    forecast.begin(
        study.opened, ((row.number, row.ended or row.launched or 0.0) for row in settled)
    )
    limit = None if study.settings is None else study.settings.time_limit
    taken = study.elapsed + max(0.0, now - study.opened)
    return forecast.remaining(now, total, None if limit is None else limit - taken)


def _spoil(entry: Entry, words: str) -> None:
    """Sets why it can't be read."""
    entry.state = "unreadable"
    entry.problem = words.partition("\n")[0].removeprefix(f"{entry.folder}/")


def _changed(folder: Path) -> float:
    """Unix s of the last write to the database; 0 without one.

    An empty log of writes was made by a reader.
    """
    newest = 0.0
    for name in (DATABASE, f"{DATABASE}-wal"):
        try:
            found = (folder / name).stat()
        except OSError:
            continue
        newest = max(newest, found.st_mtime if found.st_size else 0.0)
    return newest


def _stamp(entry: Entry) -> tuple[object, ...]:
    left = None if entry.left is None else int(entry.left)
    figures = entry.running, entry.failed, entry.launching, left
    return entry.state, entry.done, entry.total, entry.best, entry.trial, int(entry.when), figures


def _has(entry: Entry, word: str) -> bool:
    """Whether its name or its state has the word, or its path one with a slash."""
    searched = entry.folder if "/" in word else f"{entry.name} {entry.state}"
    return word in str(searched).lower()
