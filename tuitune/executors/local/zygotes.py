"""Which zygote starts trials now, and when does another take its place?"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.executors.base import NotNowError, TargetError
from tuitune.executors.local import exit_text
from tuitune.executors.local.provenance import Commit, Sources, commit_of, stamps
from tuitune.executors.local.shortage import shortage
from tuitune.executors.local.zygote_client import ZygoteClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.executors.base import Plan
    from tuitune.executors.local.provenance import Stamp
    from tuitune.zygote.protocol import Reply

PERIOD = 0.5  # s between two looks at files whose import goes on, or has failed
AGAIN = 30.0  # s after which their import is tried again though none has changed
SLOW = 5.0  # s after which is told that an import of changed files goes on


class Zygotes:
    """The one that works is kept until the code that has changed is imported by another.

    `on_start` is told each time that another was started: None, or why that failed. It is told
    None, too, where the files are again what the one that works has imported. `on_slow` is told
    in words that an import takes its time.
    """

    def __init__(
        self,
        plan: Plan,
        on_reply: Callable[[Reply], None],
        on_death: Callable[[ZygoteClient], None],
        on_start: Callable[[BaseException | None], None],
        on_slow: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._on_reply = on_reply
        self._on_death = on_death
        self._on_start = on_start
        self._on_slow = on_slow
        self._is_open = False
        self._starting: asyncio.Task[ZygoteClient] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._files: tuple[str, ...] = ()  # what the newest import read, or failed at
        self._tried: dict[str, Stamp | None] = {}  # as they were before the newest import
        self._failed = self._tried  # the same of the newest import that failed
        self._sources = Sources((), plan.folder)  # what the newest import that worked has read
        self._closing = False
        self.all: set[ZygoteClient] = set()
        self.current: ZygoteClient | None = None  # the one that starts trials now
        self.commit = Commit("", None)
        self.unimportable = ""  # why the code can't be imported as it is now, in one line

    async def open(self) -> None:
        """Import the target for the first time. Raises TargetError, OSError."""
        await asyncio.shield(self._renew())
        self._is_open = True

    def fit(self) -> ZygoteClient | None:
        """The one to start a trial with; None where the trial must wait for another.

        Where the code is known to be `unimportable` none is started: that waits for a change.
        """
        if self._starting is None and not self.unimportable:
            if (current := self._as_imported()) is not None:
                return current
            self._renew()
        return None

    async def to_sample(self) -> ZygoteClient:
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
        await self._end_all()
        while self._starting is not None:
            await asyncio.wait([self._starting], timeout=PERIOD)
            await self._end_all()  # one that was just being started

    def _able_to_sample(self) -> ZygoteClient | None:
        current = self.current
        if current is not None and current.fresh is not None and current.sources.have_changed():
            return None  # its samplers would be imported as they are now
        return current

    async def _end_all(self) -> None:
        await asyncio.gather(*(zygote.end() for zygote in list(self.all)))

    def _as_imported(self) -> ZygoteClient | None:
        """The one that works, where the files are as it has imported them."""
        current = self.current
        return None if current is None or current.sources.have_changed() else current

    def _renew(self) -> asyncio.Task[ZygoteClient]:
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._make())
            self._starting.add_done_callback(self._have_made)
        return self._starting

    async def _make(self) -> ZygoteClient:
        """Import the files as they are now, and anew each time that they change meanwhile.

        An import that writes files beside the study file would be given up for ever: each gets
        twice the time of the one before.
        """
        patience = PERIOD
        loop = asyncio.get_running_loop()
        telling = loop.call_later(SLOW, self._tell_slow) if self._is_open else None
        try:
            while not self._closing:
                if (current := self._as_imported()) is not None:
                    return current
                zygote = ZygoteClient(self._plan, self._on_reply, self._bury)
                self._tried = self._stamps()
                starting = asyncio.ensure_future(self._start(zygote))
                await asyncio.wait([starting], timeout=patience if self._is_open else None)
                if await self._runs_to_its_end(starting):
                    return starting.result()
                await zygote.end()
                await asyncio.wait([starting])
                starting.exception()  # it was given up: that is no error
                patience = min(2 * patience, AGAIN)
        finally:
            if telling is not None:
                telling.cancel()
        raise TargetError("the executor is closed")

    async def _start(self, zygote: ZygoteClient) -> ZygoteClient:
        self.all.add(zygote)
        try:
            _, self.commit = await asyncio.gather(zygote.start(), commit_of(self._plan.folder))
        except OSError:  # its process could not be started
            self.all.discard(zygote)
            raise
        return zygote

    async def _runs_to_its_end(self, starting: asyncio.Task[ZygoteClient]) -> bool:
        """Whether it comes to its end before the files are others than those it imports."""
        while not starting.done():
            if self._stamps() != self._tried or self._as_imported() is not None:
                return False
            await asyncio.wait([starting], timeout=PERIOD)
        return True

    def _tell_slow(self) -> None:
        # where an import has failed, and no file has changed since, its error says more
        if not self.unimportable or self._tried != self._failed:
            name = self._sources.changed()
            what = f"{name} has changed" if name else "it has changed"
            self._on_slow(f"{what} and is being imported")

    def _have_made(self, task: asyncio.Task[ZygoteClient]) -> None:
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

    def _take_over(self, zygote: ZygoteClient) -> None:
        before, self.current = self.current, zygote
        if before is not None and before is not zygote:
            before.retire()
        self._sources = zygote.sources
        self._files = zygote.sources.files
        self.unimportable = ""

    def _have_failed(self, error: BaseException) -> None:
        text = exit_text.plain(str(error)).strip() or type(error).__name__
        missing = self._missing_file()
        self.unimportable = missing or exit_text.import_error(text, self._plan.folder)
        self._files = tuple({*self._files, *exit_text.files_in(text)})
        # those that were not looked at before the import are taken as they are
        self._tried = self._failed = {**self._stamps(), **self._tried}
        self._log(text)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.ensure_future(self._watch())

    def _missing_file(self) -> str:
        """In words that the target's file is gone, empty where it is there."""
        place = (self._plan.target or "").rpartition(":")[0]
        is_gone = place.endswith(".py") and not Path(self._plan.folder, place).exists()
        return f"{place}: no such file" if is_gone else ""

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

    def _bury(self, zygote: ZygoteClient) -> None:
        self.all.discard(zygote)
        if self.current is zygote:
            self.current = None
        self._on_death(zygote)

    def _log(self, text: str) -> None:
        """The whole traceback goes to where what the import prints goes."""
        with (
            contextlib.suppress(OSError),
            Path(self._plan.study_folder, "engine.log").open(
                "a", encoding="utf-8", errors="replace"
            ) as log,
        ):
            log.write(f"the training code can't be imported:\n{text}\n")
