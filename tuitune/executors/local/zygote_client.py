"""The engine's side of one zygote: its process, its messages and its end."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.executors.base import TargetError
from tuitune.executors.local import exit_text
from tuitune.executors.local.provenance import Sources
from tuitune.ipc import process_tree
from tuitune.ipc.child import Child
from tuitune.ipc.entry import THREADS
from tuitune.ipc.frames import LineBuffer
from tuitune.zygote import protocol
from tuitune.zygote.protocol import Failed, Ready, Retire, Setup

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.executors.base import Plan
    from tuitune.zygote.protocol import Reply, Request

END_SECONDS = 15.0  # it sweeps for up to ten
TAG = "TUITUNE_ZYGOTE"


class ZygoteClient:
    """One zygote's life: started, ready, perhaps retired, dead. Then it takes no more requests."""

    def __init__(
        self,
        plan: Plan,
        on_reply: Callable[[Reply], None],
        on_death: Callable[[ZygoteClient], None],
    ) -> None:
        self._plan = plan
        self._log = Path(plan.study_folder, "engine.log")
        self._on_reply = on_reply
        self._on_death = on_death
        self._tag = secrets.token_hex(8)
        self._lines = LineBuffer()
        self._child: Child | None = None
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._dying: asyncio.Task[None] | None = None
        self.sources = Sources((), plan.folder)
        self.fresh: str | None = None
        self.is_retired = False

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    @property
    def is_ready(self) -> bool:
        """Whether it has come so far that it could start trials."""
        return self._ready.done() and self._ready.exception() is None

    async def start(self) -> None:
        """Start it and wait until all is imported. Raises TargetError, OSError."""
        self._child = Child(
            "zygote.main",
            receive=self._receive,
            lost=self._die,
            python=self._plan.python,
            env=self._environment(),
            log=self._log,
        )
        self.send(Setup(self._plan.target, self._plan.samplers, self._plan.folder))
        ready = await self._ready
        self.sources = Sources(ready.files, self._plan.folder)
        self.fresh = ready.fresh

    def send(self, message: Request) -> None:
        if self._child is not None:
            self._child.send(protocol.requests.encode(message))

    def retire(self) -> None:
        """It starts nothing more, and ends when its last child has."""
        self.is_retired = True
        self.send(Retire())

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
                case Ready() as ready:
                    self._ready.set_result(ready)
                case Failed(traceback):
                    self._ready.set_exception(TargetError(traceback))
                case reply:
                    self._on_reply(reply)

    def _die(self) -> asyncio.Task[None]:
        if self._dying is None:
            self._dying = asyncio.ensure_future(self._bury())
        return self._dying

    async def _bury(self) -> None:
        assert self._child is not None
        if await self._child.wait(END_SECONDS) is None:
            self._child.kill()
            await self._child.wait()
        if self._child.poll() != 0:  # else it has ended all that it had started
            await asyncio.to_thread(process_tree.sweep, self._tag, TAG)
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
        return {
            **kept,
            **self._plan.env,
            **dict.fromkeys(THREADS, "1"),
            "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
            "TUITUNE_STUDY": self._plan.study_folder,
            TAG: self._tag,
        }


def trial_environment(plan: Plan, threads: int) -> dict[str, str]:
    """The thread counts of a trial; what the study file's env says of them goes first."""
    counts = dict.fromkeys(THREADS, str(max(1, threads)))
    return {**counts, **{name: plan.env[name] for name in THREADS if name in plan.env}}
