"""All checkpoints of a study that no engine runs: what they hold on disk, and their removal."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tuitune.engine.trial_folders import BIN, move, remove
from tuitune.trial.checkpoints import CHECKPOINTS
from tuitune.trial.saved_files import find


def bytes_on_disk(trials: Path, saves: str | None) -> int:
    """What the checkpoints of all trials hold. `saves`: of commands, as in the study file.

    A file counts once, however many names it has.
    """
    files = (file for place in (*_places(trials, saves), trials / BIN) for file in _files(place))
    return sum({(f.st_dev, f.st_ino): 512 * f.st_blocks for f in files}.values())


def remove_all(trials: Path, saves: str | None) -> None:
    """Remove them, those of trials' folders that were moved aside among them. Raises OSError.

    They are first renamed, so that no part of one is ever taken for a whole one.
    """
    aside = trials / BIN
    for place in _places(trials, saves):
        aside.mkdir(exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # it was in one that has been moved
            move(place, Path(tempfile.mkdtemp(dir=aside)) / place.name)
    for folder in trials.glob(f"*/{CHECKPOINTS}"):
        with contextlib.suppress(OSError):  # a link to a folder elsewhere stays
            folder.rmdir()
    if aside.exists():
        remove(aside)


def _places(trials: Path, saves: str | None) -> list[Path]:
    """Each checkpoint, half-written ones too, and the files that commands have saved."""
    found = list(trials.glob(f"*/{CHECKPOINTS}/*"))
    if saves is not None:
        own = [folder for folder in trials.glob("[0-9]*") if folder.is_dir()]
        found += [folder / place for folder in own for place in find(str(folder), saves)]
    return found


def _files(place: Path) -> Iterator[os.stat_result]:
    """The file at this place, or all in the folder; what goes meanwhile is passed over."""
    for folder, _, names in os.walk(place):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.lstat(f"{folder}/{name}")
    with contextlib.suppress(OSError):
        yield os.lstat(place)
