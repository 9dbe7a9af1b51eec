"""Studies on machines with GPUs that are words, and what their trials do there.

The machine is a text file: NVIDIA's own binding reads it through the tests' library. A trial takes
memory by writing itself into that file, and gives it back when its process is gone.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workshop import Workshop, wait_until

HOLD = """
import json, os, time
from pathlib import Path

WORLD = os.environ["NVML_WORLD"]

def gpus():
    uuids = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
    return [int(uuid.rpartition("-")[2]) for uuid in uuids]

def hold(memory=2000, live=1):
    line = "".join(f"process gpu={g} pid={os.getpid()} memory={memory} live={live}\\n" for g in gpus())
    descriptor = os.open(WORLD + ".live", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line.encode())
    os.close(descriptor)

def note(trial, **more):
    record = {"trial": trial.number, "attempt": trial.attempt, "gpus": gpus(), **more}
    with open("notes.txt", "a") as file:
        file.write(json.dumps(record) + "\\n")

def until(name):
    while not Path(name).exists():
        time.sleep(0.01)
"""
SIMPLE = """
def train(trial):
    hold()
    start = time.monotonic()
    time.sleep(0.3)
    note(trial, start=start, end=time.monotonic(), order=os.environ["CUDA_DEVICE_ORDER"])
    trial.report(loss=1.0)
"""
WAITING = """
def train(trial):
    note(trial)
    until("go")
    trial.report(loss=1.0)
"""


def study(shop: Workshop, code: str, more: str = "", **options: Any) -> Path:
    return shop.study(HOLD + code, more, **options)


def notes(shop: Workshop) -> list[dict[str, Any]]:
    file = shop.path / "notes.txt"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def at_once(found: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of notes of trials that ran at the same time."""
    for place, one in enumerate(found):
        for other in found[place + 1 :]:
            if one["start"] < other["end"] and other["start"] < one["end"]:
                yield one, other


def until_said(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    seen: list[str] = []

    def said() -> bool:
        seen.append(process.stdout.readline())
        assert seen[-1], "".join(seen)
        return words in seen[-1]

    wait_until(said, words)
