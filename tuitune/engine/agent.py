"""The agent: a process on a node that runs trials there for an engine elsewhere."""

from __future__ import annotations

import asyncio
import getpass
import os
import secrets
import tempfile
import time
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tuitune.core import events as ev
from tuitune.core.placement.host import HostResources
from tuitune.core.placement.snapshots import NodeReadings
from tuitune.core.placement.visibility import NotAllowedError, allowed
from tuitune.devices.host_sampler import HostSampler
from tuitune.devices.locks import Locks, LocksError, lock_folder
from tuitune.devices.watchdog import look
from tuitune.engine.gpus import Gpus
from tuitune.engine.ports import Timeouts
from tuitune.executors.base import NotNowError, SampleError, TargetError
from tuitune.executors.local.executor import LocalExecutor
from tuitune.executors.remote import words
from tuitune.executors.remote.link import LEASE, Link, Sender
from tuitune.ipc import process_tree
from tuitune.ipc.entry import connect_to_parent
from tuitune.ipc.frames import FrameBuffer
from tuitune.trial.wire import decode_order

_LOOK = 0.5  # s between two looks at the lease
_READ = 2.0  # s between two readings of the node's load
_PARTING = 2.0  # s until the last words are given up
_GAVE_UP = 3  # exit status
_CHUNK = 1 << 16  # bytes


def main() -> None:
    """The agent's process; its parent passes frames between it and the engine."""
    connection, (name,) = connect_to_parent()
    connection.setblocking(False)  # noqa: FBT003

    async def run() -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        with tempfile.TemporaryDirectory(prefix="tuitune-") as folder:  # only we may enter it
            await _Agent(name, Path(folder), reader, writer).run()

    asyncio.run(run())


class _Place(NamedTuple):
    """Where an attempt runs; see `gpus.Placed`."""

    gpus: tuple[str, ...]
    share: float
    launched: float
    parked: None = None  # trials are not parked on nodes


class _Placements:
    """The attempts of this node; see `gpus.Placements`."""

    def __init__(self, cpus: float, memory: int) -> None:
        self.cpus = cpus
        self.memory = memory
        self.trials: dict[int, _Place] = {}
        self.parked = ()

    @property
    def running(self) -> Iterable[int]:
        """Their trials: a node has one attempt of a trial at most."""
        return self.trials


class _Agent:
    """Holds the node's executor, and obeys the engine as long as the engine answers.

    `name` is on all processes that it starts. Without an answer for LEASE seconds the engine may
    be gone, or may take this agent for gone and start its trials elsewhere: it kills them all.
    """

    def __init__(
        self, name: str, folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._name = name
        self._folder = folder
        self._reader = reader
        self._link = Link(time.monotonic())
        self._sender = Sender(self._link, writer.write)
        self._loop = asyncio.get_running_loop()
        self._executor: LocalExecutor | None = None
        self._gpus: Gpus | None = None
        self._places = _Placements(0.0, 0)
        self._settings: ev.Settings | None = None
        self._pids: dict[int, int] = {}  # of trials
        self._node, self._lease = "", LEASE
        self._is_closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Until the engine closes it; ends the process where it is given up."""
        self._start(self._listen())
        self._start(self._watch_lease())
        self._sender.flush()
        await self._ended.wait()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._have_done)

    def _have_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": "agent", "exception": task.exception()})
            self._give_up()

    async def _listen(self) -> None:
        frames = FrameBuffer()
        while chunk := await self._reader.read(_CHUNK):
            for body in frames.feed(chunk):
                self._check_lease()  # before it obeys: it may have been suspended for long
                for word in self._link.take(body, time.monotonic()):
                    self._obey(words.for_agent(word))
            if self._is_closed and self._link.is_idle:
                self._ended.set()
            self._sender.flush()
        self._give_up()

    async def _watch_lease(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            self._check_lease()

    def _check_lease(self) -> None:
        if time.monotonic() - self._link.answered_at >= self._lease:
            self._give_up()

    def _give_up(self) -> None:
        process_tree.sweep(self._name, words.TAG)
        os._exit(_GAVE_UP)

    # --- words -----------------------------------------------------------------------------------

    def _tell(self, word: words.FromAgent, *, urgent: bool = True) -> None:
        self._sender.put(words.encode(word), urgent=urgent)

    def _obey(self, word: words.ToAgent) -> None:
        executor = self._executor
        match word:
            case words.Setup():
                self._start(self._open(word))
            case words.Close() if executor is None:
                self._give_up()  # it imports, or could not
            case _ if executor is None:
                pass
            case words.Change(settings):
                self._settings = settings
            case words.Aside(fact, study):
                if self._gpus is not None:
                    self._gpus.act_on([fact], study)
            case words.Sample():
                self._start(self._sample(executor, word))
            case words.Close():
                self._start(self._close(executor))
            case _:
                self._pass_on(executor, word)

    def _pass_on(self, executor: LocalExecutor, word: words.ToAgent) -> None:
        """A word about one attempt."""
        match word:
            case words.Launch(text):
                order = decode_order(text)
                place = _Place(tuple(order.gpus), order.share, time.time())
                self._places.trials[order.trial] = place
                executor.launch(order)
            case words.Answer(trial, attempt, action, save):
                executor.answer(trial, attempt, action, save)
            case words.AskStop(trial, attempt, reason, save):
                executor.ask_stop(trial, attempt, reason, save)
            case words.Release(trial, attempt):
                executor.release(trial, attempt)
            case words.Signal(trial, attempt, how):
                executor.signal(trial, attempt, how)

    async def _open(self, setup: words.Setup) -> None:
        for name in setup.swept:
            await asyncio.to_thread(process_tree.sweep, name, words.TAG)
        self._node, self._lease = setup.node, setup.lease
        plan = msgspec.structs.replace(
            setup.plan,
            socket=str(self._folder / f"trials-{secrets.token_hex(4)}"),
            env={**setup.plan.env, words.TAG: self._name},
        )
        try:
            _check_folder(Path(setup.plan.study_folder), setup.nonce, self._name)
            gpus = self._gpus = await self._find_gpus(setup)
            sink = self._tell_events if gpus is None else gpus.pass_on
            executor = LocalExecutor(plan, sink, time.time)
            await executor.open()
        except (TargetError, OSError, LocksError, NotAllowedError) as error:
            self._tell(words.Unimportable(str(error)))
            return
        self._executor = executor
        self._tell(words.Ready(() if gpus is None else gpus.now))
        self._start(self._read(setup))
        if gpus is not None:
            gpus.tell(self._tell_events)

    async def _find_gpus(self, setup: words.Setup) -> Gpus | None:
        """The monitor of this node's GPUs; None where the study uses none, or there are none."""
        self._settings = settings = setup.settings
        self._places = places = _Placements(setup.cpus, setup.memory)
        if setup.devices is None or settings is None:
            return None
        seen = await asyncio.to_thread(look)
        if not allowed(seen.devices, os.environ, setup.devices.allow):
            return None
        locks = Locks(
            f"a study of {getpass.getuser()} (pid {os.getpid()})", lock_folder(os.environ)
        )
        gpus = Gpus(
            setup.devices,
            os.environ,
            locks,
            places,
            lambda: self._settings or settings,
            time.time,
            print,
            Timeouts().vacating,
        )
        gpus.start(seen)
        return gpus

    async def _read(self, setup: words.Setup) -> None:
        """Tell the load of this node now and then."""
        machine = HostResources(setup.cpus, setup.memory)
        sampler = await asyncio.to_thread(HostSampler, machine, Path(setup.plan.study_folder))
        while True:
            await asyncio.sleep(_READ)
            host = await asyncio.to_thread(sampler.sample, time.time(), dict(self._pids), 0.0)
            gpus = self._gpus
            devices = [] if gpus is None else list(gpus.devices)
            strangers = {} if gpus is None else {u: [*p] for u, p in gpus.strangers.items()}
            readings = NodeReadings(host, devices, strangers)
            self._tell(words.Read(readings), urgent=False)

    def _tell_events(self, found: Sequence[ev.Event]) -> None:
        events = [self._noted(event) for event in found]
        urgent = any(type(event) is not ev.Reported or event.waits for event in events)
        self._tell(words.Happened(events), urgent=urgent)

    def _noted(self, event: ev.Event) -> ev.Event:
        """The event, once the trials that run here are up to date; a start tells the node."""
        if isinstance(event, ev.Started):
            self._pids[event.trial] = event.pid
            return msgspec.structs.replace(event, node=self._node)
        if isinstance(event, ev.Exited):
            self._places.trials.pop(event.trial, None)
            self._pids.pop(event.trial, None)
        return event

    async def _sample(self, executor: LocalExecutor, ask: words.Sample) -> None:
        try:
            values = await executor.sample(ask.targets, ask.seed, ask.config)
        except SampleError as error:
            not_now = isinstance(error, NotNowError)
            self._tell(words.Sampled(ask.number, {}, str(error), not_now))
        else:
            self._tell(words.Sampled(ask.number, values))

    async def _close(self, executor: LocalExecutor) -> None:
        if self._gpus is not None:
            self._gpus.let_pass()
        await executor.close()
        if self._gpus is not None:
            self._gpus.close()
        self._tell(words.Closed())
        self._loop.call_later(_PARTING, self._ended.set)
        self._is_closed = True


def _check_folder(folder: Path, nonce: str, name: str) -> None:
    """Whether this node sees the study folder as the engine does. Raises TargetError."""
    if not nonce:
        return
    mend = "keep the study where all nodes see it, at the same path"
    if not (folder / nonce).is_file():
        raise TargetError(f"this node does not see the study folder {folder}: {mend}")
    try:
        (folder / f"{nonce}.{name}").write_text("", encoding="utf-8")
    except OSError as error:
        raise TargetError(
            f"this node can't write to the study folder {folder} ({error.strerror}): {mend}"
        ) from error
