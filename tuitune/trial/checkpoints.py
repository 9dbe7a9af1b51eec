"""Checkpoints on disk, each of them whole or absent."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuitune.trial.wire import Order

CHECKPOINTS = "checkpoints"  # the folder of them, in the trial's
_ASIDE = ".tmp-"  # begins the names of folders that are being written
_KEPT = 2
_LEAST_FREE = 1 << 16  # bytes


@contextmanager
def written(folder: Path, step: int, attempt: int) -> Iterator[Path]:
    """A temporary folder to write into; then renamed to `folder`/00000027, or removed on error.

    Its name has the attempt and not the process: nodes that share a folder have the same ids.
    """
    first = not folder.exists()
    aside = folder / f"{_ASIDE}{attempt}-{step}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        _sync(aside)
        if first:
            _sync_configuration(folder.parent)
        _publish(aside, folder / f"{step:08d}")
    except BaseException as error:
        is_full = isinstance(error, Exception) and _is_full(aside)
        shutil.rmtree(aside, ignore_errors=True)
        if is_full:  # libraries raise errors of their own for it, as torch a RuntimeError
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(aside)) from error
        raise
    _sync_one(folder)


def _is_full(folder: Path) -> bool:
    """Whether the disk has no room for what a library would write at once."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LEAST_FREE


def clear_remains(folder: Path, order: Order) -> None:
    """Remove what earlier attempts have left that this one does not go on from.

    That is temporary folders, and later checkpoints: no report of theirs may have arrived.
    """
    resumed = -1 if order.resume_step is None else order.resume_step
    if folder.is_dir():
        for entry in folder.iterdir():
            if _is_older(entry.name, order.attempt):
                shutil.rmtree(entry, ignore_errors=True)
        _remove(folder, [step for step in _steps(folder) if step > resumed])


def _is_older(name: str, attempt: int) -> bool:
    """Whether it is a temporary folder of an earlier attempt, or of no attempt."""
    if not name.startswith("."):
        return False
    number = name.removeprefix(_ASIDE).partition("-")[0]
    return not (name.startswith(_ASIDE) and number.isdecimal() and int(number) >= attempt)


def _publish(aside: Path, place: Path) -> None:
    if not place.exists():
        aside.rename(place)
        return
    old = _set_aside(place)  # a folder can't be renamed onto a full one
    try:
        aside.rename(place)
    except OSError:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _set_aside(place: Path) -> Path:
    """The folder under a name that is no step's: its removal may be cut off by a kill."""
    old = place.with_name(f".old-{place.name}")
    shutil.rmtree(old, ignore_errors=True)
    place.rename(old)
    return old


def keep_newest(folder: Path, step: int) -> None:
    """Keep this step and the one before it, where no engine does."""
    steps = _steps(folder)
    kept = [found for found in steps if found <= step][-_KEPT:]
    _remove(folder, [found for found in steps if found not in kept])


def _steps(folder: Path) -> list[int]:
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdigit())


def _remove(folder: Path, steps: list[int]) -> None:
    for step in steps:
        with suppress(OSError):
            shutil.rmtree(_set_aside(folder / f"{step:08d}"), ignore_errors=True)


def _sync(folder: Path) -> None:
    for place, _, files in os.walk(folder):
        for name in files:
            _sync_one(Path(place, name))
        _sync_one(Path(place))


def _sync_configuration(trial: Path) -> None:
    """The configuration that the checkpoints belong to must survive a power cut with them."""
    configuration = trial / "config.json"
    if configuration.exists():
        _sync_one(configuration)
    _sync_one(trial)
    _sync_one(trial.parent)


def _sync_one(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
