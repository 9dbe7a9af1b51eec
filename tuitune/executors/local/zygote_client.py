"""The engine's side of one zygote: its process, its messages and its end."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tuitune.executors.base import NotNowError, Plan, SampleError, TargetError
from tuitune.executors.local import exit_text, interpreter, provenance
from tuitune.ipc import child, entry, frames, process_tree
from tuitune.store.folder import LOG
from tuitune.zygote import protocol

_TAG = "TUITUNE_ZYGOTE"


class Timeouts(msgspec.Struct, frozen=True):
    """Timeouts of the local executor's processes, in seconds."""

    exit: float = 5.0  # from the return of a function until its exit counts as overdue
    sample: float = 60.0  # until a sampler is killed
    import_slow: float = 5.0  # until an import of changed files counts as slow
    import_look: float = 0.5  # between two looks at files whose import goes on, or has failed
    import_retry: float = 30.0  # until an import that failed is tried again though no file changed
    zygote_end: float = 15.0  # until a zygote is killed; it ends its trials for up to ten


class ZygoteClient:
    """One zygote: started, ready, perhaps retired, dead. A dead one gets no more requests."""

    def __init__(
        self,
        plan: Plan,
        timeouts: Timeouts,
        on_reply: Callable[[protocol.Reply], None],
        end_orphans: Callable[[], Awaitable[None]],
        on_death: Callable[[ZygoteClient], None],
    ) -> None:
        """`end_orphans` ends processes that a killed zygote has left to the engine."""
        self._plan = plan
        self._timeouts = timeouts
        self._end_orphans = end_orphans
        self._log = Path(plan.study_folder, LOG)
        self._on_reply = on_reply
        self._on_death = on_death
        self._tag = secrets.token_hex(8)
        self._lines = frames.LineBuffer()
        self._child: child.Child | None = None
        self._ready: asyncio.Future[protocol.Ready] = asyncio.get_running_loop().create_future()
        self._dying: asyncio.Task[None] | None = None
        self.sources = provenance.Sources((), plan.folder)
        self.fresh: str | None = None  # why its trials are not forked, and what that costs
        self.is_retired = False

    @property
    def pid(self) -> int | None:
        """Its process id; None before its process is started."""
        return None if self._child is None else self._child.pid

    @property
    def is_ready(self) -> bool:
        """Whether it has imported the target, so that it can start trials."""
        return self._ready.done() and self._ready.exception() is None

    async def start(self) -> None:
        """Start its process and wait until all is imported. Raises TargetError, OSError."""
        self._child = child.Child(
            "zygote.main",
            receive=self._receive,
            lost=self._die,
            python=self._plan.python,
            env=self._environment(),
            log=self._log,
            new_session=True,  # distinguishes its orphans from the engine's own processes
        )
        self.send(protocol.Setup(self._plan.target, self._plan.samplers, self._plan.folder))
        ready = await self._ready
        self.sources = provenance.Sources(ready.files, self._plan.folder)
        if ready.fresh is not None:
            takes = max(ready.seconds, 0.1)  # Python's own start
            seconds = f"{takes:.1f}" if takes < 10 else f"{takes:.0f}"
            why = exit_text.printable(" ".join(ready.fresh.split()))  # a thread has any name
            self.fresh = f"each trial imports all again, in about {seconds} s: {why}"

    def send(self, message: protocol.Request) -> None:
        """Does nothing once the zygote is dead."""
        if self._child is not None:
            self._child.send(protocol.requests.encode(message))

    def retire(self) -> None:
        """Let it start nothing more, and end when its last child has ended."""
        self.is_retired = True
        self.send(protocol.Retire())

    async def end(self) -> None:
        """Kill all that it has started, and wait until it is gone itself."""
        if self._child is not None:
            self._child.close()
            if not self._ready.done():
                self._child.kill()  # it imports, and reads nothing
            await asyncio.shield(self._die())

    def _receive(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            match protocol.replies.decode(line):
                case protocol.Ready() as ready:
                    self._ready.set_result(ready)
                case protocol.Failed(traceback):
                    self._ready.set_exception(TargetError(traceback))
                case reply:
                    self._on_reply(reply)

    def _die(self) -> asyncio.Task[None]:
        if self._dying is None:
            self._dying = asyncio.ensure_future(self._bury())
        return self._dying

    async def _bury(self) -> None:
        assert self._child is not None
        if await self._child.wait(self._timeouts.zygote_end) is None:
            self._child.kill()
            await self._child.wait()
        if self._child.poll() != 0:  # else it has ended all that it had started
            await asyncio.to_thread(process_tree.sweep, self._tag, _TAG)
            await self._end_orphans()
        if not self._ready.done():
            self._ready.set_exception(TargetError(self._last_output()))
        self._on_death(self)

    def _last_output(self) -> str:
        assert self._child is not None
        end = f"the import of the target ended its process: {self._child.how_it_ended()}"
        return f"{exit_text.tail_of(self._log)}\n{end}".lstrip()

    def _environment(self) -> dict[str, str]:
        """One thread and no CUDA while it imports: what a forked child can live with."""
        kept = {name: value for name, value in os.environ.items() if name != "TUITUNE_TRIAL"}
        found = {
            # pyarrow's allocator would start a thread, which a forked process lacks
            "JE_ARROW_MALLOC_CONF": "background_thread:false",
            "PYTHONHASHSEED": "0",  # the order of sets of text is the same in each process
            **kept,
            **self._plan.env,
            **dict.fromkeys(entry.THREADS, "1"),
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
            "TUITUNE_STUDY": self._plan.study_folder,
            _TAG: self._tag,
        }
        if self._plan.python != sys.executable:
            path = found.get("PYTHONPATH"), interpreter.link_package(self._plan.socket)
            found["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        return found


def trial_environment(plan: Plan, threads: int) -> dict[str, str]:
    """Variables for a trial's thread counts; those in the study file's env take precedence."""
    counts = dict.fromkeys(entry.THREADS, str(max(1, threads)))
    return {**counts, **{name: plan.env[name] for name in entry.THREADS if name in plan.env}}


class Samples:
    """Requests for sampled values that no zygote has answered yet."""

    def __init__(self, seconds: float) -> None:
        """`seconds`: how long one request may take."""
        self._seconds = seconds
        self._asked: dict[int, tuple[ZygoteClient, asyncio.Future[protocol.Sampled]]] = {}
        self._count = 0

    async def ask(
        self, zygote: ZygoteClient, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Sampled values, by parameter. Raises SampleError."""
        self._count += 1
        number = self._count
        future: asyncio.Future[protocol.Sampled] = asyncio.get_running_loop().create_future()
        self._asked[number] = zygote, future
        zygote.send(protocol.Sample(number, targets, seed, config))
        try:
            sampled = await asyncio.wait_for(future, self._seconds)
        except TimeoutError:
            zygote.send(protocol.CancelSample(number))
            raise SampleError(f"{names(targets)}: no value after {self._seconds:g} s") from None
        finally:
            del self._asked[number]
        if lacking := exit_text.shortage(sampled.errno):
            raise NotNowError(lacking)
        if sampled.error is not None:
            is_named = any(sampled.error.startswith(f"{name} (") for name in targets)
            raise SampleError(sampled.error if is_named else f"{names(targets)}: {sampled.error}")
        return dict(sampled.values)

    def answer(self, sampled: protocol.Sampled) -> None:
        """A zygote's answer has come."""
        _, future = self._asked.get(sampled.id, (None, None))
        if future is not None and not future.done():
            future.set_result(sampled)

    def lose(self, zygote: ZygoteClient) -> None:
        """Fail the requests to a zygote that has died, by NotNowError."""
        for asked, future in self._asked.values():
            if asked is zygote and not future.done():
                future.set_exception(NotNowError("the process that it ran in was killed"))


def names(targets: Mapping[str, str]) -> str:
    """Parameters and the functions that sample them, for a message."""
    return ", ".join(f"{name} ({target})" for name, target in targets.items())
