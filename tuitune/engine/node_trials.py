"""The trials of one node: the executor that runs them there, their files, and their GPUs."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from tuitune.core import events as ev
from tuitune.core.study import checkpoints, state
from tuitune.engine import orders, trial_folders
from tuitune.engine.uploads import Uploads, Wanted
from tuitune.executors.base import Sink
from tuitune.executors.local import exit_text
from tuitune.executors.local.executor import LocalExecutor
from tuitune.executors.remote import protocol, study_files
from tuitune.storage import depot
from tuitune.trial.wire import Order
from tuitune.zygote.protocol import Exited

Key = tuple[int, int]  # the trial and the attempt
_ENDS = {"term": signal.SIGTERM, "kill": signal.SIGKILL}


@dataclass(slots=True)
class _Attempt:
    log_start: int = 0  # byte of its log at which it begins
    warning: str = ""  # told once it has started
    launching: asyncio.Task[None] | None = None  # its checkpoint is being brought


@dataclass(slots=True)
class NodeTrials:
    """Finds each trial's newest checkpoint, and passes on what happens once it is stored.

    prepares: the trials' folders are this node's own, and not the engine's.
    page: gets parts of attempts' logs, where the engine can't read them: the end before Exited.
    """

    folders: trial_folders.TrialFolders
    sink: Sink
    prepares: bool
    page: Callable[[protocol.LogPage], None]
    executor: LocalExecutor = field(init=False)
    uploads: Uploads | None = None
    _attempts: dict[Key, _Attempt] = field(default_factory=dict)
    _held: set[asyncio.Task[None]] = field(default_factory=set)

    def launch(self, order: Order) -> None:
        """As `Executor.launch`, of an order that is a draft."""
        attempt = self._attempts[order.trial, order.attempt] = _Attempt()
        if self.uploads is None:
            self._start_here(order, attempt)
        else:
            attempt.launching = asyncio.create_task(self._bring(self.uploads, order, attempt))

    def ask_stop(self, trial: int, attempt: int, reason: str, save: bool) -> None:  # noqa: FBT001
        """As `Executor.ask_stop`."""
        if not self._give_up(trial, attempt, "term"):
            self.executor.ask_stop(trial, attempt, reason, save)

    def signal(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> None:
        """As `Executor.signal`."""
        if not self._give_up(trial, attempt, how):
            self.executor.signal(trial, attempt, how)

    def leave(self, keeps: dict[int, checkpoints.Keep], *, in_storage: bool) -> None:
        """As `Folders.leave`."""
        if self.prepares:
            self.folders.leave(keeps)
        if in_storage and self.uploads is not None:
            self.uploads.leave(keeps)

    async def tell_log(self, ask: protocol.AskLog) -> None:
        """Tell a page of what an attempt has printed, here or, if it is stored, elsewhere."""
        key, start = (ask.trial, ask.attempt), ask.start
        found = self._attempts.get(key)
        if found is not None and self.prepares:
            self.page(self._page(key, found.log_start, start, study_files.PAGE))
        elif found is None and self.uploads is not None:
            with contextlib.suppress(depot.StorageError):
                text = await self.uploads.log(*key)
                start = max(0, len(text) - study_files.MOST) if start < 0 else start
                page = text[start : start + study_files.PAGE]
                self.page(protocol.LogPage(*key, start, page, len(text)))

    def _page(self, key: Key, begin: int, start: int, most: int) -> protocol.LogPage:
        """begin: of the attempt in its file. start: within what it has printed."""
        try:
            with self.log(key[0]).open("rb") as log:
                size = max(0, log.seek(0, os.SEEK_END) - begin)
                start = max(0, size - study_files.MOST) if start < 0 else min(start, size)
                log.seek(begin + start)
                return protocol.LogPage(*key, start, log.read(min(most, size - start)), size)
        except OSError:
            return protocol.LogPage(*key, 0, b"", 0)

    async def close(self) -> None:
        """As `Executor.close`; what is not stored by then is lost with the node."""
        for attempt in self._attempts.values():
            if attempt.launching is not None:
                attempt.launching.cancel()
        await self.executor.close()
        for task in self._held:
            task.cancel()
        if self.uploads is not None:
            await self.uploads.close()
        await self.folders.close()

    # --- before the launch -----------------------------------------------------------------------

    def _start_here(self, order: Order, attempt: _Attempt) -> None:
        """Go on from what is on this node's disk."""
        try:
            moved = self._prepare(order, attempt)
            checkpoint = orders.newest_for(order, self.folders)
        except OSError as error:
            self._end_unlaunched(
                orders.without_folder(time.time(), order.trial, order.attempt, error)
            )
            return
        self._start(order, attempt, checkpoint, moved)

    async def _bring(self, uploads: Uploads, order: Order, attempt: _Attempt) -> None:
        """Go on from what is in the storage."""
        key = order.trial, order.attempt
        wanted = Wanted(
            *key, depot.digest(order.config), order.max_resource, orders.known_of(order)
        )
        try:
            moved = self._prepare(order, attempt)
            checkpoint = await uploads.begin(wanted)
        except OSError as error:
            self._end_unlaunched(orders.without_folder(time.time(), *key, error))
        except depot.StorageError as error:
            self._end_unlaunched([_unlaunched(key, str(error), lost=True)])
        else:
            attempt.launching = None
            self._start(order, attempt, checkpoint, moved)

    def _prepare(self, order: Order, attempt: _Attempt) -> str:
        """Returns where another trial's files were moved. Raises OSError."""
        moved = self.folders.prepare(order.trial, dict(order.config)) if self.prepares else ""
        log = self.log(order.trial)
        attempt.log_start = log.stat().st_size if log.exists() else 0
        return moved

    def _start(self, order: Order, attempt: _Attempt, checkpoint: Path | None, moved: str) -> None:
        whole = orders.located(order, self.folders.folder(order.trial), checkpoint)
        attempt.warning = (
            orders.moved_aside(moved) if moved else orders.lost_checkpoint(whole, self.folders)
        )
        self.executor.launch(whole)

    def _give_up(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> bool:
        """End an attempt whose checkpoint is still being brought; False where none is."""
        found = self._attempts.get((trial, attempt))
        if found is None or found.launching is None:
            return False
        found.launching.cancel()
        end = Exited(trial, attempt, None, _ENDS[how], 0, oom=False)
        why = exit_text.error_of(end, None)
        exited = _unlaunched((trial, attempt), why, lost=False)
        self._end_unlaunched([msgspec.structs.replace(exited, signal=_ENDS[how])])
        return True

    def _end_unlaunched(self, events: Sequence[ev.Event]) -> None:
        asyncio.get_running_loop().call_soon(self.hear, events)

    # --- what happens ----------------------------------------------------------------------------

    def hear(self, events: Sequence[ev.Event]) -> None:
        """The executor's sink: a checkpoint, and then an exit, are passed on once it is stored."""
        passed: list[ev.Event] = []
        for event in events:
            if isinstance(event, ev.Checkpointed) and self.uploads is not None:
                self.uploads.add(event.trial, event.step)
            elif isinstance(event, ev.Exited) and self.uploads is not None:
                task = asyncio.create_task(self._end_stored(self.uploads, event))
                self._held.add(task)
                task.add_done_callback(self._held.discard)
            else:
                passed += self._seen(event)
        if passed:
            self.sink(passed)

    def stored(self, trial: int, attempt: int, steps: Sequence[int], why: str) -> None:
        """As `Uploads.saved`."""
        now, key = time.time(), (trial, attempt)
        if why:
            self.sink([ev.SaveFailed(now, *key, step, why) for step in steps])
        else:
            self.sink([ev.Checkpointed(now, *key, step) for step in steps])

    def log(self, trial: int) -> Path:
        """The file with what the trial prints here."""
        return self.folders.folder(trial) / "output.log"

    async def _end_stored(self, uploads: Uploads, event: ev.Exited) -> None:
        await uploads.end(event.trial)
        self.sink(self._seen(event))

    def _seen(self, event: ev.Event) -> list[ev.Event]:
        """The event, and what is to be told with it."""
        if isinstance(event, ev.Started):
            found = self._attempts.get((event.trial, event.attempt))
            if found is not None and found.warning:
                return [event, ev.Warned(event.time, event.trial, event.attempt, found.warning)]
        elif isinstance(event, ev.Exited):
            self._note_end(event)
        return [event]

    def _note_end(self, event: ev.Exited) -> None:
        found = self._attempts.pop((event.trial, event.attempt), None)
        if found is None or not self.prepares:
            return
        key = event.trial, event.attempt
        size = self._page(key, found.log_start, 0, 0).size
        self.page(
            self._page(key, found.log_start, max(0, size - study_files.TAIL), study_files.TAIL)
        )


def _unlaunched(key: Key, why: str, *, lost: bool) -> ev.Exited:
    return ev.Exited(time.time(), *key, None, None, why, "", 0, lost=lost)


class Place(NamedTuple):
    """Where an attempt runs; see `ports.Placed`."""

    gpus: tuple[str, ...]
    share: float
    launched: float
    parked: state.Parked | None = None


class Places:
    """See `ports.Placements`. A node has one attempt of a trial at most."""

    def __init__(self, cpus: float, memory: int) -> None:
        self.cpus = cpus
        self.memory = memory
        self.trials: dict[int, Place] = {}

    @property
    def running(self) -> Iterable[int]:
        """The numbers of trials that run."""
        return self.trials

    @property
    def parked(self) -> Collection[int]:
        """The numbers of running trials that are parked."""
        return {n for n, place in self.trials.items() if place.parked is not None}

    def launched(self, order: Order, now: float) -> None:
        """An attempt begins."""
        self.trials[order.trial] = Place(tuple(order.gpus), order.share, now)

    def follow(self, fact: ev.AnyFact) -> None:
        """Take in what changes where an attempt is: its end, or that it is parked."""
        if not isinstance(fact, ev.Exited | ev.Parked | ev.Restored | ev.Unpark):
            return
        place = self.trials.get(fact.trial)
        if place is None:
            return
        if isinstance(fact, ev.Exited):
            del self.trials[fact.trial]
        elif isinstance(fact, ev.Parked):
            home = state.Parked(fact.time, place.gpus[0], way=False)
            self.trials[fact.trial] = place._replace(gpus=(), parked=home)
        elif isinstance(fact, ev.Unpark):
            self.trials[fact.trial] = place._replace(gpus=fact.gpus)
        elif fact.why:  # it was not tried
            self.trials[fact.trial] = place._replace(gpus=())
        else:
            self.trials[fact.trial] = place._replace(parked=None)
