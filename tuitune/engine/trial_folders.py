"""Folders of trials: configurations, checkpoints, and their removal on a thread."""

import asyncio
import contextlib
import errno
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

from tuitune.core.study.checkpoints import Keep
from tuitune.trial.checkpoints import CHECKPOINTS
from tuitune.trial.saved_files import find

BIN = ".removing"  # in the folder of the trials, for what is to be deleted
_FEW = 4  # trials whose checkpoints are looked for at once; the thread looks for those of more


class _Removal:
    """Removes checkpoints that are not kept, one after the other, on a thread of its own.

    They are first renamed out of the trial's folder, so that an attempt never finds half a
    checkpoint. If one can't be removed, `note` gets a message, once and on that thread; it is tried
    again with the next removal.
    """

    def __init__(self, trials: Path, note: Callable[[str], None], saves: str | None) -> None:
        self._trials = trials
        self._saves = saves
        self._bin = trials / BIN
        self._note = note
        self._reported = False
        self._turn = threading.Condition()
        self._due: dict[int, Keep] = {}  # by trial
        self._failed: dict[int, Keep] = {}
        self._at: int | None = None
        self._has_begun = False
        self._closed = False
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="removal")

    def leave(self, keeps: Mapping[int, Keep]) -> None:
        """`keeps`: by trial, which of its checkpoints stay; others are removed."""
        if self._is_idle and len(keeps) <= _FEW and not any(map(self._has_saved, keeps)):
            return  # as in a study that never saves: the thread is not woken
        with self._turn:
            if self._closed:
                return
            self._has_begun = True
            self._due.update(self._failed)
            self._failed.clear()
            ended = {n for n, keep in self._due.items() if not keep.live}
            news = keeps.items()
            self._due.update((n, keep) for n, keep in news if not (keep.live and n in ended))
        self._pool.submit(self._work)

    def spare(self, trial: int) -> None:
        """Remove nothing more of this trial, since it is about to go on."""
        with self._turn:
            self._due.pop(trial, None)
            self._failed.pop(trial, None)
            self._turn.wait_for(lambda: self._at != trial)  # a few renames

    def close(self) -> None:
        """Wait until all is removed that can be."""
        with self._turn:
            self._closed = True
        self._pool.shutdown()

    @property
    def _is_idle(self) -> bool:
        """Whether it has looked into the bin once, and nothing is left to try again."""
        return self._has_begun and not self._failed

    def _has_saved(self, trial: int) -> bool:
        return self._saves is not None or os.path.exists(self._checkpoints(trial))  # noqa: PTH110

    def _checkpoints(self, trial: int) -> str:
        return f"{self._trials}/{trial:04d}/{CHECKPOINTS}"

    def _work(self) -> None:
        self._empty_bin()  # an engine that was killed may have left something there
        while (due := self._next()) is not None:
            moved = self._do(*due)
            with self._turn:
                self._at = None
                self._turn.notify_all()
            if moved:
                self._empty_bin()

    def _do(self, trial: int, keep: Keep) -> bool:
        """Returns whether the bin may hold something now."""
        try:
            return self._set_aside(trial, keep)
        except OSError as error:
            with self._turn:
                self._failed[trial] = keep
            self._report(error)
            return True

    def _next(self) -> tuple[int, Keep] | None:
        with self._turn:
            if not self._due:
                return None
            self._at = trial = next(iter(self._due))
            return trial, self._due.pop(trial)

    def _set_aside(self, trial: int, keep: Keep) -> bool:
        """Returns whether there was anything to move. Raises OSError."""
        place = self._checkpoints(trial)
        try:
            names = os.listdir(place)  # noqa: PTH208 - called for each trial when a study opens
        except (FileNotFoundError, NotADirectoryError):
            names = []
        folder = Path(place)
        there = [folder / name for name in names]
        steps = {path: int(path.name) for path in whole(there)}
        gone = keep.superfluous(steps.values())
        # of an attempt that has ended nothing is being written any more
        superfluous = [p for p in there if (steps[p] in gone if p in steps else not keep.live)]
        if not keep.count and self._saves is not None:
            own = folder.parent
            superfluous += [own / found for found in find(str(own), self._saves)]
        if superfluous:
            self._bin.mkdir(exist_ok=True, mode=0o700)
            aside = Path(tempfile.mkdtemp(prefix=f"{trial:04d}-", dir=self._bin))
            for number, path in enumerate(superfluous):
                with contextlib.suppress(FileNotFoundError):  # it was in one that has been moved
                    move(path, aside / f"{number}-{path.name}")
        if names and len(superfluous) == len(names):
            with contextlib.suppress(OSError):  # a link to a folder elsewhere stays
                folder.rmdir()
        return bool(superfluous)

    def _empty_bin(self) -> None:
        try:
            found = sorted(self._bin.iterdir())
        except FileNotFoundError:
            return
        except OSError as error:
            self._report(error)
            return
        for path in found:
            try:
                remove(path)
            except OSError as error:
                self._report(error)
        with contextlib.suppress(OSError):
            self._bin.rmdir()

    def _report(self, error: OSError) -> None:
        if not self._reported:
            self._reported = True
            where = f"{error.filename}: " if error.filename else ""
            self._note(
                f"a checkpoint that is not needed can't be removed: {where}{error.strerror}; this "
                f"is tried again now and then, or remove {self._bin} by hand"
            )


def whole(paths: list[Path]) -> list[Path]:
    """The complete checkpoints among these paths, by step; others are being written."""
    found = [path for path in paths if len(path.name) >= 8 and path.name.isdecimal()]
    return sorted(found, key=lambda path: int(path.name))


def move(path: Path, place: Path) -> None:
    """Rename it to `place`, or remove it where that is on another disk. Raises OSError."""
    try:
        path.rename(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        remove(path)  # the checkpoints are a link to another disk


def remove(path: Path) -> None:
    """Delete a tree as far as possible. Raises OSError if something is left."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


_CONFIGURATION = "config.json"


class TrialFolders:
    """The folder `trials/` of one study. `note` gets messages about removal, on any thread."""

    def __init__(
        self,
        trials: Path,
        note: Callable[[str], None] = lambda _text: None,
        saves: str | None = None,
    ) -> None:
        """`saves`: the files of commands that are removed with their checkpoints, as a glob."""
        self._trials = trials
        self._removal = _Removal(trials, note, saves)
        self.elsewhere: Callable[[Mapping[int, Keep]], None] | None = None  # `leave` of nodes

    def folder(self, trial: int) -> Path:
        """The trial's folder, which may not exist yet."""
        return self._trials / f"{trial:04d}"

    def prepare(self, trial: int, configuration: dict[str, Any]) -> str:
        """Make the trial's folder, with its configuration in it. Raises OSError.

        A folder with another configuration, which an older journal doesn't know, is moved aside
        with all its files. Returns the name it was moved to, else an empty text.
        """
        self._removal.spare(trial)
        folder = f"{self._trials}/{trial:04d}"
        ours = json.dumps(configuration, indent=2) + "\n"
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - a third of Path's time
        try:  # without a buffer, which would take as long as all else here
            with open(f"{folder}/{_CONFIGURATION}", "xb", buffering=0) as file:  # noqa: PTH123
                if file.write(ours.encode()) < len(ours):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
        except FileExistsError:
            return self._take_over(Path(folder), ours)
        return ""

    def _take_over(self, folder: Path, ours: str) -> str:
        """Keep a folder of the same configuration, or move another's aside: its new name."""
        path, moved = folder / _CONFIGURATION, ""
        found = path.read_text(encoding="utf-8", errors="replace")
        if _is_same(found, ours):
            return moved
        # the first part of ours: an engine died, or the disk was full, while writing it
        if not ours.startswith(found) or (folder / CHECKPOINTS).exists():
            moved = self._move_aside(folder)
            folder.mkdir(mode=0o700)
        path.write_text(ours, encoding="utf-8")
        return moved

    def newest_checkpoint(self, trial: int, but: int | None, known: int) -> Path | None:
        """The whole checkpoint with the highest step up to `known`, except the step `but`.

        Read from the disk: the journal may be wrong about which are there.
        """
        place = f"{self._trials}/{trial:04d}/{CHECKPOINTS}"
        try:
            names = os.listdir(place)  # noqa: PTH208 - before each launch, and mostly for nothing
        except (FileNotFoundError, NotADirectoryError):
            return None
        found = whole([Path(place, name) for name in names])
        steps = ((path, int(path.name)) for path in reversed(found))
        return next((path for path, step in steps if step != but and step <= known), None)

    def leave(self, keeps: Mapping[int, Keep]) -> None:
        """`keeps`: by trial, which of its checkpoints stay; others are removed soon."""
        self._removal.leave(keeps)
        if self.elsewhere is not None:
            self.elsewhere(keeps)

    async def close(self) -> None:
        """Wait until all is removed that can be."""
        await asyncio.to_thread(self._removal.close)

    def _move_aside(self, folder: Path) -> str:
        places = (folder.with_name(f"{folder.name}.old-{number}") for number in count(1))
        place = next(place for place in places if not place.exists())
        folder.rename(place)
        return f"{place.parent.name}/{place.name}"


def _is_same(one: str, other: str) -> bool:
    """Whether both texts hold the same configuration; one that can't be read differs."""
    if one == other:
        return True
    with contextlib.suppress(ValueError, RecursionError):
        return bool(json.loads(one) == json.loads(other))
    return False
