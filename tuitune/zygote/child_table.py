"""The processes that a zygote has started, and how they ended."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tuitune.ipc import entry, process_tree
from tuitune.trial import child_process, wire
from tuitune.zygote import child_main

if TYPE_CHECKING:
    import socket

    from tuitune.zygote.protocol import Sample, Setup


class _Job(NamedTuple):
    """What a process was started for."""

    number: int  # the trial's, or the sample's
    attempt: int
    result: int | None  # the open file that a sample is written into


class Ended(NamedTuple):
    """How a process has ended. Times in seconds of the monotonic clock, sizes in bytes."""

    pid: int
    job: _Job
    code: int | None
    signal: int | None
    max_rss: int
    oom: bool
    at: float

    def is_overdue(self) -> bool:
        """Whether the wait for processes that it left behind has timed out."""
        return time.monotonic() - self.at > process_tree.SWEEP_SECONDS


class ChildTable:
    """Starts trials and samplers, each the leader of a session, and reaps whatever ends."""

    def __init__(
        self,
        setup: Setup,
        function: child_main.Target | None,
        control: socket.socket,
        *,
        fresh: bool,
    ) -> None:
        self._setup = setup
        self._function = function
        self._fresh = fresh
        self._pid = os.getpid()
        self._tidied: set[int] = set()
        self._tidy_read, self._tidy_write = os.pipe()
        os.set_blocking(self._tidy_read, False)
        self._hidden: list[int] = [control.fileno(), self._tidy_read]
        self._killed: set[int] = set()
        self._oom_kills = _oom_kills()
        self._before = process_tree.children(self._pid)  # what the target's import has started
        self.jobs: dict[int, _Job] = {}  # by pid

    def hide(self, *sockets: socket.socket) -> None:
        """Close these in every child."""
        self._hidden += [hidden.fileno() for hidden in sockets]

    def launch(self, order: wire.Order) -> int:
        """Start a trial; its pid. Raises OSError if no process can be started."""
        if self._fresh:
            pid = self._spawn("trial", wire.encode_order(order), None)
        else:
            pid = os.fork()
            if pid == 0:
                self._close()
                child_main.run_trial(order, self._function, self._pid, self._tidy_write)
        self.jobs[pid] = _Job(order.trial, order.attempt, None)
        return pid

    def sample(self, sample: Sample) -> None:
        """Start a sampler. Raises OSError if no process can be started."""
        place = os.memfd_create("sample")
        try:
            pid = self._begin_sample(sample, place)
        except OSError:
            os.close(place)
            raise
        self.jobs[pid] = _Job(sample.id, 0, place)

    def _begin_sample(self, sample: Sample, place: int) -> int:
        if self._fresh:
            return self._spawn("sample", json.dumps(sample._asdict()), place)
        pid = os.fork()
        if pid == 0:
            self._close()
            child_main.run_samplers(sample, self._setup.folder, self._pid, place)
            child_process.leave(0, self._tidy_write)
        return pid

    def kill_trial(self, trial: int, attempt: int, how: str) -> None:
        """Signal an attempt, unless it has ended; `how`: "kill" or "term"."""
        for pid, job in self.jobs.items():
            if job.result is None and (job.number, job.attempt) == (trial, attempt):
                self._signal(pid, signal.SIGKILL if how == "kill" else signal.SIGTERM)

    def kill_sample(self, number: int) -> None:
        """Kill a samplers' process, unless it has ended."""
        for pid, job in self.jobs.items():
            if job.result is not None and job.number == number:
                self._signal(pid, signal.SIGKILL)

    def reap(self) -> list[Ended]:
        """Reap all children that have ended. Returns the leaders among them."""
        ended: list[Ended] = []
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            job = self.jobs.pop(pid, None)
            if job is not None:
                ended.append(self._ended(pid, job, status, usage.ru_maxrss * 1024))

    def tidied(self) -> set[int]:
        """The leaders that have ended and have reported that they left no process behind."""
        try:
            text = os.read(self._tidy_read, 1 << 16)
        except BlockingIOError:
            text = b""
        self._tidied.update(int(pid) for pid in text.split())
        ended = self._tidied - self.jobs.keys()
        self._tidied -= ended
        return ended

    def strays(self) -> set[int]:
        """Children that the zygote has not started: orphans of a trial that ended."""
        return process_tree.children(self._pid) - self.jobs.keys() - self._before

    def _ended(self, pid: int, job: _Job, status: int, max_rss: int) -> Ended:
        code = os.waitstatus_to_exitcode(status)
        oom = code == -signal.SIGKILL and pid not in self._killed and self._was_oom()
        self._killed.discard(pid)
        number = -code if code < 0 else None
        return Ended(pid, job, None if number else code, number, max_rss, oom, time.monotonic())

    def _was_oom(self) -> bool:
        """Whether the kernel's OOM killer has ended a process since the last call."""
        before, self._oom_kills = self._oom_kills, _oom_kills()
        return self._oom_kills > before

    def _signal(self, pid: int, number: int) -> None:
        if number == signal.SIGKILL:
            self._killed.add(pid)
        if not process_tree.kill_session(pid, number):
            process_tree.kill(pid, number)  # it has not made its session yet

    def _close(self) -> None:
        """In a child: close the zygote's descriptors, as the engine waits for its socket's end."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        child_process.disown_exit_handlers()
        for descriptor in self._hidden:
            os.close(descriptor)
        for job in self.jobs.values():
            if job.result is not None:
                os.close(job.result)

    def _spawn(self, kind: str, text: str, result: int | None) -> int:
        """Start a fresh interpreter: this process is not fit to be forked."""
        order = os.memfd_create("order")
        os.pwrite(order, text.encode(), 0)
        inherited = [order, self._tidy_write, *(() if result is None else (result,))]
        numbers = [str(number) for number in (*inherited, self._pid)]
        argv = entry.command(
            sys.executable,
            "zygote.child_main",
            kind,
            self._setup.folder,
            self._setup.target or "",
            *numbers,
        )
        for descriptor in inherited:
            os.set_inheritable(descriptor, True)  # noqa: FBT003
        try:
            return os.posix_spawn(sys.executable, argv, os.environ)
        finally:
            for descriptor in inherited:
                os.set_inheritable(descriptor, False)  # noqa: FBT003
            os.close(order)


def result_of(place: int, ended: Ended) -> tuple[dict[str, Any], str | None]:
    """The values that a sampler has written into its file, or why there are none."""
    text = entry.read_memory(place)
    if ended.code == 0 and text:
        answer = json.loads(text)
        return answer["values"], answer["error"]
    how = f"signal {ended.signal}" if ended.signal else f"exit status {ended.code}"
    return {}, f"the sampler's process ended by {how}"


def _oom_kills() -> int:
    try:
        for line in Path("/proc/vmstat").read_bytes().splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    except OSError:
        return 0
    return 0
