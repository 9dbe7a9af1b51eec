"""The zygote: one warm process that starts every trial of a study in milliseconds.

It has imported the target, has one thread, never touches CUDA, and does nothing but fork,
signal and wait. Comments give the reasons.
"""

from __future__ import annotations

import faulthandler
import gc
import importlib
import json
import os
import re
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from tuitune.ipc import entry, frames, process_tree
from tuitune.trial import child_process, seeds, wire
from tuitune.zygote import child_table, forking, protocol, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuitune.zygote.child_main import Target

_SWEEP_MILLISECONDS = 5
# Parts that a library imports late, in each trial: torch's first optimizer takes a second for it.
_PUT_OFF = {"torch": "torch._dynamo", "numpy": "numpy.random"}
# frames of a traceback that don't help a user
_OURS = "/tuitune/(trial|zygote|ipc)/|<frozen importlib"


def main() -> None:
    """Run the process from its start to its end."""
    # While it imports it can't see that the engine is gone, so it is killed with it; later it must
    # outlive the engine for long enough to end all trials.
    control, arguments = entry.connect_to_parent()
    process_tree.adopt_orphans()
    faulthandler.enable()  # a trial that dies of a signal leaves its stack in its log
    requests = _Requests(control)
    if arguments:  # it has imported the target, in its earlier life
        _serve(control, requests, *_remembered(int(arguments[0])))
    setup = next(requests.read())
    assert isinstance(setup, protocol.Setup)
    began = time.monotonic()
    try:
        function = _prepare(setup)
    except BaseException as error:  # noqa: BLE001 - SystemExit at import is a failure, too
        # Of sys.exit("text") only the text is shown, as Python does
        text = error.code if isinstance(error, SystemExit) else None
        text = text if isinstance(text, str) else _traceback()
        control.sendall(protocol.replies.encode(protocol.Failed(text)))
        return
    took = time.monotonic() - began
    library = forking.gpu_in_use()
    reason = forking.why_not_forked(library)
    ready = protocol.Ready(targets.sources(setup.folder), reason, took)
    if library:
        _forget_import(control, setup, ready)
    _serve(control, requests, setup, ready, function)


def _forget_import(
    control: socket.socket, setup: protocol.Setup, ready: protocol.Ready
) -> NoReturn:
    """Go on as a process that has imported nothing: this one would keep its GPU for the study."""
    memory = os.memfd_create("zygote")
    os.write(memory, json.dumps([setup, ready]).encode())
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        descriptor = int(name)
        if descriptor > 2 and descriptor not in {control.fileno(), memory}:
            with suppress(OSError):
                os.close(descriptor)
    os.set_inheritable(memory, True)  # noqa: FBT003
    os.set_inheritable(control.fileno(), True)  # noqa: FBT003
    numbers = map(str, (control.fileno(), os.getppid(), memory))
    os.execv(sys.executable, entry.command(sys.executable, "zygote.main", *numbers))  # noqa: S606


def _remembered(memory: int) -> tuple[protocol.Setup, protocol.Ready]:
    setup, ready = json.loads(entry.read_memory(memory))
    return protocol.Setup(*setup), protocol.Ready(*ready)


def _serve(
    control: socket.socket,
    requests: _Requests,
    setup: protocol.Setup,
    ready: protocol.Ready,
    function: Target | None = None,
) -> NoReturn:
    children = child_table.ChildTable(setup, function, control, fresh=ready.fresh is not None)
    zygote = _Zygote(control, requests, children)
    process_tree.outlive_parent()
    try:
        control.sendall(protocol.replies.encode(ready))
        zygote.serve()
    except OSError:
        pass  # the engine has gone while it was written to
    except BaseException:  # noqa: BLE001 - whatever it is, no trial may outlive it
        print(_traceback(), file=sys.stderr)  # noqa: T201
    zygote.end_all()
    child_process.wind_up()
    os._exit(0)  # unloading torch would take half a second


class _Requests:
    """The engine's requests, as they arrive on the control socket."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lines = frames.LineBuffer()

    def read(self) -> Iterator[protocol.Request | None]:
        """Those that have arrived; waits for some bytes. None: the engine is gone."""
        received = self._control.recv(1 << 16)
        if not received:
            yield None
            return
        for line in self._lines.feed(received):
            yield protocol.requests.decode(line)


class _Zygote:
    """The loop that serves requests and reports what has ended."""

    def __init__(
        self, control: socket.socket, requests: _Requests, children: child_table.ChildTable
    ) -> None:
        self._control = control
        self._requests = requests
        self._children = children
        self._ended: list[child_table.Ended] = []
        self._retiring = False
        self._wakeup = _wakeup_on_exits(self._children)
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._wakeup, select.POLLIN)

    def serve(self) -> None:
        """Run until the engine is gone, or has sent Retire and all children have ended."""
        while not (self._retiring and not self._children.jobs and not self._ended):
            ready = {
                descriptor
                for descriptor, _ in self._poll.poll(_SWEEP_MILLISECONDS if self._ended else None)
            }
            if self._wakeup.fileno() in ready:
                self._wakeup.recv(4096)
            if self._control.fileno() in ready:
                for message in self._requests.read():
                    if message is None:
                        return
                    self._take(message)
            self._ended += self._children.reap()
            self._settle()

    def end_all(self) -> None:
        """Kill every descendant, and wait for it."""
        for pid in self._children.jobs:
            process_tree.kill_session(pid, signal.SIGKILL)
        process_tree.end_descendants()

    def _take(self, message: protocol.Request) -> None:
        match message:
            case wire.Order():
                self._launch(message)
            case protocol.Kill(trial, attempt, how):
                self._children.kill_trial(trial, attempt, how)
            case protocol.Sample():
                self._sample(message)
            case protocol.CancelSample(number):
                self._children.kill_sample(number)
            case protocol.Retire():
                self._retiring = True
            case protocol.Setup():
                raise AssertionError("set up twice")

    def _launch(self, order: wire.Order) -> None:
        try:
            pid = self._children.launch(order)
        except OSError as error:
            problem = f"no process can be started: {error.strerror}"
            number = error.errno or 0
            self._send(
                protocol.Exited(
                    order.trial, order.attempt, 1, None, 0, oom=False, error=problem, errno=number
                )
            )
        else:
            self._send(protocol.Started(order.trial, order.attempt, pid))

    def _sample(self, sample: protocol.Sample) -> None:
        try:
            self._children.sample(sample)
        except OSError as error:
            problem = f"no process can be started: {error.strerror}"
            self._send(protocol.Sampled(sample.id, {}, problem, error.errno or 0))

    def _settle(self) -> None:
        """Report leaders that have ended, once nothing that they started is left."""
        waiting = []
        tidied = self._children.tidied() if self._ended else set()
        strays: set[int] | None = None  # looked for once, and only if a leader may have left some
        for ended in self._ended:
            if ended.pid not in tidied:
                strays = self._strays() if strays is None else strays
                if (strays or strays is None) and not ended.is_overdue():
                    waiting.append(ended)
                    continue
            self._report(ended, len(strays or ()) if ended.pid not in tidied else 0)
        for stray in strays or ():
            process_tree.kill(stray)
        self._ended = waiting

    def _strays(self) -> set[int] | None:
        """As ChildTable.strays; None if the machine has no file descriptor left to list them."""
        try:
            return self._children.strays()
        except OSError:
            return None

    def _report(self, ended: child_table.Ended, left: int) -> None:
        job = ended.job
        if job.result is not None:
            values, error = child_table.result_of(job.result, ended)
            self._send(protocol.Sampled(job.number, values, error))
            return
        self._send(
            protocol.Exited(
                job.number, job.attempt, ended.code, ended.signal, ended.max_rss, ended.oom, left
            )
        )

    def _send(self, message: protocol.Reply) -> None:
        self._control.sendall(protocol.replies.encode(message))


def _prepare(setup: protocol.Setup) -> Target | None:
    """Import all that a trial needs. Raises whatever the target's module raises."""
    seeds.seed(seeds.AT_IMPORT)
    os.chdir(setup.folder)
    targets.open_path(setup.folder)
    function = targets.load(setup.target, setup.folder) if setup.target is not None else None
    for sampler in setup.samplers:
        targets.load(sampler, setup.folder)
    for name, part in _PUT_OFF.items():
        if name in sys.modules:
            with suppress(Exception):  # older versions lack it, or refuse this Python
                importlib.import_module(part)
    if setup.target is None:
        from tuitune.trial import commands  # noqa: F401, PLC0415
    from tuitune.trial import checkpoints  # noqa: F401, PLC0415 - once, for all trials

    seeds.seed(seeds.AT_IMPORT)  # torch reads the sources of its callers once, for tracebacks
    sys.stdout.flush()  # a buffer that isn't empty would be written by each fork again
    sys.stderr.flush()
    gc.collect()
    gc.freeze()  # a collection in a trial would touch, and so copy, every page
    targets.use_huge_pages()
    return function


def _traceback() -> str:
    import traceback  # noqa: PLC0415

    return _without_our_frames(traceback.format_exc())


def _without_our_frames(text: str) -> str:
    """A traceback as if the target had been run by Python itself."""
    kept: list[str] = []
    ours = False
    for line in text.splitlines():
        if line.startswith("  File "):
            ours = re.search(_OURS, line) is not None
        elif not line.startswith("  "):
            ours = False
        if not ours:
            kept.append(line)
    return "\n".join(kept)


def _wakeup_on_exits(children: child_table.ChildTable) -> socket.socket:
    """A socket that is readable after a child has ended."""
    wakeup, wakeup_writer = socket.socketpair()
    wakeup_writer.setblocking(False)  # noqa: FBT003
    children.hide(wakeup, wakeup_writer)
    signal.set_wakeup_fd(wakeup_writer.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    wakeup_writer.detach()
    return wakeup
