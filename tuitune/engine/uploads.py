"""Checkpoints and logs on their way from a node to the study's storage."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tuitune.core.study.checkpoints import WRITTEN, Keep
from tuitune.engine.trial_folders import TrialFolders
from tuitune.storage.depot import Copy, Depot, StorageError, TornError
from tuitune.trial.checkpoints import CHECKPOINTS, written

_AT_ONCE = 4  # calls of the storage
_FIRST_RETRY, _LONGEST_RETRY = 0.5, 10.0  # s until an upload is tried again
_PATIENCE = 30.0  # s that the end of an attempt waits for a storage that fails
_LOOK = 5.0  # s between two looks at a storage that fails
_LAST_LOGS = 10.0  # s that the end of an agent waits for logs

T = TypeVar("T")


class Stores(NamedTuple):
    """Where a study's checkpoints are."""

    now: Depot
    earlier: tuple[Depot, ...] = ()  # where they were kept before: these are only read


class Wanted(NamedTuple):
    """What a trial may go on from."""

    trial: int
    attempt: int
    configuration: str  # see `copies.digest`
    but: int | None  # not from this step
    known: int  # up to this step, which the journal knows of


@dataclass(slots=True)
class _Trial:
    attempt: int
    configuration: str
    log_start: int  # byte of its log at which this attempt begins
    due: list[int] = field(default_factory=list)  # steps that are saved and not uploaded
    given_up_at: float | None = None  # by the loop's clock; None: it still runs
    work: asyncio.Task[None] | None = None


class Uploads:
    """Uploads what trials save, one checkpoint of a trial at a time: the newest that there is."""

    def __init__(
        self,
        stores: Stores,
        folders: TrialFolders,
        saved: Callable[[int, int, list[int], str], None],
        trouble: Callable[[str], None],
    ) -> None:
        """Make it.

        saved(trial, attempt, steps, why): these steps are in the storage, or a newer one is; else
        why not. trouble(why): nothing can be stored; "": it can be again.
        """
        self._depot = stores.now
        self._stores = stores
        self._folders = folders
        self._saved = saved
        self._trouble = trouble
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="storage")
        self._trials: dict[int, _Trial] = {}
        self._here: dict[tuple[int, int], Copy] = {}  # (trial, step): what its folder here holds
        self._logs: set[asyncio.Task[None]] = set()
        self._failing = ""
        self._looking: asyncio.Task[None] | None = None

    async def begin(self, wanted: Wanted) -> Path | None:
        """The checkpoint to go on from, brought here. Raises StorageError, OSError."""
        trial = wanted.trial
        log = self._folders.folder(trial) / "output.log"
        start = log.stat().st_size if log.exists() else 0
        self._trials[trial] = _Trial(wanted.attempt, wanted.configuration, start)
        here = self._folders.newest_checkpoint(trial, wanted.but, wanted.known)
        keep = Keep(WRITTEN, wanted.known)  # nothing that an earlier attempt has told of in vain
        for depot in (self._stores.now, *self._stores.earlier):
            try:
                found = await self._call(self._bring, depot, wanted, here)
                if depot is self._depot:
                    await self._call(_quietly, partial(depot.leave, trial, keep))
            except StorageError as error:
                self._note(str(error))
                raise
            if found is not None:
                return found
        return here

    def _bring(self, depot: Depot, wanted: Wanted, here: Path | None) -> Path | None:
        """Runs on a thread. The checkpoint `here` is used if it is newer and the journal's."""
        trial = wanted.trial
        for copy in depot.newest(trial, wanted.configuration, wanted.but, wanted.known):
            if here is not None and wanted.known == int(here.name) > copy.step:
                return here
            place = self._folders.folder(trial) / CHECKPOINTS / f"{copy.step:08d}"
            if self._here.get((trial, copy.step)) == copy and place.is_dir():
                return place
            with contextlib.suppress(TornError):  # the one before it will do
                with written(place.parent, copy.step, wanted.attempt) as aside:
                    depot.bring(trial, copy, aside)
                self._here[trial, copy.step] = copy
                return place
        return None

    def add(self, trial: int, step: int) -> None:
        """A running attempt has saved: `saved` is called once that is uploaded."""
        found = self._trials[trial]
        found.due.append(step)
        self._here.pop((trial, step), None)
        if found.work is None:
            found.work = asyncio.create_task(self._work(trial, found))

    async def end(self, trial: int) -> None:
        """An attempt has ended: wait for its upload, and let its log be stored."""
        found = self._trials.pop(trial, None)
        if found is None:
            return
        found.given_up_at = self._loop.time() + _PATIENCE
        if found.work is not None:
            await found.work
        task = asyncio.create_task(self._keep_log(trial, found))
        self._logs.add(task)
        task.add_done_callback(self._logs.discard)

    def leave(self, keeps: dict[int, Keep]) -> None:
        """As `Folders.leave`, for the storage."""
        for trial, keep in keeps.items():
            self._pool.submit(_quietly, partial(self._depot.leave, trial, keep))

    async def log(self, trial: int, attempt: int) -> bytes:
        """The part of an attempt's log that is stored. Raises StorageError."""
        return await self._call(self._depot.log, trial, attempt)

    async def close(self) -> None:
        """Wait for the last logs."""
        if self._looking is not None:
            self._looking.cancel()
        if self._logs:
            await asyncio.wait(self._logs, timeout=_LAST_LOGS)
        self._pool.shutdown(wait=False)

    async def _work(self, trial: int, found: _Trial) -> None:
        delay = _FIRST_RETRY
        while found.due:
            count = len(found.due)
            why = await self._upload(trial, found)
            if why:
                over = found.given_up_at is not None and self._loop.time() >= found.given_up_at
                if not over:
                    await self._pause(delay, found)
                    delay = min(2 * delay, _LONGEST_RETRY)
                    continue
            steps, found.due = found.due[:count], found.due[count:]
            delay = _FIRST_RETRY
            self._saved(trial, found.attempt, steps, why)
            if not why:
                await self._keep_log(trial, found)
        found.work = None

    async def _pause(self, delay: float, found: _Trial) -> None:
        left = delay if found.given_up_at is None else found.given_up_at - self._loop.time()
        await asyncio.sleep(max(0.0, min(delay, left)))

    async def _upload(self, trial: int, found: _Trial) -> str:
        """Why it failed; "" if the newest checkpoint that is due is stored."""
        newest = self._folders.folder(trial) / CHECKPOINTS / f"{found.due[-1]:08d}"
        try:
            copy = await self._call(
                self._depot.keep, trial, found.attempt, newest, found.configuration
            )
        except FileNotFoundError:  # it was written again
            return "it was removed meanwhile"
        except (StorageError, OSError) as error:
            why = str(error)
            self._note(why)
            return why
        self._note("")
        self._here[trial, copy.step] = copy
        return ""

    async def _keep_log(self, trial: int, found: _Trial) -> None:
        log = self._folders.folder(trial) / "output.log"
        with contextlib.suppress(StorageError, OSError):  # the next one has all of it
            await self._call(self._depot.keep_log, trial, found.attempt, log, found.log_start)

    def _note(self, why: str) -> None:
        if bool(why) != bool(self._failing):
            self._trouble(why)
        self._failing = why
        if why and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Until the storage can be written again."""
        while self._failing:
            await asyncio.sleep(_LOOK)
            with contextlib.suppress(StorageError):
                await self._call(self._depot.check)
                self._note("")

    def _call(self, work: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        return self._loop.run_in_executor(self._pool, work, *arguments)


def _quietly(work: Callable[[], None]) -> None:
    with contextlib.suppress(StorageError, OSError):  # tried again when the study is opened next
        work()
