"""How does an engine ask a model that lives in another process, without waiting for it?"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from tuitune.core.search.proposal import Proposal
from tuitune.ipc import entry
from tuitune.ipc.entry import THREADS
from tuitune.model_process import protocol
from tuitune.model_process.protocol import Answer, Frames, Question

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from tuitune.core.search.proposal import History, Past
    from tuitune.model_process.protocol import Brief

PATIENCE = 120.0  # s for one answer, before the process counts as hung
FIRST_PATIENCE = 240.0  # s for its first one: libraries on a slow disk take their time
CRASHES = 2  # after so many the model is given up
GRACE = 1.0  # s that a process which has closed its end is given to leave
STEP = 0.01  # s between two looks at a process that ends


class ModelError(Exception):
    """The model has no answer; str() says why."""


class ModelProcess:
    """`engine.ports.ModelClient`: starts its process when it is first needed, or `warm` says so.

    A process that dies is started once more and asked again; after that the model is given up for
    as long as this engine lives.
    """

    def __init__(self, brief: Brief, folder: Path, note: Callable[[str], None]) -> None:
        self._brief = brief
        self._folder = folder
        self._note = note
        self._life: _Life | None = None
        self._crashes = 0
        self._lost = ""
        self._starting = asyncio.Lock()

    async def warm(self) -> None:
        """Load numpy and scipy now, before somebody waits for an answer. Raises OSError."""
        async with self._starting:
            if self._life is None and not self._lost:
                self._life = await _start(self._brief, self._folder)

    async def propose(
        self, trial: int, history: History, tried: Collection[str]
    ) -> Proposal | None:
        """Raises ModelError."""
        while not self._lost:
            try:
                await self.warm()
                assert self._life is not None
                answer = await self._life.ask(trial, history, tried)
            except (OSError, TimeoutError, _DeadError) as error:
                await self._buried(error)
                continue
            if answer.error:
                raise ModelError(answer.error)
            if answer.config is None:
                return None
            return Proposal(answer.config, answer.origin, answer.why)
        raise ModelError(self._lost)

    async def close(self) -> None:
        self._lost = self._lost or "it was closed"
        life, self._life = self._life, None
        if life is not None:
            await life.end()

    async def _buried(self, error: Exception) -> None:
        if self._lost:
            return
        life, self._life = self._life, None
        end = str(error)
        if life is not None:
            end = await life.end() or end
        self._crashes += 1
        if self._crashes < CRASHES:
            self._note(f"the model's process ended ({end}); it is started again")
            return
        self._lost = f"the model's process ended twice ({end})"
        self._note(f"{self._lost}; Sobol points from here on, see {self._folder / 'engine.log'}")


class _DeadError(Exception):
    """The process has closed its end of the pipe."""


class _Life(asyncio.Protocol):
    """One process, from its start to its end."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._frames = Frames()
        self._waiting: asyncio.Future[Answer] | None = None
        self._is_dead = self._has_answered = False
        self._told: dict[int, Past] = {}
        self._tried: set[str] = set()

    async def ask(self, trial: int, history: History, tried: Collection[str]) -> Answer:
        if self._is_dead or self._transport is None:
            raise _DeadError
        question = self._question(trial, history, tried)
        self._waiting = asyncio.get_running_loop().create_future()
        patience = PATIENCE if self._has_answered else FIRST_PATIENCE
        self._transport.write(protocol.from_message(question))
        try:
            async with asyncio.timeout(patience):
                answer = await self._waiting
        except TimeoutError:
            raise TimeoutError(f"no answer in {patience:g} s") from None
        self._has_answered = True
        return answer

    def _question(self, trial: int, history: History, tried: Collection[str]) -> Question:
        fresh = [past for past in history.past if self._told.get(past.trial) is not past]
        self._told.update((past.trial, past) for past in fresh)
        gone: list[int] = []
        if len(self._told) > len(history.past):
            left = {past.trial for past in history.past}
            gone = [number for number in self._told if number not in left]
            for number in gone:
                del self._told[number]
        new = [key for key in tried if key not in self._tried]
        self._tried.update(new)
        return Question(trial, fresh, gone, new)

    async def end(self) -> str:
        """Wait until it is gone; how it ended, in words, where it did by itself."""
        if self._transport is not None:
            self._transport.close()
        process = self.process
        if process is None:
            return ""
        code = await _gone(process, GRACE) if self._is_dead else process.poll()
        if code is None:
            process.kill()  # it has nothing to lose
            await _gone(process, math.inf)
            return ""
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    # --- asyncio.Protocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(protocol.to_answer(body))

    def connection_lost(self, _: Exception | None) -> None:
        self._is_dead = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(_DeadError())


async def _gone(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    """How it ended; None if it has not, after so long."""
    waited = 0.0
    while process.poll() is None and waited < seconds:
        await asyncio.sleep(STEP)
        waited += STEP
    return process.returncode


async def _start(brief: Brief, folder: Path) -> _Life:
    """From the engine's main thread: the process dies with the thread that has started it."""
    ours, theirs = socket.socketpair()
    life = _Life()
    with theirs:
        life.process = _spawn(theirs.fileno(), folder)
    transport, _ = await asyncio.get_running_loop().create_unix_connection(lambda: life, sock=ours)
    transport.write(protocol.from_brief(brief))
    return life


def _spawn(line: int, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "engine.log").open("ab") as output:
        return subprocess.Popen(
            entry.command(sys.executable, "model_process.main", str(line), str(os.getpid())),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **dict.fromkeys(THREADS, "1"), "TUITUNE_STUDY": str(folder)},
            pass_fds=[line],
            start_new_session=True,
        )
