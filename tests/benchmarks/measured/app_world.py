"""A study of 10,000 stored trials with 16 that run, and an engine's place held by a feeder.

BENCH_NODES: nodes of DEVICES GPUs each, in place of one machine.

build FOLDER            writes the study
feed FOLDER RATE [N]    holds it and stores RATE reports a second of N running trials, until killed
"""

from __future__ import annotations

import math
import os
import random
import sys
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.core import events as ev
from tuitune.core.placement.snapshots import DeviceSample
from tuitune.engine.monitors import nodes_period
from tuitune.store.journal import Journal
from tuitune.store.owner import claim
from tuitune.store.rows import EngineRow, StudyRow, TrialRow

if TYPE_CHECKING:
    from collections.abc import Sequence

TRIALS, REPORTS, RUNNING, DEVICES = 10_000, 20, 16, 8
NODES = int(os.environ.get("BENCH_NODES", "0"))
STUDY = """\
[objective]
metric = "val_loss"
mode = "min"
[trial]
command = ["python", "train.py"]
[space]
lr = { low = 1e-4, high = 1e-1, log = true }
weight_decay = { low = 1e-6, high = 1e-2, log = true }
dropout = { low = 0.0, high = 0.5, type = "float" }
layers = { low = 1, high = 6 }
width = { low = 16, high = 512, powers_of = 2 }
batch_size = [16, 32, 64, 128]
optimizer = ["sgd", "adamw", "lion"]
augment = ["none", "flip", "randaug"]
momentum = { low = 0.5, high = 0.99, type = "float" }
warmup = { low = 0, high = 10 }
[search]
method = "random"
trials = 20000
[pruning]
method = "asha"
max = 200
"""
SETTINGS = ev.Settings(20_000, 16, 1.0, None, 0, None, None, None)


def configuration(draw: random.Random) -> dict[str, object]:
    return {
        "lr": 10 ** draw.uniform(-4, -1),
        "weight_decay": 10 ** draw.uniform(-6, -2),
        "dropout": draw.uniform(0, 0.5),
        "layers": draw.randint(1, 6),
        "width": 2 ** draw.randint(4, 9),
        "batch_size": draw.choice([16, 32, 64, 128]),
        "optimizer": draw.choice(["sgd", "adamw", "lion"]),
        "augment": draw.choice(["none", "flip", "randaug"]),
        "momentum": draw.uniform(0.5, 0.99),
        "warmup": draw.randint(0, 10),
    }


def loss(trial: int, step: int) -> float:
    rough = 0.02 * math.sin(trial * 7 + step * 3)
    return 0.07 + (trial * 7919 % 1000) / 2000 + 2.0 / (step + 2) + rough


def study_row(now: float) -> StudyRow:
    return StudyRow(
        settings=SETTINGS,
        launching=True,
        disk_low=False,
        halted="",
        finishing=False,
        finished=False,
        complete=False,
        style="promote",
        exhausted="",
        by_hand=0,
        cpus=16.0,
        memory=64 << 30,
        opened=now,
        elapsed=0.0,
        rungs=((1, 3, 9, 27, 81),),
    )


def row(trial: int, state: str, config: dict[str, object], now: float, step: int) -> TrialRow:
    running = state == "RUNNING"
    return TrialRow(
        trial,
        state,
        config,
        "random",
        "drawn at random",
        loss(trial, step),
        step,
        1,
        now - 600,
        None if running else now - 300,
        device="cpu",
        best=loss(trial, step),
        rung=2,
        pid=1000 + trial if running else None,
        launched=now - 600,
    )


def build(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text(STUDY)
    (folder / "trials").mkdir()
    journal, draw, now = (
        Journal.open(folder / "study.db", "val_loss"),
        random.Random(0),
        time.time(),
    )
    journal.put("source", str(folder / "study.toml"))
    for first in range(0, TRIALS, 500):
        facts: list[ev.AnyFact] = []
        rows = []
        for trial in range(first, min(first + 500, TRIALS)):
            config = configuration(draw)
            facts.append(ev.Proposed(now, trial, config, "random", "drawn at random"))
            facts.append(ev.Launch(now, trial, 0, "cpu", 1.0, 0))
            facts += [
                ev.Reported(now, trial, 0, step, {"val_loss": loss(trial, step)})
                for step in range(1, REPORTS + 1)
            ]
            state = (
                "RUNNING" if trial >= TRIALS - RUNNING else ("COMPLETE", "PRUNED")[trial % 3 > 0]
            )
            rows.append(row(trial, state, config, now, REPORTS))
        journal.write(facts, rows, study_row(now))
    journal.tell(EngineRow("running", "", now))
    journal.close()


def gpus(now: float, node: str = "") -> list[DeviceSample]:
    """Eight GPUs whose figures move as real ones do; each node's are at another level."""
    level = zlib.crc32(node.encode()) % 100 / 250 if node else 0.0
    return [
        DeviceSample(
            now,
            f"GPU-{node}{index}",
            "gpu",
            "H100 80G",
            index=index,
            utilisation=0.9 - level + 0.05 * math.sin(now + index),
            memory_used=int((60 - 80 * level) * (1 << 30)) + index * 1000,
            memory_total=80 << 30,
            temperature=70.0 - round(40 * level) + round(math.sin(now / 10 + index)),
            power=650.0 - round(400 * level) + round(20 * math.sin(now + index)),
            power_limit=700.0,
            trials=(TRIALS - RUNNING + 2 * index, TRIALS - RUNNING + 2 * index + 1),
            node=node,
        )
        for index in range(DEVICES)
    ]


def host(now: float, node: str = "") -> DeviceSample:
    return DeviceSample(
        now,
        f"node {node}" if node else "host",
        "host",
        node or "host",
        utilisation=0.4 + 0.1 * math.sin(now),
        memory_used=20 << 30,
        memory_total=64 << 30,
        load=6.0,
        slots=16.0,
        slots_used=16.0,
        node=node,
    )


def devices(now: float) -> list[DeviceSample]:
    """This machine with its GPUs, or with nodes that have some."""
    if not NODES:
        return [host(now), *gpus(now)]
    names = [f"gpu-{number:02}" for number in range(NODES)]
    return [host(now), *(one for name in names for one in (host(now, name), *gpus(now, name)))]


def feed(folder: Path, rate: float, running: int) -> None:
    """Reports of the running trials, in turn, and a sample of each device a second."""
    held = claim(folder)
    journal = Journal.open(folder / "study.db", "val_loss")
    draw = random.Random(1)
    configs = [configuration(draw) for _ in range(running)]
    steps = [REPORTS] * running
    print("feeding", flush=True)
    count, sampled, nodes_at, start = 0, 0.0, 0.0, time.monotonic()
    while True:
        now = time.time()
        if now - sampled >= 1:
            again = now - nodes_at >= nodes_period(NODES * (1 + DEVICES))
            journal.sample(devices(now) if again else [host(now)])
            sampled, nodes_at = now, now if again else nodes_at
        due = int((time.monotonic() - start) * rate) - count
        touched = [(count + offset) % running for offset in range(due)]
        count += due
        if touched:
            journal.write(*_reports(touched, steps, configs, now))
        time.sleep(0.05)
        held.beat() if count % 1000 == 0 else None


def _reports(
    touched: Sequence[int], steps: list[int], configs: Sequence[dict[str, object]], now: float
) -> tuple[list[ev.AnyFact], list[TrialRow]]:
    facts: list[ev.AnyFact] = []
    first = TRIALS - len(steps)
    for index in touched:
        steps[index] += 1
        value = {"val_loss": loss(first + index, steps[index])}
        facts.append(ev.Reported(now, first + index, 0, steps[index], value))
    rows = [
        row(first + index, "RUNNING", configs[index], now, steps[index]) for index in set(touched)
    ]
    return facts, rows


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build(Path(sys.argv[2]))
    else:
        feed(
            Path(sys.argv[2]),
            float(sys.argv[3]),
            int(sys.argv[4]) if len(sys.argv) > 4 else RUNNING,
        )
