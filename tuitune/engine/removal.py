"""How are checkpoints removed without holding anybody up?"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BIN = ".removing"  # in the folder of the trials: what is there is nobody's any more
CHECKPOINTS = "checkpoints"


class Removal:
    """Removes what is not to stay, one folder after the other, on a thread of its own.

    What goes is first renamed out of the trial's folder, so that an attempt never finds half a
    checkpoint. `say` is told once of what can't be removed, on that thread; it is tried again with
    the next removal.
    """

    def __init__(self, trials: Path, say: Callable[[str], None]) -> None:
        self._trials = trials
        self._bin = trials / BIN
        self._say = say
        self._said = False
        self._turn = threading.Condition()
        self._due: dict[int, int] = {}  # trial: how many of its newest checkpoints stay
        self._failed: dict[int, int] = {}
        self._at: int | None = None
        self._closed = False
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="removal")

    def leave(self, newest: Mapping[int, int]) -> None:
        """Of each trial only so many of its newest checkpoints stay."""
        with self._turn:
            if self._closed:
                return
            self._due.update(self._failed)
            self._failed.clear()
            self._due.update(newest)
        self._pool.submit(self._work)

    def spare(self, trial: int) -> None:
        """Remove nothing more of this trial: it is about to go on."""
        with self._turn:
            self._due.pop(trial, None)
            self._failed.pop(trial, None)
            self._turn.wait_for(lambda: self._at != trial)  # a few renames

    def close(self) -> None:
        """Return when all is removed that can be."""
        with self._turn:
            self._closed = True
        self._pool.shutdown()

    def _work(self) -> None:
        self._empty_bin()  # an engine that was killed may have left something there
        while (due := self._next()) is not None:
            moved = self._do(*due)
            with self._turn:
                self._at = None
                self._turn.notify_all()
            if moved:
                self._empty_bin()

    def _do(self, trial: int, keep: int) -> bool:
        """Whether there may be something in the bin now."""
        try:
            return self._set_aside(trial, keep)
        except OSError as error:
            with self._turn:
                self._failed[trial] = keep
            self._told(error)
            return True

    def _next(self) -> tuple[int, int] | None:
        with self._turn:
            if not self._due:
                return None
            self._at = trial = next(iter(self._due))
            return trial, self._due.pop(trial)

    def _set_aside(self, trial: int, keep: int) -> bool:
        """Whether there was anything. Raises OSError."""
        place = f"{self._trials}/{trial:04d}/{CHECKPOINTS}"
        try:
            names = os.listdir(place)  # noqa: PTH208 - most of 10,000 have none, when one opens
        except (FileNotFoundError, NotADirectoryError):
            return False
        folder = Path(place)
        there = [folder / name for name in names]
        kept = set(whole(there)[-keep:]) if keep else set()
        goes = [path for path in there if path not in kept]
        if goes:
            self._bin.mkdir(exist_ok=True, mode=0o700)
            aside = Path(tempfile.mkdtemp(prefix=f"{trial:04d}-", dir=self._bin))
            for path in goes:
                _move(path, aside / path.name)
        if not kept:
            with contextlib.suppress(OSError):  # a link to a folder elsewhere stays
                folder.rmdir()
        return bool(goes)

    def _empty_bin(self) -> None:
        try:
            found = sorted(self._bin.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            self._told(error)
            return
        for path in found:
            try:
                _remove(path)
            except OSError as error:
                self._told(error)
        with contextlib.suppress(OSError):
            self._bin.rmdir()

    def _told(self, error: OSError) -> None:
        if not self._said:
            self._said = True
            where = f"{error.filename}: " if error.filename else ""
            self._say(
                f"a checkpoint that nobody needs can't be removed: {where}{error.strerror}; this "
                f"is tried again now and then, or remove {self._bin} by hand"
            )


def whole(paths: list[Path]) -> list[Path]:
    """Those that are whole checkpoints, by their step; others are still being written."""
    found = [path for path in paths if len(path.name) >= 8 and path.name.isdecimal()]
    return sorted(found, key=lambda path: int(path.name))


def _move(path: Path, place: Path) -> None:
    try:
        path.rename(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _remove(path)  # the checkpoints are a link to another disk


def _remove(path: Path) -> None:
    """As much of it as can be. Raises OSError where something is left."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
