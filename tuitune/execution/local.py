"""How are trials run on this machine?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuitune import events
from tuitune.execution import errands, wire, words
from tuitune.execution.attempts import Attempt
from tuitune.execution.executor import TargetError
from tuitune.execution.gpu_memory import is_gpu_oom
from tuitune.execution.hearing import heard
from tuitune.execution.keeper import Keeper, trial_environment
from tuitune.execution.listener import Hello, Listener
from tuitune.execution.provenance import Commit, Sources, commit_of, files_of
from tuitune.execution.sampling import Samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuitune.events import Event
    from tuitune.execution.executor import Plan
    from tuitune.execution.listener import Connection, Said
    from tuitune.execution.wire import Order

MOST_DEATHS = 3  # of zygotes in a row, without an attempt that ended by itself


class LocalExecutor:
    """An Executor: a zygote forks the trials, each speaks through a socket of its own."""

    def __init__(
        self, plan: Plan, sink: Callable[[Sequence[Event]], None], clock: Callable[[], float]
    ) -> None:
        self._plan = plan
        self._sink = sink
        self._clock = clock
        self._listener = Listener(plan.socket, self._hear)
        self._attempts: dict[tuple[int, int], Attempt] = {}
        self._keeper: Keeper | None = None  # the one that starts trials now
        self._keepers: set[Keeper] = set()
        self._starting: asyncio.Task[Keeper] | None = None
        self._samples = Samples()
        self._commit = Commit("", None)
        self._commands: dict[tuple[str, ...], Sources] = {}
        self._deaths = 0
        self._told_fresh = False
        self._closing = False

    # --- what the engine asks ----------------------------------------------------------------

    async def open(self) -> None:
        """Import the target. Raises TargetError, OSError where the socket can't be bound."""
        self._listener.open()
        await self._ready_keeper()

    def launch(self, order: Order) -> None:
        """Never raises: what stands against it comes back as the attempt's Exited."""
        attempt = Attempt(self._complete(order))
        attempt.order = attempt.order._replace(token=attempt.token)
        self._attempts[attempt.key] = attempt
        if self._closing:
            asyncio.get_running_loop().call_soon(self._lose, attempt)
            return
        with contextlib.suppress(OSError):  # the trial itself will say that nobody answers it
            self._listener.open()
        if self._keeper is not None and self._keeper.sources.have_changed():
            self._keeper.retire()
            self._keeper = None
        if self._keeper is not None:
            self._hand_over(attempt, self._keeper)
        else:
            self._start()

    def answer(self, trial: int, attempt: int, action: str, save: bool) -> None:  # noqa: FBT001
        found = self._attempts.get((trial, attempt))
        if found is not None and (connection := found.waiting) is not None:
            connection.waits = False
            connection.send(wire.verdict_line(action, save))

    def ask_stop(self, trial: int, attempt: int, reason: str, save: bool) -> None:  # noqa: FBT001
        found = self._attempts.get((trial, attempt))
        if found is not None:
            found.stop = wire.Stop(reason, save)
            if (voice := found.voice) is not None:
                voice.send(wire.encode(found.stop))

    def release(self, trial: int, attempt: int) -> None:
        found = self._attempts.get((trial, attempt))
        if found is not None:
            found.stop = None
            if (voice := found.voice) is not None:
                voice.send(wire.encode(wire.Release()))

    def signal(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> None:
        found = self._attempts.get((trial, attempt))
        if found is None:
            return
        if found.keeper is not None:
            found.keeper.say(errands.Kill(trial, attempt, how))
            return
        number = signal.SIGKILL if how == "kill" else signal.SIGTERM
        end = errands.Exited(trial, attempt, None, number, 0, oom=False)
        asyncio.get_running_loop().call_soon(self._end, found, end)

    async def sample(
        self, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Raises SampleError, TargetError."""
        return await self._samples.ask(await self._ready_keeper(), targets, seed, config)

    async def close(self) -> None:
        """Kill whatever is left; each attempt that still ran gets its Exited, as lost."""
        self._closing = True
        await asyncio.gather(*(keeper.end() for keeper in list(self._keepers)))
        if self._starting is not None:
            await asyncio.wait([self._starting])
        for attempt in list(self._attempts.values()):
            self._lose(attempt)
        self._listener.close()

    # --- zygotes -----------------------------------------------------------------------------

    async def _ready_keeper(self) -> Keeper:
        if self._keeper is not None:
            return self._keeper
        return await asyncio.shield(self._start())

    def _start(self) -> asyncio.Task[Keeper]:
        if self._starting is None:
            self._starting = asyncio.ensure_future(self._start_keeper())
            self._starting.add_done_callback(self._have_started)
        return self._starting

    async def _start_keeper(self) -> Keeper:
        if self._closing:
            raise TargetError("the executor is closed")
        keeper = Keeper(self._plan, self._take, self._bury)
        self._keepers.add(keeper)
        _, self._commit = await asyncio.gather(keeper.start(), commit_of(self._plan.folder))
        return keeper

    def _have_started(self, task: asyncio.Task[Keeper]) -> None:
        self._starting = None
        waiting = [attempt for attempt in self._attempts.values() if attempt.keeper is None]
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._keeper = task.result()
            for attempt in waiting:
                self._hand_over(attempt, self._keeper)
            return
        for attempt in waiting:
            self._refuse(attempt, error)

    def _refuse(self, attempt: Attempt, error: BaseException) -> None:
        """The target was changed, and can't be imported any more."""
        text = words.plain(str(error)).strip()
        last = text.splitlines()[-1] if text else type(error).__name__
        end = errands.Exited(*attempt.key, 1, None, 0, oom=False)
        self._tell(attempt, end, f"can't start: {last}", text, lost=False)

    def _hand_over(self, attempt: Attempt, keeper: Keeper) -> None:
        attempt.keeper = keeper
        keeper.say(errands.Launch(attempt.order))

    def _take(self, word: errands.Word) -> None:
        match word:
            case errands.Started(trial, number, pid):
                if (attempt := self._attempts.get((trial, number))) is not None:
                    self._have_begun(attempt, pid)
            case errands.Exited(trial, number):
                if (attempt := self._attempts.get((trial, number))) is not None:
                    self._deaths = 0
                    self._end(attempt, word)
            case errands.Sampled():
                self._samples.take(word)

    def _bury(self, keeper: Keeper) -> None:
        """A zygote is gone, and all that it had started."""
        self._keepers.discard(keeper)
        if self._keeper is keeper:
            self._keeper = None
        self._deaths += not keeper.is_retired
        for attempt in [found for found in self._attempts.values() if found.keeper is keeper]:
            self._lose(attempt)
        self._samples.lose(keeper)

    # --- attempts ----------------------------------------------------------------------------

    def _complete(self, order: Order) -> Order:
        return order._replace(
            folder=os.path.join(self._plan.study_folder, order.folder),  # noqa: PTH118
            cwd=order.cwd or self._plan.folder,
            socket=self._plan.socket,
            env={**trial_environment(self._plan, order.threads), **order.env},
        )

    def _have_begun(self, attempt: Attempt, pid: int) -> None:
        if attempt.is_started:
            return
        attempt.is_started = True
        trial, number = attempt.key
        code = self._code_of(attempt)
        step, commit = attempt.order.resume_step, self._commit
        now = self._clock()
        facts: list[Event] = [
            events.Started(now, trial, number, pid, step, code, commit.name, commit.dirty)
        ]
        reason = attempt.keeper.fresh if attempt.keeper is not None else None
        if reason is not None and not self._told_fresh:
            self._told_fresh = True
            text = f"each trial imports all anew, which takes longer: {reason}"
            facts.append(events.Warned(now, trial, number, text))
        self._sink(facts)

    def _code_of(self, attempt: Attempt) -> str:
        command = attempt.order.command
        if command is None:
            return attempt.keeper.sources.code if attempt.keeper is not None else ""
        files = tuple(files_of(command, self._plan.folder))
        known = self._commands.get(files)
        if known is None or known.have_changed():
            known = self._commands[files] = Sources(files, self._plan.folder)
        return known.code

    def _hear(self, connection: Connection, messages: list[Said]) -> None:
        attempt: Attempt | None = connection.owner
        if attempt is None:
            attempt = self._greet(connection, messages)
            if attempt is None:
                connection.close()
                return
        facts = heard(attempt, connection, messages, self._clock())
        if facts:
            self._sink(facts)

    def _greet(self, connection: Connection, messages: list[Said]) -> Attempt | None:
        hello = messages[0] if messages else None
        if not isinstance(hello, Hello):
            return None
        attempt = self._attempts.get((hello.trial, hello.attempt))
        if attempt is None or not compare_digest(attempt.token, hello.token):
            return None
        connection.owner = attempt
        attempt.connections.append(connection)
        self._have_begun(attempt, hello.pid)  # its word may arrive before the zygote's
        if attempt.stop is not None:
            connection.send(wire.encode(attempt.stop))
        return attempt

    def _end(self, attempt: Attempt, end: errands.Exited) -> None:
        """Its processes are gone: what they said last is in the sockets, and comes first."""
        if attempt.key not in self._attempts:
            return
        self._listener.drain()
        attempt.read_out()
        error = words.error_of(end, attempt.said)
        failed = bool(error or end.code or end.signal)
        tail = words.tail_of(Path(attempt.order.folder, "output.log")) if failed else ""
        self._tell(attempt, end, error, tail, lost=False)

    def _lose(self, attempt: Attempt) -> None:
        """The world has taken its zygote."""
        if attempt.key not in self._attempts:
            return
        self._listener.drain()
        attempt.read_out()
        why = "the engine was closed" if self._closing else "the process that starts trials died"
        # Where it dies again and again it's no accident, and a retry must be spent.
        lost = self._deaths < MOST_DEATHS
        end = errands.Exited(*attempt.key, None, signal.SIGKILL, 0, oom=False)
        self._tell(attempt, end, why, "", lost=lost)

    def _tell(
        self, attempt: Attempt, end: errands.Exited, error: str, tail: str, *, lost: bool
    ) -> None:
        """The attempt's last word: nothing of it is known from here on."""
        del self._attempts[attempt.key]
        trial, number = attempt.key
        now = self._clock()
        peak, stopped = end.max_rss, attempt.stopped
        oom = bool(error) and is_gpu_oom(error, tail)
        self._sink(
            [
                events.Exited(
                    now, trial, number, end.code, end.signal, error, tail, peak, lost, stopped, oom
                )
            ]
        )
