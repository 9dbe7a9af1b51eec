"""The engine's side of a model that runs in a process of its own."""

import asyncio
import os
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from tuitune.core.search.proposal import History, Past, Proposal
from tuitune.ipc import entry, frames
from tuitune.ipc.child import Child
from tuitune.model_process import protocol
from tuitune.store.folder import LOG

_MOST_CRASHES = 2  # after so many the model is given up


class Timeouts(msgspec.Struct, frozen=True):
    """Timeouts of the model's process, in seconds."""

    answer: float = 120.0  # that a process may take to answer, before it counts as hung
    first_answer: float = 240.0  # the same for its first: libraries on a slow disk load slowly
    exit: float = 1.0  # that a process may take to exit after it has closed its socket


class ModelError(Exception):
    """The model has no answer; str() says why."""


class ModelProcess:
    """`engine.ports.ModelClient`: starts its process when it is first needed, or by `warm`.

    A process that dies is started once more and asked again; after that the model is given up for
    as long as this engine lives. `note` gets a message of both.
    """

    def __init__(
        self,
        brief: protocol.Brief,
        folder: Path,
        note: Callable[[str], None],
        timeouts: Timeouts | None = None,
    ) -> None:
        self._brief = brief
        self._folder = folder
        self._note = note
        self._timeouts = timeouts or Timeouts()
        self._connection: _Connection | None = None
        self._crashes = 0
        self._given_up = ""  # why; empty as long as it is not
        self._starting = asyncio.Lock()

    async def warm(self) -> None:
        """Load numpy and scipy now, before an answer is waited for. Raises OSError."""
        async with self._starting:
            if self._connection is None and not self._given_up:
                self._connection = _Connection(self._brief, self._folder, self._timeouts)

    async def propose(
        self, trial: int, history: History, tried: Collection[str]
    ) -> Proposal | None:
        """The model's proposal; None if nothing untried is left. Raises ModelError."""
        while not self._given_up:
            try:
                await self.warm()
                assert self._connection is not None
                answer = await self._connection.ask(trial, history, tried)
            except (OSError, TimeoutError, _HungUpError) as error:
                await self._replace(error)
                continue
            if answer.error:
                raise ModelError(answer.error)
            if answer.config is None:
                return None
            return Proposal(answer.config, answer.origin, answer.why)
        raise ModelError(self._given_up)

    async def close(self) -> None:
        """End the process; a question that waits for its answer raises ModelError."""
        self._given_up = self._given_up or "it was closed"
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.end()

    async def _replace(self, error: Exception) -> None:
        if self._given_up:
            return
        connection, self._connection = self._connection, None
        end = str(error)
        if connection is not None:
            end = await connection.end() or end
        self._crashes += 1
        if self._crashes < _MOST_CRASHES:
            self._note(f"the model's process ended ({end}); it is started again")
            return
        self._given_up = f"the model's process ended twice ({end})"
        self._note(f"{self._given_up}; Sobol points from here on, see {self._folder / LOG}")


class _HungUpError(Exception):
    """The process has closed its socket."""


class _Connection:
    """One process, from its start to its end, and what it has been sent."""

    def __init__(self, brief: protocol.Brief, folder: Path, timeouts: Timeouts) -> None:
        """Start the process and send it the brief. Raises OSError."""
        self._timeouts = timeouts
        self._frames = frames.FrameBuffer()
        self._waiting: asyncio.Future[protocol.Answer] | None = None
        self._has_hung_up = self._has_answered = False
        self._past: dict[int, Past] = {}
        self._tried: set[str] = set()
        self._child = Child(
            "model_process.main",
            receive=self._receive,
            lost=self._lose,
            env={**os.environ, **dict.fromkeys(entry.THREADS, "1"), "TUITUNE_STUDY": str(folder)},
            log=folder / LOG,
        )
        self._child.send(protocol.from_brief(brief))

    async def ask(self, trial: int, history: History, tried: Collection[str]) -> protocol.Answer:
        """Send a question and wait for the answer. Raises TimeoutError, _HungUpError."""
        if not self._child.is_open:
            raise _HungUpError
        question = self._question(trial, history, tried)
        self._waiting = asyncio.get_running_loop().create_future()
        timeouts = self._timeouts
        seconds = timeouts.answer if self._has_answered else timeouts.first_answer
        self._child.send(protocol.from_message(question))
        try:
            async with asyncio.timeout(seconds):
                answer = await self._waiting
        except TimeoutError:
            raise TimeoutError(f"no answer in {seconds:g} s") from None
        self._has_answered = True
        return answer

    async def end(self) -> str:
        """Wait until it is gone; how it ended if it did by itself, else an empty text."""
        child = self._child
        child.close()
        if await child.wait(self._timeouts.exit if self._has_hung_up else 0.0) is None:
            child.kill()  # it has nothing to save
            await child.wait()
            self._lose()
            return ""
        return child.how_it_ended()

    def _question(self, trial: int, history: History, tried: Collection[str]) -> protocol.Question:
        changed = [past for past in history.past if self._past.get(past.trial) is not past]
        self._past.update((past.trial, past) for past in changed)
        removed: list[int] = []
        if len(self._past) > len(history.past):
            left = {past.trial for past in history.past}
            removed = [number for number in self._past if number not in left]
            for number in removed:
                del self._past[number]
        new = [key for key in tried if key not in self._tried]
        self._tried.update(new)
        return protocol.Question(trial, changed, removed, new, history.limited)

    def _receive(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            if self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(protocol.to_answer(body))

    def _lose(self) -> None:
        self._has_hung_up = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(_HungUpError())
