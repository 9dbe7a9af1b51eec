"""Trials that are parked by a driver that is the tests' library: code, and what is seen of them."""

from __future__ import annotations

import os
import subprocess
import sys

from nvml_world import World
from workshop import Workshop

from tuitune.store.reader import Reader
from tuitune.store.rows import TrialRow

PARKED = """
def train(trial):
    hold({memory})
    step = int(trial.resume_path.name) if trial.resume_path else 0
    note(trial, pid=os.getpid(), start=step)
    while not Path(f"go-{{trial.number}}").exists():
        step += 1
        trial.report(step=step, loss=1.0{save})
        time.sleep(0.02)
    note(trial, pid=os.getpid(), last=step)
    trial.report(step=step + 1, loss=1.0)
"""


def row(shop: Workshop, number: int = 0) -> TrialRow:
    """Without a process of its own, since tests ask again and again."""
    reader = Reader.open(shop.folder() / "study.db")
    try:
        return next(row for row in reader.trials() if row.number == number)
    finally:
        reader.close()


def is_parked(shop: Workshop, number: int = 0) -> bool:
    found = row(shop, number)
    return found.is_parked and "holds no slot" in found.note


def let(shop: Workshop, *numbers: int) -> None:
    for number in numbers:
        (shop.path / f"go-{number}").touch()


def listed(world: World, pid: int) -> bool:
    """Whether the driver lists a process on a GPU."""
    code = (
        "import sys, pynvml; pynvml.nvmlInit()\n"
        "handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))\n"
        "print([p.pid for h in handles for p in pynvml.nvmlDeviceGetComputeRunningProcesses(h)])"
    )
    environment = {**os.environ, **world.environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=-1)
    return str(pid) in done.stdout.decode()
