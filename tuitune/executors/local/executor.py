"""The executor of this machine: a zygote forks the trials, each connects to the engine's socket."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable, Mapping
from hmac import compare_digest
from typing import Any, Literal

from tuitune.core import events
from tuitune.executors.base import Clock, NotNowError, Plan, SampleError, Sink
from tuitune.executors.local import exit_text, gpu_errors, interpreter, provenance, zygote_client
from tuitune.executors.local.attempts import Attempt, events_of
from tuitune.executors.local.listener import Connection, Hello, Listener, Message
from tuitune.executors.local.zygotes import Zygotes
from tuitune.ipc.files import size_of
from tuitune.trial import wire
from tuitune.zygote import protocol

_MOST_DEATHS = 3  # of zygotes in a row, without an attempt that ended by itself


class LocalExecutor:
    """The `executors.base.Executor` that runs trials as processes of this machine."""

    def __init__(
        self, plan: Plan, sink: Sink, clock: Clock, timeouts: zygote_client.Timeouts | None = None
    ) -> None:
        self._plan = plan
        self._sink = sink
        self._clock = clock
        self._timeouts = timeouts or zygote_client.Timeouts()
        self._listener = Listener(plan.socket, self._receive)
        self._attempts: dict[tuple[int, int], Attempt] = {}
        self._zygotes = Zygotes(
            plan,
            self._timeouts,
            on_reply=self._take_reply,
            on_death=self._lose_zygote,
            on_start=self._have_zygote,
            on_slow=self._report_code,
        )
        self._samples = zygote_client.Samples(self._timeouts.sample)
        self._commands: dict[tuple[str, ...], provenance.Sources] = {}
        self._deaths = 0
        self._fresh_reported = False
        self._code_reported = ""  # why the code can't be imported, as reported last
        self._is_open = False
        self._closing = False

    # --- the engine's calls ------------------------------------------------------------------

    async def open(self) -> None:
        """Import the target. Raises TargetError, OSError if the socket can't be bound."""
        self._listener.open()
        await self._zygotes.open()
        self._is_open = True

    def launch(self, order: wire.Order) -> None:
        """Never raises: an attempt that can't start gets its Exited.

        If the code has changed, the attempt waits until that is imported.
        """
        attempt = Attempt(self._complete(order))
        attempt.order = attempt.order._replace(token=attempt.token)
        attempt.log_start = size_of(attempt.log)
        self._attempts[attempt.key] = attempt
        if self._closing:
            asyncio.get_running_loop().call_soon(self._lose, attempt)
            return
        with contextlib.suppress(OSError):  # the trial itself will report that it can't connect
            self._listener.open()
        zygote = self._zygotes.ready()
        if zygote is not None:
            self._send_order(attempt, zygote)
        elif unimportable := self._zygotes.unimportable:
            why = f"can't start: {unimportable}"
            asyncio.get_running_loop().call_soon(self._give_back, [attempt], why)

    def answer(self, trial: int, attempt: int, action: str, save: bool) -> None:  # noqa: FBT001
        """Send the verdict; does nothing if no process of the attempt waits."""
        found = self._attempts.get((trial, attempt))
        if found is not None and (connection := found.waiting) is not None:
            connection.waits = False
            found.may_end = found.may_end or action != "go"
            connection.send(wire.verdict_line(action, save))

    def ask_stop(self, trial: int, attempt: int, reason: str, save: bool) -> None:  # noqa: FBT001
        """Send the stop; an attempt that has no process yet ends at once."""
        found = self._attempts.get((trial, attempt))
        if found is None:
            return
        if found.zygote is None:
            self.signal(trial, attempt, "term")
        else:
            found.stop = wire.Stop(reason, save)
            if (addressee := found.addressee) is not None:
                addressee.send(wire.encode_instruction(found.stop))

    def release(self, trial: int, attempt: int) -> None:
        """Take the stop back that was asked for last."""
        found = self._attempts.get((trial, attempt))
        if found is not None:
            found.stop = None
            if (addressee := found.addressee) is not None:
                addressee.send(wire.encode_instruction(wire.Release()))

    def signal(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> None:
        """Signal the whole session of the attempt's process."""
        found = self._attempts.get((trial, attempt))
        if found is None:
            return
        found.may_end = True
        if found.zygote is not None:
            found.zygote.send(protocol.Kill(trial, attempt, how))
            return
        number = signal.SIGKILL if how == "kill" else signal.SIGTERM
        end = protocol.Exited(trial, attempt, None, number, 0, oom=False)
        asyncio.get_running_loop().call_soon(self._end, found, end)

    async def sample(
        self, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Sampled values, by parameter. Raises SampleError; NotNowError if it may work later."""
        zygote = await self._zygotes.for_sampling()
        try:
            return await self._samples.ask(zygote, targets, seed, config)
        except NotNowError as error:
            if self._deaths >= _MOST_DEATHS:  # again and again: the sampler is the cause
                raise SampleError(f"{zygote_client.names(targets)}: {error}") from error
            raise

    async def close(self) -> None:
        """Kill what is left; each attempt that still ran gets its Exited, as lost."""
        self._closing = True
        await self._zygotes.close()
        for attempt in list(self._attempts.values()):
            self._lose(attempt)
        self._listener.close()
        interpreter.unlink_package(self._plan.socket)

    # --- zygotes -----------------------------------------------------------------------------

    def _have_zygote(self, error: BaseException | None) -> None:
        """Start waiting attempts by the new zygote; if there is an `error`, give them back."""
        if not self._is_open:
            return  # `open` raises the error
        waiting = [attempt for attempt in self._attempts.values() if attempt.zygote is None]
        zygote = self._zygotes.current
        if error is None and zygote is not None:
            self._report_code("")
            for attempt in waiting:
                self._send_order(attempt, zygote)
            return
        lacking = exit_text.shortage(error.errno) if isinstance(error, OSError) else ""
        self._report_code(self._zygotes.unimportable)
        if lacking:
            self._block("resources", lacking)
        self._give_back(waiting, lacking or f"can't start: {self._zygotes.unimportable}")

    def _report_code(self, why: str) -> None:
        """Send why the code can't be imported, empty if it can, once for each change."""
        if why != self._code_reported:
            self._code_reported = why
            self._block("code", why)

    def _block(self, cause: Literal["code", "resources"], why: str) -> None:
        self._sink([events.LaunchBlocked(self._clock(), cause, why)])

    def _give_back(self, attempts: Iterable[Attempt], why: str) -> None:
        """End attempts as lost: no process could be started for them."""
        for attempt in attempts:
            if attempt.key in self._attempts:
                end = protocol.Exited(*attempt.key, None, None, 0, oom=False)
                self._finish(attempt, end, why, "", lost=True)

    def _send_order(self, attempt: Attempt, zygote: zygote_client.ZygoteClient) -> None:
        attempt.zygote = zygote
        zygote.send(attempt.order)

    def _take_reply(self, reply: protocol.Reply) -> None:
        match reply:
            case protocol.Started(trial, number, pid):
                if (attempt := self._attempts.get((trial, number))) is not None:
                    self._have_started(attempt, pid)
            case protocol.Exited(trial, number):
                if (attempt := self._attempts.get((trial, number))) is not None:
                    self._have_exited(attempt, reply)
            case protocol.Sampled():
                self._samples.answer(reply)

    def _have_exited(self, attempt: Attempt, end: protocol.Exited) -> None:
        if lacking := exit_text.shortage(end.errno):
            self._block("resources", lacking)
            self._give_back([attempt], lacking)
        else:
            self._deaths = 0
            self._end(attempt, end)

    def _lose_zygote(self, zygote: zygote_client.ZygoteClient) -> None:
        """A zygote is gone, and all that it had started."""
        self._deaths += zygote.is_ready and not zygote.is_retired
        for attempt in [found for found in self._attempts.values() if found.zygote is zygote]:
            self._lose(attempt)
        self._samples.lose(zygote)

    # --- attempts ----------------------------------------------------------------------------

    def _complete(self, order: wire.Order) -> wire.Order:
        return order._replace(
            folder=os.path.join(self._plan.study_folder, order.folder),  # noqa: PTH118
            cwd=order.cwd or self._plan.folder,
            socket=self._plan.socket,
            env={**zygote_client.trial_environment(self._plan, order.threads), **order.env},
        )

    def _have_started(self, attempt: Attempt, pid: int) -> None:
        if attempt.is_started:
            return
        attempt.is_started = True
        trial, number = attempt.key
        code = self._code_of(attempt)
        step, commit = attempt.order.resume_step, self._zygotes.commit
        now = self._clock()
        found: list[events.Event] = [
            events.Started(now, trial, number, pid, step, code, commit.name, commit.dirty)
        ]
        reason = attempt.zygote.fresh if attempt.zygote is not None else None
        if reason is not None and not self._fresh_reported:
            self._fresh_reported = True
            found.append(events.Warned(now, trial, number, reason))
        self._sink(found)

    def _code_of(self, attempt: Attempt) -> str:
        """A digest of the source files that the attempt runs."""
        command = attempt.order.command
        if command is None:
            return attempt.zygote.sources.code if attempt.zygote is not None else ""
        files = tuple(provenance.files_of(command, self._plan.folder, but=self._plan.study_folder))
        known = self._commands.get(files)
        if known is None or known.have_changed():
            known = self._commands[files] = provenance.Sources(files, self._plan.folder)
        return known.code

    def _receive(self, connection: Connection, messages: list[Message]) -> None:
        attempt: Attempt | None = connection.attempt
        if attempt is None:
            attempt = self._identify(connection, messages)
            if attempt is None:
                connection.close()
                return
        found = events_of(attempt, connection, messages, self._clock())
        if found:
            self._sink(found)
        if attempt.has_returned and attempt.exit_timer is None:
            loop = asyncio.get_running_loop()
            attempt.exit_timer = loop.call_later(self._timeouts.exit, self._exit_is_due, attempt)

    def _exit_is_due(self, attempt: Attempt) -> None:
        attempt.is_exit_overdue = True
        self._sink([events.Returned(self._clock(), *attempt.key, attempt.ignores_stop)])

    def _identify(self, connection: Connection, messages: list[Message]) -> Attempt | None:
        hello = messages[0] if messages else None
        if not isinstance(hello, Hello):
            return None
        attempt = self._attempts.get((hello.trial, hello.attempt))
        if attempt is None or not compare_digest(attempt.token, hello.token):
            return None
        connection.attempt = attempt
        attempt.connections.append(connection)
        self._have_started(attempt, hello.pid)  # this may arrive before the zygote's Started
        if attempt.stop is not None:
            connection.send(wire.encode_instruction(attempt.stop))
        return attempt

    def _end(self, attempt: Attempt, end: protocol.Exited) -> None:
        """Its processes are gone: read what they sent last, and then send its Exited."""
        if attempt.key not in self._attempts:
            return
        self._listener.drain()
        attempt.drain()
        error = exit_text.error_of(end, attempt.error)
        if not error and attempt.ends_too_early:
            error = exit_text.TOO_EARLY
        if attempt.is_exit_overdue and attempt.error == "" and attempt.order.command is None:
            error = ""  # its work was complete, and only its process had to be killed
        failed = bool(error or end.code or end.signal)
        tail = exit_text.tail_of(attempt.log, attempt.log_start) if failed else ""
        if end.code and not (attempt.error or attempt.stopped or attempt.may_end):
            error = exit_text.with_last_words(error, tail)
        self._finish(attempt, end, error, tail, lost=False)

    def _lose(self, attempt: Attempt) -> None:
        """Its zygote is gone: end the attempt, as lost unless zygotes keep dying."""
        if attempt.key not in self._attempts:
            return
        self._listener.drain()
        attempt.drain()
        why = "the engine was closed" if self._closing else "the process that starts trials died"
        # If zygotes keep dying, trials may be the cause: then the attempt counts as failed.
        lost = self._deaths < _MOST_DEATHS
        end = protocol.Exited(*attempt.key, None, signal.SIGKILL, 0, oom=False)
        self._finish(attempt, end, why, "", lost=lost)

    def _finish(
        self, attempt: Attempt, end: protocol.Exited, error: str, tail: str, *, lost: bool
    ) -> None:
        """Send the attempt's Exited, and forget the attempt."""
        del self._attempts[attempt.key]
        if attempt.exit_timer is not None:
            attempt.exit_timer.cancel()
        trial, number = attempt.key
        now = self._clock()
        peak, stopped = end.max_rss, attempt.stopped
        oom = bool(error) and gpu_errors.is_gpu_oom(error, tail)
        fault = gpu_errors.fault_of(error, tail) if error and not oom else ""
        how = end.code, end.signal, error, tail, peak, lost, stopped, oom, fault
        self._sink([events.Exited(now, trial, number, *how)])
