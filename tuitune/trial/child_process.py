"""A trial's own process, from its start to its end."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import weakref
from typing import TYPE_CHECKING, NoReturn

from tuitune.ipc import process_tree
from tuitune.trial import current, link, seeds, wire
from tuitune.trial.api import Trial
from tuitune.trial.channel import SocketChannel

if TYPE_CHECKING:
    from collections.abc import Callable


_disowned: list[object] = []  # kept: freeing memory that a fork shares would copy it first


def enter(order: wire.Order, parent: int) -> tuple[Trial, SocketChannel]:
    """Make this process a trial: session, log, seeds, threads, the connection to the engine."""
    lead_session(parent)
    signal.signal(signal.SIGTERM, _end)
    os.register_at_fork(after_in_child=_die_of_sigterm)
    problem = _open_log(order.folder)
    os.environ.update(order.env)
    os.chdir(order.cwd)
    seeds.seed(order.seed)
    _set_threads(order.threads)
    channel = SocketChannel(order)
    if problem is not None:
        channel.send(wire.encode(wire.Warn(problem)))
    trial = Trial(order, channel)
    current.activate(trial)
    return trial, channel


def lead_session(parent: int) -> None:
    """Start a session, adopt orphaned descendants, and die with the parent."""
    os.setsid()
    process_tree.die_with_parent(parent)
    process_tree.adopt_orphans()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _prefer_for_oom()


def call(trial: Trial, channel: SocketChannel, function: Callable[[Trial], object]) -> int:
    """Run a target. Returns the exit status; what it raises goes to the log and into Done."""
    code, error, stopped = 0, "", False
    leader = os.getpid()
    try:
        trial.returned(function(trial))
    except link.TrialStopped as end:
        stopped = end.reason != "complete"
    except SystemExit as end:
        code, error = _status(end)
    except BaseException as raised:  # noqa: BLE001 - this is where the trial's errors end up
        code, error = 1, wire.one_line(raised)
        print_traceback(raised)
    if os.getpid() != leader:
        os._exit(code)  # a child that the target forked has returned, too: it sends no Done
    tell_done(channel, error, stopped=stopped)
    return code


def tell_done(channel: SocketChannel, error: str, *, stopped: bool = False) -> None:
    """Send Done, if the engine is still there."""
    try:
        channel.send_last(wire.encode(wire.Done(error, stopped)))
    except OSError:
        return


def leave(code: int, tidy: int) -> NoReturn:
    """End all descendants, then this process as Python would; a negative `code`: by that signal.

    `tidy`: the pipe that gets this process's id if no descendant is left.
    """
    try:
        wind_up()
        if process_tree.is_childless() or process_tree.end_descendants():
            os.write(tidy, b"%d\n" % os.getpid())
    finally:
        if code < 0:
            _die_of(-code)
        os._exit(code)


def _set_threads(count: int) -> None:
    """Set torch's thread count; other libraries have read theirs from the environment."""
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(max(1, count))


def disown_exit_handlers() -> None:
    """In a forked child: drop the parent's exit handlers.

    Otherwise each child would remove temporary folders that all use; torch's handlers take 30 ms.
    """
    atexit._clear()  # noqa: SLF001
    _disowned.append(weakref.finalize._registry)  # type: ignore[attr-defined]  # noqa: SLF001
    weakref.finalize._registry = {}  # type: ignore[attr-defined]  # noqa: SLF001
    weakref.finalize._registered_with_atexit = False  # type: ignore[attr-defined]  # noqa: SLF001


def wind_up() -> None:
    """Do what os._exit leaves out: join threads, run exit handlers, flush buffers."""
    steps = [threading._shutdown, atexit._run_exitfuncs]  # type: ignore[attr-defined]  # noqa: SLF001
    if (workers := sys.modules.get("multiprocessing.util")) is not None:
        steps.append(workers._exit_function)  # noqa: SLF001
    if (logging := sys.modules.get("logging")) is not None:
        steps.append(logging.shutdown)
    for step in (*steps, sys.stdout.flush, sys.stderr.flush):
        try:
            step()
        except SystemExit:  # a SIGTERM that came too late to matter
            continue
        except Exception as error:  # noqa: BLE001 - the other steps are still to be done
            print_traceback(error)


def _prefer_for_oom() -> None:
    """When memory runs out, the kernel is to kill a trial rather than the engine."""
    try:
        place = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        os.write(place, b"500")
        os.close(place)
    except OSError:
        return


def _open_log(folder: str) -> str | None:
    """Send stdout and stderr to the trial's log. Returns a message if it can't be opened."""
    path, problem = f"{folder}/output.log", None
    try:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a Path would cost more than the call
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    except OSError as error:
        problem = f"what it prints is lost: {path}: {error.strerror}"
        log = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    return problem


def _end(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


def _die_of_sigterm() -> None:
    """SIGTERM ends a trial's forked children, such as data loaders' workers, at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _status(end: SystemExit) -> tuple[int, str]:
    if end.code is None:
        return 0, ""
    if isinstance(end.code, int):
        return end.code & 0xFF, ""
    print(end.code, file=sys.stderr)  # noqa: T201 - as Python does
    return 1, wire.sendable(str(end.code), wire.LONGEST_ERROR)


def print_traceback(error: BaseException) -> None:
    """Print it to stderr without tuitune's own frame, which is the first."""
    import traceback  # noqa: PLC0415 - only a trial that fails pays for it

    frames = error.__traceback__
    traceback.print_exception(type(error), error, frames and frames.tb_next)


def _die_of(number: int) -> None:
    import resource  # noqa: PLC0415 - only a command that dies of a signal pays for it

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # only the command itself is to dump core
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
    os.kill(os.getpid(), number)
