"""What lies in the trials' folders: configurations, checkpoints, and what of them is kept."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

from tuitune.study.state import COMPLETE

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.spec import KeepCheckpoints
    from tuitune.study.state import State

WHOLE = re.compile(r"\d{8,}")


class Shelf:
    """The folder `trials/` of one study."""

    def __init__(self, trials: Path) -> None:
        self._trials = trials

    def folder(self, trial: int) -> Path:
        return self._trials / f"{trial:04d}"

    def prepare(self, trial: int, configuration: dict[str, Any]) -> Path:
        """The trial's folder, made with its configuration in it where it is new."""
        folder = self.folder(trial)
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
            (folder / "config.json").write_text(json.dumps(configuration, indent=2) + "\n")
        return folder

    def newest_checkpoint(self, trial: int) -> Path | None:
        """The whole checkpoint with the highest step; the disk knows better than the journal."""
        found = self._checkpoints(trial)
        return found[-1] if found else None

    def has_checkpoints(self, trial: int) -> bool:
        return (self.folder(trial) / "checkpoints").exists()

    def drop_checkpoints(self, trial: int, keep: int) -> None:
        """Remove all but a trial's newest `keep` checkpoints, and what was left half written."""
        folder = self.folder(trial) / "checkpoints"
        if not folder.exists():
            return
        kept = {path.name for path in self._checkpoints(trial)[-keep:]} if keep else set()
        for path in folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path, ignore_errors=True)
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)

    def _checkpoints(self, trial: int) -> list[Path]:
        folder = self.folder(trial) / "checkpoints"
        if not folder.exists():
            return []
        whole = [path for path in folder.iterdir() if WHOLE.fullmatch(path.name)]
        return sorted(whole, key=lambda path: int(path.name))


def checkpoints_to_drop(
    state: State, keep: KeepCheckpoints, ended: int, kept: int | None
) -> list[tuple[int, int]]:
    """(trial, how many of its newest checkpoints stay) for those with some to lose.

    `kept`: the trial whose checkpoint was kept as the best one's before `ended` ended.
    """
    trial = state.trials[ended]
    if trial.shelved:  # it goes on from its checkpoint if more trials are asked for
        return [(ended, 1)]
    if trial.state != COMPLETE or keep == "none":
        return [(ended, 0)]
    if keep == "all":
        return []
    beaten = [n for n in (ended, kept) if n is not None and n != state.leader]
    return [(n, 0) for n in beaten] + ([(ended, 1)] if ended == state.leader else [])
