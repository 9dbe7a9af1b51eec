"""Processes and their children, as Linux lists them, and ways to end them all."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

AGENT = "TUITUNE_AGENT"  # the variable by which an agent's processes are known on its node
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
SWEEP_SECONDS = 10.0  # a process in uninterruptible sleep can't be waited for much longer
STEP_SECONDS = 0.005

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def die_with_parent(parent: int) -> None:
    """Be killed when the thread that forked us ends; `parent` is the pid that it has.

    Without a parent from the start (it died before the call) the process ends at once.
    """
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def outlive_parent() -> None:
    """Undo `die_with_parent`."""
    _prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> set[int]:
    """Direct children, zombies included."""
    try:
        tasks = _names(f"/proc/{pid}/task")
        texts = [_read(f"/proc/{pid}/task/{task}/children") for task in tasks]
    except FileNotFoundError:  # a kernel without that file, or a process that is gone
        return {child for child in processes() if _parent(child) == pid}
    return {int(child) for text in texts for child in text.split()}


def processes() -> list[int]:
    """The ids of all processes that can be seen."""
    return [int(name) for name in _names("/proc") if name.isdigit()]


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal one process; one that is gone is not an error."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def kill_session(leader: int, number: int) -> bool:
    """Signal the process group that a session leader made; False if there is none."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def foreign_children(known: Collection[int]) -> set[int]:
    """Children of this process in another session than its own, except those known.

    What a process starts shares its session, unless it is given one of its own; the others are
    orphans that it has adopted.
    """
    own = os.getsid(0)
    found = children(os.getpid()).difference(known)
    return {pid for pid in found if _session(pid) not in (own, None)}


def end_child(pid: int) -> None:
    """Kill a child, and wait for it if it has ended."""
    kill(pid)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def is_childless() -> bool:
    """Whether no child is left, not even a zombie."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def end_descendants() -> bool:
    """Kill and wait for all that descend from this process, which must adopt orphans.

    False if some are left after SWEEP_SECONDS.
    """
    deadline = time.monotonic() + SWEEP_SECONDS
    while not is_childless():
        for child in children(os.getpid()):
            kill(child)
        _reap()
        if time.monotonic() > deadline:
            return is_childless()
        if not is_childless():
            time.sleep(STEP_SECONDS)
    return True


def _reap() -> None:
    """Wait for every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def tagged(value: str, variable: str = "TUITUNE_STUDY") -> set[int]:
    """This user's living processes that were started with `variable` set to `value`."""
    wanted = f"{variable}={value}".encode()
    return {pid for pid in processes() if pid != os.getpid() and _has_entry(pid, wanted)}


def sweep(value: str, variable: str = "TUITUNE_STUDY") -> bool:
    """Kill every process that carries the tag and wait until they are gone; never ourselves.

    False if some are left after SWEEP_SECONDS.
    """
    deadline = time.monotonic() + SWEEP_SECONDS
    while found := tagged(value, variable):
        for pid in found:
            kill(pid)
        if time.monotonic() > deadline:
            return False
        time.sleep(STEP_SECONDS)
    return True


def _has_entry(pid: int, wanted: bytes) -> bool:
    folder = f"/proc/{pid}"
    try:
        if os.stat(folder).st_uid != os.getuid():  # noqa: PTH116
            return False
        # A process that has ended has no environment left to read: it can't match.
        return wanted in _read(f"{folder}/environ").split(b"\0")
    except OSError:
        return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _parent(pid: int) -> int | None:
    try:
        text = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    return int(text[text.rindex(b")") + 2 :].split(None, 2)[1])  # a name may hold spaces and ")"


def _names(path: str) -> list[str]:
    return os.listdir(path)  # noqa: PTH208 - a Path for each process would double the cost


def _read(path: str) -> bytes:
    return Path(path).read_bytes()
