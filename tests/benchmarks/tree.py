"""CPU, wall time and memory of a command with all its descendants, on one core."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

MEASURED = Path(__file__).parent / "measured"  # the programs that are measured
PATIENCE = 300.0  # s
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """Times in seconds. `cpu`: of the command and its descendants that have ended."""

    began: float  # Unix time
    wall: float
    cpu: float
    marks: tuple[Mapping[str, Any], ...]  # written by the trials, sorted by time

    def of(self, event: str) -> list[Mapping[str, Any]]:
        return [mark for mark in self.marks if mark["event"] == event]


def run(
    command: Sequence[str],
    folder: Path,
    core: int,
    variables: Mapping[str, str] | None = None,
    watch: Callable[[int, Path], None] | None = None,
) -> Cost:
    """Run a command pinned to a core; `watch(pid, marks)` may look at it while it lives.

    Raises RuntimeError with the end of the command's output if it fails or does not end.
    """
    marks, log = folder / "marks.jsonl", folder / "log"
    environment = os.environ | {
        "BENCH_MARKS": str(marks),
        "OMP_NUM_THREADS": "1",
        "XDG_STATE_HOME": str(folder / "state"),
        **(variables or {}),
    }
    with log.open("wb") as output:
        began = time.time()
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if watch is not None:
            watch(process.pid, marks)
        status, cpu = _wait(process)
    wall = time.time() - began
    if status != 0:
        raise RuntimeError(f"{command} ended with {status}:\n{log.read_text()[-2000:]}")
    return Cost(began, wall, cpu, read_marks(marks))


def read_marks(path: Path) -> tuple[Mapping[str, Any], ...]:
    lines = path.read_text().splitlines() if path.exists() else []
    return tuple(sorted(map(json.loads, lines), key=lambda mark: mark["time"]))


def family(pid: int) -> set[int]:
    """The process and all its live descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = _read(entry / "stat").rpartition(")")[2].split()
            parents[int(entry.name)] = int(stat[1]) if stat else 0
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def memory(pid: int) -> tuple[float, float]:
    """(PSS, private) of one process in megabytes; shared pages are split among their holders."""
    sizes = {}
    for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines()[1:]:
        name, size = line.split()[:2]
        sizes[name] = int(size) * 1024 / MEGABYTE
    private = sizes.get("Private_Clean:", 0.0) + sizes.get("Private_Dirty:", 0.0)
    return sizes.get("Pss:", 0.0), private


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the process has just ended
        return ""


def _wait(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """(exit status, CPU seconds): `wait4` tells of this one command, not of earlier ones."""
    deadline = time.monotonic() + PATIENCE
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime
        if time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.002)
