"""Is the zygote well, and what does it say? The engine's side of its control socket."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.executors.base import TargetError
from tuitune.executors.local import exit_text
from tuitune.executors.local.provenance import Sources
from tuitune.ipc import entry, process_tree
from tuitune.ipc.entry import THREADS
from tuitune.zygote import protocol
from tuitune.zygote.protocol import Failed, Ready, Retire, Setup

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.executors.base import Plan
    from tuitune.zygote.protocol import Errand, Word

END_SECONDS = 15.0  # it sweeps for up to ten
STEP_SECONDS = 0.01
TAG = "TUITUNE_ZYGOTE"


class ZygoteClient(asyncio.Protocol):
    """One zygote's life: started, ready, perhaps retired, dead. Then it takes no more errands."""

    def __init__(
        self,
        plan: Plan,
        on_word: Callable[[Word], None],
        on_death: Callable[[ZygoteClient], None],
    ) -> None:
        self._plan = plan
        self._on_word = on_word
        self._on_death = on_death
        self._tag = secrets.token_hex(8)
        self._buffer = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._dying: asyncio.Task[None] | None = None
        self.sources = Sources((), plan.folder)
        self.fresh: str | None = None
        self.is_retired = False

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def is_ready(self) -> bool:
        """Whether it has come so far that it could start trials."""
        return self._ready.done() and self._ready.exception() is None

    async def start(self) -> None:
        """Start it and wait until all is imported. Raises TargetError, OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = self._spawn(theirs.fileno())
            except OSError:
                ours.close()
                raise
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: self, sock=ours)
        self.say(Setup(self._plan.target, self._plan.samplers, self._plan.folder))
        ready = await self._ready
        self.sources = Sources(ready.files, self._plan.folder)
        self.fresh = ready.fresh

    def say(self, message: Errand) -> None:
        if self._transport is not None:
            self._transport.write(protocol.encode(message))

    def retire(self) -> None:
        """It starts nothing more, and ends when its last child has."""
        self.is_retired = True
        self.say(Retire())

    async def end(self) -> None:
        """Kill all that it has started, and wait until it is gone itself."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            if not self._ready.done():
                self._process.kill()  # it imports, and hears nothing
            await self._die()

    # --- asyncio.Protocol --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            word = protocol.decode(line)
            if isinstance(word, Ready):
                self._ready.set_result(word)
            elif isinstance(word, Failed):
                self._ready.set_exception(TargetError(word.traceback))
            else:
                self._on_word(word)  # type: ignore[arg-type]

    def connection_lost(self, _: Exception | None) -> None:
        task = asyncio.ensure_future(self._die())
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    # --- its end -----------------------------------------------------------------------------

    async def _die(self) -> None:
        if self._dying is None:
            self._dying = asyncio.ensure_future(self._bury())
        await asyncio.shield(self._dying)

    async def _bury(self) -> None:
        assert self._process is not None
        waited = 0.0
        while self._process.poll() is None:
            if waited > END_SECONDS:
                self._process.kill()
            await asyncio.sleep(STEP_SECONDS)
            waited += STEP_SECONDS
        if self._process.returncode != 0:  # else it has seen to it itself
            await asyncio.to_thread(process_tree.sweep, self._tag, TAG)
        if not self._ready.done():
            self._ready.set_exception(TargetError(self._last_words()))
        self._on_death(self)

    def _spawn(self, control: int) -> subprocess.Popen[bytes]:
        """From the engine's main thread: a zygote that imports dies with the thread it is of."""
        log = Path(self._plan.study_folder, "engine.log")
        argv = entry.command(self._plan.python, "zygote.main", str(control), str(os.getpid()))
        with log.open("ab") as output:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment(),
                pass_fds=[control],
                start_new_session=True,
            )

    def _last_words(self) -> str:
        code = self._process.returncode if self._process is not None else 0
        end = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        tail = exit_text.tail_of(Path(self._plan.study_folder, "engine.log"))
        return f"{tail}\nthe import of the target ended its process: {end}".lstrip()

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
