"""The agent: a process on a node that runs trials there for an engine elsewhere."""

import asyncio
import contextlib
import getpass
import os
import secrets
import shutil
import signal
import tempfile
import time
import zlib
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tuitune.core import events as ev
from tuitune.core.placement import snapshots, visibility
from tuitune.core.placement.host import HostResources
from tuitune.devices import host_sampler, watchdog
from tuitune.devices.locks import Locks, LocksError, lock_folder
from tuitune.engine import node_files, ports, trial_folders, uploads
from tuitune.engine.gpus import Gpus
from tuitune.engine.node_trials import NodeTrials, Places
from tuitune.executors.base import NotNowError, SampleError, Sink, TargetError
from tuitune.executors.local.executor import LocalExecutor
from tuitune.executors.remote import link, package, protocol
from tuitune.ipc import entry, process_tree
from tuitune.ipc.frames import FrameBuffer
from tuitune.storage.depot import StorageError
from tuitune.store.folder import TRIALS
from tuitune.trial.wire import decode_order

_LOOK = 0.5  # s between two looks at the lease
_READ = 2.0  # s between two readings of the node's load
_PARTING = 2.0  # s until the last messages are given up
_GAVE_UP = 3  # exit status
_CHUNK = 1 << 16  # bytes


def main() -> None:
    """The agent's process; its parent passes frames between it and the engine."""
    connection, (name,) = entry.connect_to_parent()
    connection.setblocking(False)  # noqa: FBT003

    async def run() -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        with tempfile.TemporaryDirectory(
            prefix=_prefix(name), ignore_cleanup_errors=True
        ) as folder:  # only we may enter it
            await _Agent(name, Path(folder), reader, writer).run()

    asyncio.run(run())


def _prefix(name: str) -> str:
    """The prefix of an agent's folder: short, as a socket's path may have 107 bytes."""
    return f"tuitune-{zlib.crc32(name.encode()):08x}-"


def _sweep(name: str) -> None:
    """Remove what an agent of before has left on this node."""
    process_tree.sweep(name, process_tree.AGENT)
    for folder in Path(tempfile.gettempdir()).glob(f"{_prefix(name)}*"):
        shutil.rmtree(folder, ignore_errors=True)


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
        self._link = link.Link(time.monotonic())
        self._sender = link.Sender(self._link, writer.write)
        self._loop = asyncio.get_running_loop()
        self._trials: NodeTrials | None = None
        self._gpus: Gpus | None = None
        self._code: node_files.CodeCopy | None = None
        self._places = Places(0.0, 0)
        self._settings: ev.Settings | None = None
        self._pids: dict[int, int] = {}  # of trials
        self._node, self._lease = "", link.LEASE
        self._is_closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Until the engine closes it; ends the process where it is given up."""
        self._loop.add_signal_handler(
            signal.SIGTERM, lambda: self._tell(protocol.Leaving("it was told to end, by SIGTERM"))
        )
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
                for message in self._link.take(body, time.monotonic()):
                    self._obey(protocol.for_agent(message))
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
        process_tree.sweep(self._name, process_tree.AGENT)
        shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(_GAVE_UP)

    # --- messages --------------------------------------------------------------------------------

    def _tell(self, message: protocol.FromAgent, *, urgent: bool = True) -> None:
        self._sender.put(protocol.encode(message), urgent=urgent)

    def _obey(self, message: protocol.ToAgent) -> None:
        trials = self._trials
        match message:
            case protocol.Setup():
                self._start(self._open(message))
            case protocol.Piece():
                if self._code is not None:
                    self._code.take(message)
            case protocol.Close() if trials is None:
                self._give_up()  # it imports, or could not
            case _ if trials is None:
                pass
            case protocol.Change(settings):
                self._settings = settings
            case protocol.Act() | protocol.Clear():
                self._act_on_gpus(message)
            case protocol.Sample():
                self._start(self._sample(trials.executor, message))
            case protocol.Close():
                self._start(self._close(trials))
            case _:
                self._pass_on(trials, message)

    def _pass_on(self, trials: NodeTrials, message: protocol.ToAgent) -> None:
        """A message about trials."""
        match message:
            case protocol.AskLog():
                self._start(trials.tell_log(message))
            case protocol.Leave(keeps, in_storage):
                trials.leave(keeps, in_storage=in_storage)
            case protocol.Launch(text):
                order = decode_order(text)
                self._places.launched(order, time.time())
                trials.launch(order)
            case protocol.Answer(trial, attempt, action, save):
                trials.executor.answer(trial, attempt, action, save)
            case protocol.AskStop(trial, attempt, reason, save):
                trials.ask_stop(trial, attempt, reason, save)
            case protocol.Release(trial, attempt):
                trials.executor.release(trial, attempt)
            case protocol.Signal(trial, attempt, how):
                trials.signal(trial, attempt, how)

    async def _open(self, setup: protocol.Setup) -> None:
        for name in setup.swept:
            await asyncio.to_thread(_sweep, name)
        self._node, self._lease = setup.node, setup.lease
        plan = msgspec.structs.replace(
            setup.plan,
            socket=str(self._folder / f"trials-{secrets.token_hex(4)}"),
            env={**setup.plan.env, process_tree.AGENT: self._name},
        )
        try:
            files = await asyncio.to_thread(
                node_files.find_files, plan.study_folder, setup.files, self._name
            )
            self._tell(protocol.Found(files.shared))
            folder = await self._code_folder(setup)
            study_folder = str(files.study_folder)
            plan = msgspec.structs.replace(plan, folder=folder, study_folder=study_folder)
            gpus = self._gpus = await self._find_gpus(setup)
            sink = self._tell_events if gpus is None else gpus.pass_on
            trials = self._trials_of(setup, files, sink)
            trials.executor = LocalExecutor(plan, trials.hear, time.time)
            await trials.executor.open()
        except StorageError as error:
            self._tell(protocol.Unimportable(str(error), storage=True))
            return
        except (TargetError, OSError, LocksError, visibility.NotAllowedError) as error:
            self._tell(protocol.Unimportable(str(error)))
            return
        self._trials = trials
        self._tell(protocol.Ready(() if gpus is None else gpus.now))
        self._start(self._read(setup, files.study_folder))
        if gpus is not None:
            gpus.tell(self._tell_events)

    async def _code_folder(self, setup: protocol.Setup) -> str:
        """Where trials run: as on the engine's machine, or in a copy. Raises TargetError."""
        code = setup.files.code
        if code is None or package.is_seen(code):
            return setup.plan.folder
        self._code = node_files.CodeCopy(
            self._folder / "code", lambda offset: self._tell(protocol.NeedsCode(offset))
        )
        return str(await self._code.made())

    def _trials_of(
        self, setup: protocol.Setup, files: node_files.NodeFiles, sink: Sink
    ) -> NodeTrials:
        def trouble(why: str) -> None:
            self._tell_events([ev.LaunchBlocked(time.time(), "storage", why)])

        folders = trial_folders.TrialFolders(files.study_folder / TRIALS, print, setup.files.saves)
        trials = NodeTrials(folders, sink, not files.shared, self._tell)
        if files.stores is not None:
            trials.uploads = uploads.Uploads(files.stores, folders, trials.stored, trouble)
        return trials

    async def _find_gpus(self, setup: protocol.Setup) -> Gpus | None:
        """The monitor of this node's GPUs; None where the study uses none, or there are none."""
        self._settings = settings = setup.settings
        self._places = places = Places(setup.cpus, setup.memory)
        if setup.devices is None or settings is None:
            return None
        seen = await asyncio.to_thread(watchdog.look)
        if not visibility.allowed(seen.devices, os.environ, setup.devices.allow):
            return None
        locks = Locks(
            f"a study of {getpass.getuser()} (pid {os.getpid()})", lock_folder(os.environ)
        )
        gpus = Gpus(
            setup.devices,
            os.environ,
            locks,
            places,
            lambda: _of_node(self._settings or settings),
            time.time,
            print,
            ports.Timeouts().vacating,
        )
        gpus.start(seen)
        return gpus

    async def _read(self, setup: protocol.Setup, folder: Path) -> None:
        """Tell the load of this node now and then."""
        machine = HostResources(setup.cpus, setup.memory)
        sampler = await asyncio.to_thread(host_sampler.HostSampler, machine, folder)
        while True:
            await asyncio.sleep(_READ)
            host = await asyncio.to_thread(sampler.sample, time.time(), dict(self._pids), 0.0)
            gpus = self._gpus
            devices = [] if gpus is None else list(gpus.devices)
            strangers = {} if gpus is None else {u: [*p] for u, p in gpus.strangers.items()}
            readings = snapshots.NodeReadings(host, devices, strangers)
            self._tell(protocol.Read(readings), urgent=False)

    def _tell_events(self, found: Sequence[ev.Event]) -> None:
        events = [self._noted(event) for event in found]
        urgent = any(map(_calls_for_an_answer, events))
        self._tell(protocol.Happened(events), urgent=urgent)

    def _noted(self, event: ev.Event) -> ev.Event:
        """The event, once the trials that run here are up to date; a start tells the node."""
        self._places.follow(event)
        if isinstance(event, ev.Started):
            self._pids[event.trial] = event.pid
            return msgspec.structs.replace(event, node=self._node)
        if isinstance(event, ev.Exited):
            self._pids.pop(event.trial, None)
        if isinstance(event, ev.OnWrongGpu):
            why = msgspec.structs.replace(event.why, node=self._node)
            return msgspec.structs.replace(event, why=why)
        return event

    def _act_on_gpus(self, message: protocol.Act | protocol.Clear) -> None:
        if isinstance(message, protocol.Act):
            self._places.follow(message.fact)
        if self._gpus is None:
            return
        if isinstance(message, protocol.Act):
            self._gpus.act_on([message.fact], message.study)
        else:
            with contextlib.suppress(OSError):  # the GPU stays set aside
                self._gpus.clear(message.which)

    async def _sample(self, executor: LocalExecutor, ask: protocol.Sample) -> None:
        try:
            values = await executor.sample(ask.targets, ask.seed, ask.config)
        except SampleError as error:
            not_now = isinstance(error, NotNowError)
            self._tell(protocol.Sampled(ask.number, {}, str(error), not_now))
        else:
            self._tell(protocol.Sampled(ask.number, values))

    async def _close(self, trials: NodeTrials) -> None:
        if self._gpus is not None:
            self._gpus.let_pass()
        await trials.close()
        if self._gpus is not None:
            self._gpus.close()
        shutil.rmtree(self._folder, ignore_errors=True)  # this process may be killed after that
        self._tell(protocol.Closed())
        self._loop.call_later(_PARTING, self._ended.set)
        self._is_closed = True


def _of_node(settings: ev.Settings) -> ev.Settings:
    """What a node knows of them: the engine counts GPUs over all nodes, by its clock."""
    return msgspec.structs.replace(settings, max_gpus=None, hours=())


def _calls_for_an_answer(event: ev.Event) -> bool:
    """Whether the engine acts on it: else it may wait, and a short trial is told in one frame."""
    return not isinstance(event, ev.Started) and (not isinstance(event, ev.Reported) or event.waits)
