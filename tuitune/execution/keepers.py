"""Which zygote starts trials now, and when does another take its place?"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.execution import words
from tuitune.execution.executor import NotNowError, TargetError
from tuitune.execution.keeper import Keeper
from tuitune.execution.provenance import Commit, commit_of, stamps
from tuitune.execution.shortage import shortage

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.execution.errands import Word
    from tuitune.execution.executor import Plan
    from tuitune.execution.provenance import Stamp

PERIOD = 0.5  # s between two looks at files whose import has failed
AGAIN = 30.0  # s after which their import is tried again though none has changed


class Keepers:
    """The one that works is kept until the code that has changed is imported by another.

    `on_start` is told each time that another was started: None, or why that failed.
    """

    def __init__(
        self,
        plan: Plan,
        on_word: Callable[[Word], None],
        on_death: Callable[[Keeper], None],
        on_start: Callable[[BaseException | None], None],
    ) -> None:
        self._plan = plan
        self._on_word = on_word
        self._on_death = on_death
        self._on_start = on_start
        self._starting: asyncio.Task[Keeper] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._files: tuple[str, ...] = ()  # what the newest import read, or failed at
        self._tried: dict[str, Stamp | None] = {}  # as they were before the newest import
        self._closing = False
        self.all: set[Keeper] = set()
        self.current: Keeper | None = None  # the one that starts trials now
        self.commit = Commit("", None)
        self.unimportable = ""  # why the code can't be imported as it is now, in one line

    async def open(self) -> None:
        """Import the target for the first time. Raises TargetError, OSError."""
        await asyncio.shield(self._renew())

    def fit(self) -> Keeper | None:
        """The one to start a trial with; None where the trial must wait for another.

        Where the code is known to be `unimportable` none is started: that waits for a change.
        """
        current = self.current
        if self._starting is None and not self.unimportable:
            if current is not None and not current.sources.have_changed():
                return current
            self._renew()
        return None

    async def to_sample(self) -> Keeper:
        """The one whose samplers are asked: that which works. Raises NotNowError."""
        if (current := self._able_to_sample()) is not None:
            return current
        if not self.unimportable:
            await asyncio.wait([self._renew()])
        if (current := self._able_to_sample()) is not None:
            return current
        raise NotNowError(self.unimportable or "the training code can't be imported now")

    async def close(self) -> None:
        """Kill them all, with whatever they have started."""
        self._closing = True
        if self._watching is not None:
            self._watching.cancel()
        await asyncio.gather(*(keeper.end() for keeper in list(self.all)))
        if self._starting is not None:
            await asyncio.wait([self._starting])

    def _able_to_sample(self) -> Keeper | None:
        current = self.current
        if current is not None and current.fresh is not None and current.sources.have_changed():
            return None  # its samplers would be imported as they are now
        return current

    def _renew(self) -> asyncio.Task[Keeper]:
        if self._starting is None:
            self._tried = self._stamps()
            self._starting = asyncio.ensure_future(self._make())
            self._starting.add_done_callback(self._have_made)
        return self._starting

    async def _make(self) -> Keeper:
        if self._closing:
            raise TargetError("the executor is closed")
        keeper = Keeper(self._plan, self._on_word, self._bury)
        self.all.add(keeper)
        try:
            _, self.commit = await asyncio.gather(keeper.start(), commit_of(self._plan.folder))
        except OSError:  # its process could not be started
            self.all.discard(keeper)
            raise
        return keeper

    def _have_made(self, task: asyncio.Task[Keeper]) -> None:
        self._starting = None
        if task.cancelled():
            return
        error = task.exception()
        if self._closing:
            return
        if error is None:
            self._take_over(task.result())
        elif not (isinstance(error, OSError) and shortage(error.errno)):
            self._have_failed(error)
        self._on_start(error)

    def _take_over(self, keeper: Keeper) -> None:
        before, self.current = self.current, keeper
        if before is not None:
            before.retire()
        self._files = keeper.sources.files
        self.unimportable = ""

    def _have_failed(self, error: BaseException) -> None:
        text = words.plain(str(error)).strip() or type(error).__name__
        self.unimportable = words.import_error(text, self._plan.folder)
        self._files = tuple({*self._files, *words.files_in(text)})
        # those that were not looked at before the import are taken as they are
        self._tried = {**self._stamps(), **self._tried}
        self._log(text)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        """Import again once a file has changed, and now and then: the cause may be elsewhere."""
        due = time.monotonic() + AGAIN
        while self.unimportable:
            await asyncio.sleep(PERIOD)
            if time.monotonic() >= due or self._stamps() != self._tried:
                await asyncio.wait([self._renew()])
                due = time.monotonic() + AGAIN

    def _stamps(self) -> dict[str, Stamp | None]:
        """Of the files that were imported, and of those that lie beside the study file."""
        beside = Path(self._plan.folder).glob("*.py")
        return stamps({*self._files, *map(str, beside)})

    def _bury(self, keeper: Keeper) -> None:
        self.all.discard(keeper)
        if self.current is keeper:
            self.current = None
        self._on_death(keeper)

    def _log(self, text: str) -> None:
        """The whole traceback goes to where what the import prints goes."""
        with (
            contextlib.suppress(OSError),
            Path(self._plan.study_folder, "engine.log").open("a", errors="replace") as log,
        ):
            log.write(f"the training code can't be imported:\n{text}\n")
