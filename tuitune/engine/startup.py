"""What reaches an engine from outside: progress of its import, requests and signals."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from tuitune.control.requests import IMPORTING, Answer, RefusedError, Request, Stop
from tuitune.core import events as ev
from tuitune.core.search.proposal import Proposal
from tuitune.core.study import Study
from tuitune.engine import node_watch, notify, ports
from tuitune.engine.engine import Engine
from tuitune.engine.gpus import Gpus
from tuitune.engine.settings import NotWhileRunningError
from tuitune.executors.base import SampleError, with_nodes
from tuitune.executors.local.exit_text import printable
from tuitune.ipc import files
from tuitune.studyfile import StudyFileError

Handler = Callable[[Request, str], Awaitable[Answer]]

PATIENCE = 1.0  # s before an import is reported
_PERIOD = 1.0  # s between two looks
_CHUNK = 4096  # bytes of the log's end


@contextlib.asynccontextmanager
async def following_import(log: Path, note: Callable[[str], None]) -> AsyncIterator[None]:
    """Note the newest line of the engine's log while the body runs, such as a download's."""
    following = asyncio.create_task(_follow(log, note))
    try:
        yield
    finally:
        following.cancel()


async def _follow(log: Path, note: Callable[[str], None]) -> None:
    start, seen = files.size_of(log), ""
    await asyncio.sleep(PATIENCE)
    note(f"importing the training code; what it prints is in {log}")
    while True:
        line = _last_line(log, start)
        if line != seen:
            note(line)
            seen = line
        await asyncio.sleep(_PERIOD)


def _last_line(log: Path, start: int) -> str:
    """The newest line that is not blank; a progress bar ends its lines with carriage returns."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, 2) - _CHUNK))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [printable(line).strip() for line in text.replace("\r", "\n").split("\n")]
    return next((line for line in reversed(lines) if line), "")


class StoppedEarlyError(Exception):
    """The study was stopped before any trial could start."""


class StartupGate:
    """Handler of the control socket: until `open`, it accepts Stop alone."""

    def __init__(self) -> None:
        self._handler: Handler | None = None
        self._stopped = asyncio.Event()

    async def __call__(self, request: Request, by: str) -> Answer:
        """The answer to a request. Raises RefusedError."""
        if self._handler is not None:
            return await self._handler(request, by)
        if not isinstance(request, Stop):
            raise RefusedError(IMPORTING)
        self.stop()
        return {"running": 0}

    def stop(self) -> None:
        """End `wait_for` with StoppedEarlyError."""
        self._stopped.set()

    def open(self, handler: Handler) -> None:
        """From now on `handler` gets all requests."""
        self._handler = handler

    async def wait_for(
        self, preparing: Awaitable[None], what: str = "its training code was imported"
    ) -> None:
        """Wait for the import, or for `what` it is. Raises StoppedEarlyError, or what it raises."""
        work = asyncio.ensure_future(preparing)
        stop = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait((work, stop), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise StoppedEarlyError(f"stopped before {what}")
            work.result()
        finally:
            work.cancel()
            stop.cancel()


class Signals:
    """Handles the signals that end programs: trials save and end; a second signal kills them.

    Before the training code is imported there are no trials, and the engine ends at once. Signals
    that were blocked while the engine itself was imported are delivered now.
    """

    def __init__(self, gate: StartupGate) -> None:
        self._gate = gate
        self._engine: Engine | None = None
        self._seen: list[str] = []
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
        for number in numbers:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
                loop.add_signal_handler(number, self._received, signal.Signals(number).name)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

    def hand_to(self, engine: Engine) -> None:
        """From now on signals stop this engine's study, earlier ones included."""
        self._engine = engine
        if self._seen:
            self._stop(engine)

    def _received(self, name: str) -> None:
        self._seen.append(name)
        if self._engine is None:
            self._gate.stop()
        else:
            self._stop(self._engine)

    def _stop(self, engine: Engine) -> None:
        name = self._seen[-1]
        why = notify.BY_HAND if name == "SIGINT" else f"stopped by {name}"
        now = len(self._seen) > 1
        engine.take([ev.StopAsked(time.time(), finish=False, why=why, now=now)])


class ControlHandler:
    """Handles requests, which use it as their EnginePort."""

    def __init__(
        self,
        engine: Engine,
        document: ports.SettingsFile,
        clock: Callable[[], float],
        gpus: Gpus | node_watch.NodeWatch | None = None,
    ) -> None:
        self._engine = engine
        self._document = document
        self._gpus = gpus
        self._first: asyncio.Event | None = None  # set once a held study has been asked
        self.clock = clock

    async def hold(self, seconds: float) -> None:
        """Wait for a first request to a finished study, which is opened again after it."""
        if seconds:
            self._first = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._first.wait(), seconds)
            self._first = None

    async def __call__(self, request: Request, by: str) -> Answer:
        """The answer to a request, once its effects are stored. Raises RefusedError."""
        first = self._first
        if self.study.state.finished and first is None:
            raise RefusedError("the study has just ended")
        try:
            answer = await request.handle(self, by)
        finally:
            if first is not None:
                first.set()
        await asyncio.sleep(0)  # let the engine commit first
        if self._engine.broken is not None:
            raise RefusedError(str(self._engine.broken))
        return answer

    @property
    def study(self) -> Study:
        """The engine's study, to be read only."""
        return self._engine.study

    def take(self, events: Sequence[ev.Event]) -> None:
        """Fold events into the study, as Engine.take."""
        self._engine.take(events)

    async def add(self, proposal: Proposal, by: str) -> dict[str, Any]:
        """Make a trial of it. Returns its whole configuration. Raises RefusedError."""
        try:
            return await self._engine.add(proposal, by)
        except SampleError as error:
            raise RefusedError(f"a parameter can't be sampled: {error}") from error

    def follow_log(self, trial: int, attempt: int) -> None:
        """As `HasNodes.follow_log`; does nothing on one machine."""
        if (on := with_nodes(self._engine.executor)) is not None:
            on.follow_log(trial, attempt)

    def use_gpus_again(self, which: str) -> list[int]:
        """GPUs that were set aside, by number; see `Quarantine.clear`. Raises RefusedError."""
        if self._gpus is None:
            raise RefusedError("this study uses no GPU")
        try:
            return self._gpus.clear(which)
        except OSError as error:
            raise RefusedError(f"GPU {which}: {error}") from error

    def change_settings(self, overrides: Sequence[str], by: str) -> list[str]:
        """As `tuitune set`. Returns what has changed, as text. Raises RefusedError."""
        try:
            settings, changes = self._document.change(overrides, self.study)
        except (StudyFileError, NotWhileRunningError) as error:
            raise RefusedError(str(error)) from error
        if changes:
            self.take([ev.SettingsChanged(self.clock(), settings, by, "; ".join(changes))])
        return changes
