"""How a module of this package runs as a process of its own: command line and first steps."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

from tuitune.ipc import process_tree

# the environment variables that set how many threads numerical libraries start
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
ROOT = str(Path(__file__).resolve().parents[2])  # the folder that holds this package


def command(python: str, module: str, *arguments: str) -> list[str]:
    """The argv that runs `main` of tuitune.`module`, also in another Python that lacks tuitune.

    Not `-m`: it would put the current folder first, and a user's random.py before Python's, as
    does `-c` without -P, which Python 3.10 doesn't have.
    """
    code = (  # nothing that is imported is garbage: cycles are looked for only later
        f"import gc, sys; gc.disable(); sys.path[0] or sys.path.pop(0); "
        f"sys.path.insert(0, {ROOT!r}); from tuitune.{module} import main; "
        f"sys.path.remove({ROOT!r}); gc.enable(); main()"
    )
    safely = ["-P"] if python == sys.executable and sys.version_info >= (3, 11) else []
    return [python, *safely, "-c", code, *arguments]


def connect_to_parent() -> tuple[socket.socket, list[str]]:
    """In a process that `child.Child` has started: the socket to its parent, its own arguments.

    The process is killed when its parent ends, until it calls `process_tree.outlive_parent`. It and
    all that it starts ignore SIGUSR1: SLURM may send it to all processes of a job, and the engine
    alone is to save and leave.
    """
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    descriptor, parent, *arguments = sys.argv[1:]
    process_tree.die_with_parent(int(parent))
    return socket.socket(fileno=int(descriptor)), arguments


def read_memory(descriptor: int) -> bytes:
    """All that an inherited file in memory holds, which is closed."""
    content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    os.close(descriptor)
    return content
