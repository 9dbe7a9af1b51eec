"""The supervisor of a command: a program that knows nothing of tuitune, run as a trial."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from tuitune.ipc import process_tree
from tuitune.trial import child_process, command_trial, link, output_parser, wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.trial.channel import SocketChannel
    from tuitune.trial.command_saves import Saves

_CHUNK = 1 << 16  # bytes
_LOOK, _LOOK_IN_HASTE = 100, 20  # ms between two looks at what a command saves
_NOT_FOUND = 127  # a shell's exit status


def supervise(channel: SocketChannel, order: wire.Order) -> int:
    """Run the command. Returns its exit status, or minus the signal that it died of."""
    assert order.command is not None
    try:
        saves = _begin_saves(order, channel)
        process = _start(order)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in an argument
        why = error.strerror if isinstance(error, OSError) else error
        problem = f"can't run {order.command[0]!r}: {why}"
        os.write(2, f"tuitune: {problem}\n".encode())
        child_process.tell_done(channel, problem)
        return _NOT_FOUND
    supervisor = _Supervisor(channel, order, process, saves)
    code = supervisor.run()
    # Without a problem found here, its exit status shows how it ended.
    child_process.tell_done(channel, supervisor.problem, stopped=supervisor.cut_short)
    return code


def _begin_saves(order: wire.Order, channel: SocketChannel) -> Saves | None:
    """Raises OSError if what the checkpoint holds can't be put back."""
    if order.saves is None:
        return None
    from tuitune.trial.command_saves import Saves  # noqa: PLC0415 - few commands need it

    saves = Saves(order, channel)
    saves.begin()
    return saves


def _start(order: wire.Order) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    slim = order._replace(command=None, metrics={}, env={})
    environment = {
        "PYTHONUNBUFFERED": "1",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (order.cwd, os.environ.get("PYTHONPATH")))),
        "TUITUNE_TRIAL": wire.encode_order(slim),
    }
    return subprocess.Popen(
        list(order.command or ()),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
        preexec_fn=lambda: process_tree.die_with_parent(parent),  # noqa: PLW1509 - we have one thread
    )


class _CommandChannel:
    """The supervisor's channel to the engine, which handles pauses itself.

    A command can't be asked to save: it is stopped by SIGSTOP, until it is released or ended.
    Unless it is one that saves by itself: then the supervisor ends it after its next save.
    """

    def __init__(
        self, channel: SocketChannel, process: subprocess.Popen[bytes], *, saves: bool
    ) -> None:
        self._saves = saves
        self._channel = channel
        self._process = process
        self.fileno = channel.fileno
        self.send = channel.send

    @property
    def holds_more(self) -> bool:
        return self._channel.holds_more

    def poll(self) -> wire.Stop | wire.Refused | None:
        message = self._channel.poll()
        return self.freeze() if self._must_freeze(message) else message

    def wait(self) -> wire.Instruction | wire.Refused:
        while True:
            message = self._channel.wait()
            if not self._must_freeze(message):
                return message
            stop = self.freeze()
            if stop is not None:
                return stop

    def _must_freeze(self, message: wire.Instruction | wire.Refused | None) -> bool:
        return not self._saves and _is_pause(message)

    def freeze(self) -> wire.Stop | None:
        """Suspend the command until it is released. Returns a Stop if it is to end instead."""
        if self._process.returncode is not None:
            return None  # it has ended
        process_tree.kill_session(self._process.pid, signal.SIGSTOP)
        self.send(wire.encode(wire.Frozen()))
        while True:
            match self._channel.wait():
                case wire.Release():
                    process_tree.kill_session(self._process.pid, signal.SIGCONT)
                    return None
                case wire.Stop(reason) as stop if reason != wire.PAUSED:
                    return stop


def _is_pause(message: wire.Instruction | wire.Refused | None) -> bool:
    return isinstance(message, wire.Stop) and message.reason == wire.PAUSED


class _Supervisor:
    """Reads a command's output, sends its reports, and ends it when the engine orders so."""

    def __init__(
        self,
        channel: SocketChannel,
        order: wire.Order,
        process: subprocess.Popen[bytes],
        saves: Saves | None,
    ) -> None:
        self._channel = _CommandChannel(channel, process, saves=saves is not None)
        self._saves = saves
        self._metric = order.metric
        self._trial = command_trial.CommandTrial(order, self._channel)
        self._process = process
        self._lines = output_parser.LineCutter()
        self._metrics = output_parser.Metrics(order.metrics, order.metric, order.resource)
        self._is_first = order.attempt == 0  # no earlier attempt can have reported
        self._reporting = False
        self._ignores_output = False  # what it prints no longer counts, but it may end by itself
        self.stopping = False
        self.cut_short = False  # it was ended before its work was complete
        self.problem = ""  # why it was ended, as a message

    def run(self) -> int:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        wakeup = _wakeup_on_exit()
        signal.signal(signal.SIGTERM, self._terminate)
        poll = select.poll()
        for descriptor in (pipe, self._channel.fileno(), wakeup.fileno()):
            poll.register(descriptor, select.POLLIN)
        while self._process.poll() is None:
            for descriptor, _ in poll.poll(self._until_look()):
                if descriptor == wakeup.fileno():
                    wakeup.recv(4096)
                elif descriptor == self._channel.fileno():
                    self._read_engine()
                    if self.stopping:  # a later message could only repeat the order
                        poll.unregister(descriptor)
                elif not self._read(pipe):
                    poll.unregister(pipe)  # it has closed its output, but still runs
            while self._channel.holds_more and not self.stopping:
                self._read_engine()
            self._tend_saves()
        process_tree.end_descendants()  # they may hold the pipe's other end open
        self._drain(pipe)
        for line in self._lines.flush():
            self._take_line(line)
        if self._process.returncode == 0 and not self.stopping and not self._ignores_output:
            self._report(self._trial.finish)
            self._tell_lack()
        if self._saves is not None:
            self._saves.end(by_signal=self._process.returncode < 0)
        return self._process.returncode

    def _until_look(self) -> int | None:
        """Milliseconds until the next look at what is saved."""
        if self._saves is None or self.stopping:
            return None
        return _LOOK if self._trial.leaving is None else _LOOK_IN_HASTE

    def _tend_saves(self) -> None:
        if self._saves is None or self.stopping:
            return
        leaving = self._trial.leaving
        self._saves.tend(at_once=leaving is not None)
        if leaving is not None:
            self._leave(self._saves, leaving)

    def _leave(self, saves: Saves, leaving: command_trial.Leaving) -> None:
        """End the command once it has saved what it was asked to, or after one more step."""
        is_beyond = self._trial.step > leaving.step
        if saves.has_saved_since(leaving.step) or (is_beyond and saves.is_any):
            must_end = saves.suspend(self._process.pid, hurry=is_beyond)
        elif is_beyond and leaving.reason == wire.PAUSED:
            self._trial.stay()
            must_end = self._channel.freeze() is not None
        else:
            must_end = is_beyond
        if must_end:
            self._cut_short()

    def _tell_lack(self) -> None:
        lack = self._metrics.lack
        if lack and self._is_first and not self.problem:
            self.problem = f"ended without a report of {self._metric}: {lack}"

    def _drain(self, pipe: int) -> None:
        """Read what was printed before the end; never wait for a process that can't be killed."""
        os.set_blocking(pipe, False)
        try:
            while self._read(pipe):
                pass
        except BlockingIOError:
            return

    def _read(self, pipe: int) -> bool:
        chunk = os.read(pipe, _CHUNK)
        _log(chunk)
        for line in self._lines.feed(chunk):
            self._take_line(line)
        return bool(chunk)

    def _take_line(self, line: str) -> None:
        if self.stopping or self._ignores_output:
            return
        values = self._metrics.feed(line)
        problem = self._metrics.problem
        if problem is not None:
            self._report(lambda: self._trial.warn("printed", problem))
        if values is not None:
            now, before = time.time(), self._trial.step
            self._report(lambda: self._trial.take(values))
            if self._saves is not None and self._trial.step > before:
                self._saves.note_step(self._trial.step, now)

    def _report(self, send: Callable[[], None]) -> None:
        """Send messages, and end the command if the engine orders so."""
        self._reporting = True
        try:
            send()
        except link.TrialStopped as stop:
            self._end(stop)
        except ValueError as error:  # a step or a report that is too large
            self.problem = wire.one_line(error)
            self._stop()
        except link.SecondReporterError:
            self._yield()
        except OSError:
            self._stop()
        finally:
            self._reporting = False

    def _end(self, stop: link.TrialStopped) -> None:
        if stop.reason != "complete":
            self._cut_short()
        elif self._trial.is_complete:
            self._stop()
        else:
            # It has reached the maximum without an objective there. Ended now it would fail, so it
            # may end by itself.
            self._ignores_output = True

    def _yield(self) -> None:
        """The command itself reports, through tuitune.current(): its output no longer counts."""
        self._ignores_output = True
        self._report(lambda: self._trial.warn("second", f"printed reports: {link.SECOND_REPORTER}"))

    def _read_engine(self) -> None:
        try:
            message = self._channel.poll()
        except OSError:  # the engine is gone
            self._stop()
            return
        if isinstance(message, wire.Refused):
            self._yield()
        elif message is not None and message.save and self._saves is not None:
            self._trial.leave(message.reason)
        elif message is not None:
            self._cut_short()

    def _cut_short(self) -> None:
        self.cut_short = True
        self._stop()

    def _stop(self) -> None:
        """Send SIGTERM to the command; what it prints from here on no longer counts."""
        self.stopping = True
        if self._process.returncode is None:  # else its pid may have been reused
            process_tree.kill_session(self._process.pid, signal.SIGTERM)
            process_tree.kill_session(self._process.pid, signal.SIGCONT)  # it may be suspended

    def _terminate(self, number: int, _: object) -> None:
        """Pass SIGTERM on, and wait for the command to obey."""
        self._cut_short()
        if self._reporting:
            raise link.TrialStopped(f"signal {number}")  # no verdict may ever come


def _log(chunk: bytes) -> None:
    """Write to the trial's log; a full disk must not block the command."""
    try:
        while chunk:
            chunk = chunk[os.write(1, chunk) :]
    except OSError:
        return


def _wakeup_on_exit() -> socket.socket:
    """A socket that is readable after the command has ended."""
    wakeup, wakeup_writer = socket.socketpair()
    wakeup_writer.setblocking(False)  # noqa: FBT003
    signal.set_wakeup_fd(wakeup_writer.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return wakeup
