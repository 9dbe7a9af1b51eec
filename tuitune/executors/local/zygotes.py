"""The zygotes of a study: which one starts trials, and when another takes its place."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from tuitune.executors.base import NotNowError, Plan, TargetError
from tuitune.executors.local import exit_text, provenance
from tuitune.executors.local.zygote_client import Timeouts, ZygoteClient
from tuitune.ipc import process_tree
from tuitune.store.folder import LOG
from tuitune.zygote.protocol import Reply


class Zygotes:
    """Keeps a working zygote until another has imported the changed code.

    `on_start` is called after each try to start one, with None or the error; with None, too, if the
    files are again as the current zygote has imported them. `on_slow` gets a message when an import
    takes long.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what may happen to zygotes
        self,
        plan: Plan,
        timeouts: Timeouts,
        on_reply: Callable[[Reply], None],
        on_death: Callable[[ZygoteClient], None],
        on_start: Callable[[BaseException | None], None],
        on_slow: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._timeouts = timeouts
        self._adopts = False  # this process adopts orphans
        self._on_reply = on_reply
        self._on_death = on_death
        self._on_start = on_start
        self._on_slow = on_slow
        self._is_open = False
        self._starting: asyncio.Task[ZygoteClient] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._files: tuple[str, ...] = ()  # what the newest import read, or failed at
        # as they were before the newest import
        self._tried: dict[str, provenance.Stamp | None] = {}
        self._failed = self._tried  # the same of the newest import that failed
        # what the newest import that worked has read
        self._sources = provenance.Sources((), plan.folder)
        self._closing = False
        self.all: set[ZygoteClient] = set()
        self.current: ZygoteClient | None = None  # the one that starts trials now
        self.commit = provenance.Commit("", None)
        self.unimportable = ""  # why the code can't be imported as it is now, in one line

    async def open(self) -> None:
        """Import the target for the first time. Raises TargetError, OSError."""
        if self._plan.adopt_orphans and not process_tree.foreign_children(()):
            process_tree.adopt_orphans()
            self._adopts = True
        await asyncio.shield(self._renew())
        self._is_open = True

    def ready(self) -> ZygoteClient | None:
        """The one to start a trial with; None if the trial must wait for another.

        While the code is known to be `unimportable` none is started before a file changes.
        """
        if self._starting is None and not self.unimportable:
            if (current := self._as_imported()) is not None:
                return current
            self._renew()
        return None

    async def for_sampling(self) -> ZygoteClient:
        """The zygote to call samplers in. Raises NotNowError."""
        if (current := self._with_samplers()) is not None:
            return current
        if not self.unimportable:
            await asyncio.wait([self._renew()])
        if (current := self._with_samplers()) is not None:
            return current
        raise NotNowError(self.unimportable or "the training code can't be imported now")

    async def close(self) -> None:
        """Kill them all, with whatever they have started."""
        self._closing = True
        if self._watching is not None:
            self._watching.cancel()
        await self._end_all()
        while self._starting is not None:
            await asyncio.wait([self._starting], timeout=self._timeouts.import_look)
            await self._end_all()  # one that was just being started

    def _with_samplers(self) -> ZygoteClient | None:
        current = self.current
        if current is not None and current.fresh is not None and current.sources.have_changed():
            return None  # each sampler would import its changed file
        return current

    async def _end_all(self) -> None:
        await asyncio.gather(*(zygote.end() for zygote in list(self.all)))

    def _as_imported(self) -> ZygoteClient | None:
        """The one that works, if the files are as it has imported them."""
        current = self.current
        return None if current is None or current.sources.have_changed() else current

    def _renew(self) -> asyncio.Task[ZygoteClient]:
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._make())
            self._starting.add_done_callback(self._have_made)
        return self._starting

    async def _make(self) -> ZygoteClient:
        """Import the files as they are now, and again each time that they change meanwhile.

        An import that writes files to the study file's folder would be restarted for ever, so each
        gets twice the time of the one before.
        """
        patience = self._timeouts.import_look
        loop = asyncio.get_running_loop()
        slow_timer = (
            loop.call_later(self._timeouts.import_slow, self._report_slow)
            if self._is_open
            else None
        )
        try:
            while not self._closing:
                if (current := self._as_imported()) is not None:
                    return current
                zygote = self._client()
                self._tried = self._stamps()
                starting = asyncio.ensure_future(self._start(zygote))
                await asyncio.wait([starting], timeout=patience if self._is_open else None)
                if await self._runs_to_its_end(starting):
                    return starting.result()
                await zygote.end()
                await asyncio.wait([starting])
                starting.exception()  # read, so that asyncio logs nothing: it was given up
                patience = min(2 * patience, self._timeouts.import_retry)
        finally:
            if slow_timer is not None:
                slow_timer.cancel()
        raise TargetError("the executor is closed")

    def _client(self) -> ZygoteClient:
        return ZygoteClient(
            self._plan, self._timeouts, self._on_reply, self._end_orphans, self._forget
        )

    async def _start(self, zygote: ZygoteClient) -> ZygoteClient:
        self.all.add(zygote)
        try:
            _, self.commit = await asyncio.gather(
                zygote.start(), provenance.commit_of(self._plan.folder)
            )
        except OSError:  # its process could not be started
            self.all.discard(zygote)
            raise
        return zygote

    async def _runs_to_its_end(self, starting: asyncio.Task[ZygoteClient]) -> bool:
        """Whether the import ends before its files change."""
        while not starting.done():
            if self._stamps() != self._tried or self._as_imported() is not None:
                return False
            await asyncio.wait([starting], timeout=self._timeouts.import_look)
        return True

    def _report_slow(self) -> None:
        # If an import has failed, and no file has changed since, its error is more useful
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
        elif not (isinstance(error, OSError) and exit_text.shortage(error.errno)):
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
        text = exit_text.printable(_words(error)).strip() or type(error).__name__
        missing = self._missing_file()
        self.unimportable = missing or exit_text.import_error(text, self._plan.folder)
        self._files = tuple({*self._files, *exit_text.files_in(text)})
        # Files that were not known before the import are taken as they are now
        self._tried = self._failed = {**self._stamps(), **self._tried}
        self._log(text)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.ensure_future(self._watch())

    def _missing_file(self) -> str:
        """A message if the target's file is gone, else empty."""
        place = (self._plan.target or "").rpartition(":")[0]
        is_gone = place.endswith(".py") and not Path(self._plan.folder, place).exists()
        return f"{place}: no such file" if is_gone else ""

    async def _watch(self) -> None:
        """Import again when a file changes, and from time to time: the cause may be elsewhere."""
        due = time.monotonic() + self._timeouts.import_retry
        while self.unimportable:
            await asyncio.sleep(self._timeouts.import_look)
            if time.monotonic() >= due or self._stamps() != self._tried:
                await asyncio.wait([self._renew()])
                due = time.monotonic() + self._timeouts.import_retry

    def _stamps(self) -> dict[str, provenance.Stamp | None]:
        """Stamps of the imported files, and of all Python files in the study file's folder."""
        neighbours = Path(self._plan.folder).glob("*.py")
        return provenance.stamps({*self._files, *map(str, neighbours)})

    async def _end_orphans(self) -> None:
        """End processes of a killed zygote that this process has adopted.

        Orphans of a living zygote's trials are adopted by that zygote, so none is ended here.
        """
        deadline = time.monotonic() + process_tree.SWEEP_SECONDS
        while self._adopts and time.monotonic() < deadline:
            zygotes = {zygote.pid for zygote in self.all if zygote.pid is not None}
            orphans = process_tree.foreign_children(zygotes)
            if not orphans:
                return
            for orphan in orphans:
                process_tree.end_child(orphan)
            await asyncio.sleep(process_tree.STEP_SECONDS)

    def _forget(self, zygote: ZygoteClient) -> None:
        self.all.discard(zygote)
        if self.current is zygote:
            self.current = None
        self._on_death(zygote)

    def _log(self, text: str) -> None:
        """Write the whole traceback to the log, where the import's own output goes."""
        with (
            contextlib.suppress(OSError),
            Path(self._plan.study_folder, LOG).open("a", encoding="utf-8", errors="replace") as log,
        ):
            log.write(f"the training code can't be imported:\n{text}\n")


def _words(error: BaseException) -> str:
    """As "/env/bin/python: No such file or directory" where no process could be started."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
