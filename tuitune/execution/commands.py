"""How is a program that knows nothing of tuitune run as a trial?"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

from tuitune.execution import child, processes
from tuitune.execution.printed import LineCutter, Metrics
from tuitune.execution.wire import PAUSED, Held, Release, Stop, Warn, encode, encode_order
from tuitune.execution.worker import Trial, TrialStopped

if TYPE_CHECKING:
    from tuitune.execution.channel import SocketChannel
    from tuitune.execution.wire import Heard, Order

CHUNK = 1 << 16
NOT_FOUND = 127  # what a shell says


def supervise(channel: SocketChannel, order: Order) -> int:
    """Run the command to its end; its exit status, or minus the signal that it died of."""
    assert order.command is not None
    try:
        process = _start(order)
    except OSError as error:
        problem = f"can't run {order.command[0]!r}: {error.strerror}"
        os.write(2, f"tuitune: {problem}\n".encode())
        child.tell_done(channel, problem)
        return NOT_FOUND
    supervisor = _Supervisor(channel, order, process)
    code = supervisor.run()
    child.tell_done(channel, "", stopped=supervisor.stopping)  # how it ended its status says
    return code


def _start(order: Order) -> subprocess.Popen[bytes]:
    parent = os.getpid()
    slim = order._replace(command=None, metrics={}, env={})
    environment = {"PYTHONUNBUFFERED": "1", **os.environ, "TUITUNE_TRIAL": encode_order(slim)}
    return subprocess.Popen(
        list(order.command or ()),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
        preexec_fn=lambda: processes.die_with_parent(parent),  # noqa: PLW1509 - we have one thread
    )


class _Ear:
    """The supervisor's channel to the engine. A pause never gets further than here.

    A command can't be asked to save: it stops where it is, until it is let go or ended.
    """

    def __init__(self, channel: SocketChannel, process: subprocess.Popen[bytes]) -> None:
        self._channel = channel
        self._process = process
        self.fileno = channel.fileno
        self.send = channel.send

    def poll(self) -> Stop | None:
        stop = self._channel.poll()
        return stop if stop is None or stop.reason != PAUSED else self._stand_still()

    def wait(self) -> Heard:
        while True:
            heard = self._channel.wait()
            if not isinstance(heard, Stop) or heard.reason != PAUSED:
                return heard
            stop = self._stand_still()
            if stop is not None:
                return stop

    def _stand_still(self) -> Stop | None:
        processes.kill_session(self._process.pid, signal.SIGSTOP)
        self.send(encode(Held()))
        while True:
            match self._channel.wait():
                case Release():
                    processes.kill_session(self._process.pid, signal.SIGCONT)
                    return None
                case Stop(reason) as stop if reason != PAUSED:
                    return stop


class _Supervisor:
    def __init__(
        self, channel: SocketChannel, order: Order, process: subprocess.Popen[bytes]
    ) -> None:
        self._channel = _Ear(channel, process)
        self._trial = Trial(order, self._channel)
        self._process = process
        self._lines = LineCutter()
        self._metrics = Metrics(order.metrics, order.metric)
        self._warned = False
        self.stopping = False
        self._reporting = False

    def run(self) -> int:
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        bell = _ring_on_exit()
        signal.signal(signal.SIGTERM, self._terminate)
        poll = select.poll()
        for descriptor in (pipe, self._channel.fileno(), bell.fileno()):
            poll.register(descriptor, select.POLLIN)
        while self._process.poll() is None:
            for descriptor, _ in poll.poll():
                if descriptor == bell.fileno():
                    bell.recv(4096)
                elif descriptor == self._channel.fileno():
                    self._listen()
                    if self.stopping:  # a second word could only say the same
                        poll.unregister(descriptor)
                elif not self._read(pipe):
                    poll.unregister(pipe)  # it has closed its output, and goes on
        processes.end_descendants()  # whoever still holds the pipe's other end
        self._drain(pipe)
        for line in self._lines.flush():
            self._hear(line)
        return self._process.returncode

    def _drain(self, pipe: int) -> None:
        """What was printed before the end, without waiting for anybody who can't be killed."""
        os.set_blocking(pipe, False)
        try:
            while self._read(pipe):
                pass
        except BlockingIOError:
            return

    def _read(self, pipe: int) -> bool:
        chunk = os.read(pipe, CHUNK)
        _log(chunk)
        for line in self._lines.feed(chunk):
            self._hear(line)
        return bool(chunk)

    def _hear(self, line: str) -> None:
        if self.stopping:
            return
        values = self._metrics.feed(line)
        try:
            if self._metrics.problem is not None and not self._warned:
                self._warned = True
                self._channel.send(encode(Warn(self._metrics.problem)))
            if values is not None:
                self._reporting = True
                self._trial.report(values)
        except (TrialStopped, OSError):
            self._stop()
        finally:
            self._reporting = False

    def _listen(self) -> None:
        try:
            if self._channel.poll() is not None:
                self._stop()
        except OSError:  # the engine is gone
            self._stop()

    def _stop(self) -> None:
        """What it prints from here on no longer counts."""
        self.stopping = True
        processes.kill_session(self._process.pid, signal.SIGTERM)
        processes.kill_session(self._process.pid, signal.SIGCONT)  # it may stand still

    def _terminate(self, number: int, _: object) -> None:
        """Hand SIGTERM on, and wait for the command to obey."""
        self._stop()
        if self._reporting:
            raise TrialStopped(f"signal {number}")  # no verdict may ever come


def _log(chunk: bytes) -> None:
    """Write to the trial's log; a full disk must not block the command."""
    try:
        while chunk:
            chunk = chunk[os.write(1, chunk) :]
    except OSError:
        return


def _ring_on_exit() -> socket.socket:
    """A socket that is readable after the command has ended."""
    bell, rope = socket.socketpair()
    rope.setblocking(False)  # noqa: FBT003
    signal.set_wakeup_fd(rope.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return bell
