"""Importance of the parameters of a study, computed in a process that reads the study and ends."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tuitune.core.search.importance import Importance, importance_of
from tuitune.ipc import entry, process_tree
from tuitune.store.folder import DATABASE, DOCUMENT
from tuitune.store.reader import Reader
from tuitune.studyfile import load

_NICE = 10  # trials have priority


def read_answer(text: bytes) -> Importance:
    """What the process has written to its stdout. Raises MsgspecError."""
    return msgspec.json.decode(text, type=Importance)


def command(folder: Path) -> list[str]:
    """The argv of the process; it ends with the thread that starts it."""
    module = "model_process.importance"
    return entry.command(sys.executable, module, str(folder), str(os.getpid()))


def environment() -> Mapping[str, str]:
    """One thread for numpy: the matrices are small."""
    return {**os.environ, **dict.fromkeys(entry.THREADS, "1")}


def compute(folder: Path, finished: int) -> Importance:
    """Compute it now, which takes about half a second.

    After a failure only `why` of it is set, and `finished`, the number of finished trials.
    """
    try:
        done = subprocess.run(
            command(folder),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(),
            start_new_session=True,
        )
    except OSError as error:
        return Importance(finished, why=f"can't be computed: {error}")
    if done.returncode == 0:
        return read_answer(done.stdout)
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    problem = lines[-1] if lines else f"exit status {done.returncode}"
    return Importance(finished, why=f"can't be computed: {problem}")


def main() -> None:
    """Run the process; arguments: a study's folder, and the id of the process that waits."""
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    process_tree.die_with_parent(parent)
    os.nice(_NICE)
    spec = load(folder / DOCUMENT, check_target=False)
    reader = Reader.open(folder / DATABASE)
    sys.stdout.buffer.write(msgspec.json.encode(importance_of(spec, reader.trials())))
