"""Importance of the parameters, kept up to date in the store while a study runs."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING

import msgspec

from tuitune.core.search.importance import FINISHED, Importance, is_due
from tuitune.model_process.importance import command, environment, read_answer
from tuitune.store.errors import StoreError
from tuitune.store.folder import LOG

if TYPE_CHECKING:
    from pathlib import Path

    from tuitune.core.study import Study
    from tuitune.store.journal import Journal

_INTERVAL = 15.0  # s between two looks at whether enough trials have finished


async def watch(study: Study, journal: Journal, folder: Path, interval: float = _INTERVAL) -> None:
    """Compute it again, in a process of its own, whenever enough trials have finished."""
    newest = journal.importance()
    while True:
        await asyncio.sleep(interval)
        finished = sum(trial.state in FINISHED for trial in study.state.trials)
        if not is_due(newest, finished):
            continue
        found = await _computed(folder)
        newest = found or Importance(finished)  # after a failure, wait for more trials
        if found is not None:
            with contextlib.suppress(StoreError):  # the engine reports the same error
                journal.keep_importance(found)


async def _computed(folder: Path) -> Importance | None:
    """None if the process fails; its error is in the engine's log then."""
    try:
        with (folder / LOG).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command(folder),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                env=environment(),
                start_new_session=True,
            )
    except OSError:
        return None
    try:
        output, _ = await process.communicate()
        return read_answer(output)
    except msgspec.DecodeError:
        return None
    finally:
        if process.returncode is None:  # the study has ended meanwhile
            process.kill()
            await process.wait()
