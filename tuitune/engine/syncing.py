"""When must the journal be on the disk, and not only safe from the engine's own death?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tuitune.core import events as ev
from tuitune.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tuitune.engine.ports import Store


class Syncing:
    """A trial's configuration outlives a power cut wherever its checkpoints do.

    Once an attempt at most, when it begins to save: on a thread, since a disk that large
    checkpoints are being written to may take seconds. Where the power fails sooner the folder's own
    configuration tells (see `tuitune.engine.trial_folders`).
    """

    def __init__(self, journal: Store, failed: Callable[[StoreError], None]) -> None:
        self._journal = journal
        self._failed = failed
        self._launched: set[int] = set()  # trials, since the newest sync began

    def after(self, facts: Iterable[ev.AnyFact]) -> None:
        """`facts`: they are in the store."""
        due = False
        for fact in facts:
            if type(fact) is ev.Launch:
                self._launched.add(fact.trial)
            elif type(fact) is ev.SaveStarted or type(fact) is ev.Checkpointed:
                due = due or fact.trial in self._launched
        if due:
            self._launched.clear()
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, self._journal.sync).add_done_callback(self._synced)

    def _synced(self, future: asyncio.Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if isinstance(error, StoreError):
            self._failed(error)
        elif error is not None:
            raise error
