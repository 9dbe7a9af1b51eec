"""What lies in the trials' folders: configurations and checkpoints."""

from __future__ import annotations

import asyncio
import contextlib
import json
from itertools import count
from typing import TYPE_CHECKING, Any

from tuitune.engine.removal import CHECKPOINTS, Removal, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

CONFIGURATION = "config.json"


class TrialFolders:
    """The folder `trials/` of one study. `say` is told of what can't be removed, on any thread."""

    def __init__(self, trials: Path, say: Callable[[str], None] = lambda _text: None) -> None:
        self._trials = trials
        self._removal = Removal(trials, say)

    def folder(self, trial: int) -> Path:
        return self._trials / f"{trial:04d}"

    def prepare(self, trial: int, configuration: dict[str, Any]) -> str:
        """Make the trial's folder, with its configuration in it. Raises OSError.

        A folder that another configuration was trained in is moved aside, with all that is in it:
        the journal is older than that one. Returns the name it was moved to, else an empty text.
        """
        self._removal.spare(trial)
        folder = self.folder(trial)
        ours = json.dumps(configuration, indent=2) + "\n"
        moved = ""
        found = _read(folder / CONFIGURATION)
        if found is not None and not _is_same(found, ours):
            moved = self._move_aside(folder)
            found = None
        if found is None:
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            _write(folder / CONFIGURATION, ours)
        return moved

    def newest_checkpoint(self, trial: int, but: int | None) -> Path | None:
        """The whole checkpoint with the highest step, except the step `but`.

        The disk knows better than the journal which are there.
        """
        try:
            found = whole(list((self.folder(trial) / CHECKPOINTS).iterdir()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return next((path for path in reversed(found) if int(path.name) != but), None)

    def leave(self, newest: Mapping[int, int]) -> None:
        """Soon, only so many of the newest checkpoints of each of these trials are there."""
        self._removal.leave(newest)

    async def close(self) -> None:
        """Wait for what is still to be removed."""
        await asyncio.to_thread(self._removal.close)

    def _move_aside(self, folder: Path) -> str:
        places = (folder.with_name(f"{folder.name}.old-{number}") for number in count(1))
        place = next(place for place in places if not place.exists())
        folder.rename(place)
        return f"{place.parent.name}/{place.name}"


def _read(path: Path) -> str | None:
    """What is there; None where nothing is."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """All of it or nothing, whenever the process dies."""
    aside = path.with_name(f".{path.name}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)


def _is_same(one: str, other: str) -> bool:
    """Whether both are the same configuration; what can't be read is nobody's."""
    if one == other:
        return True
    with contextlib.suppress(ValueError, RecursionError):
        return bool(json.loads(one) == json.loads(other))
    return False
