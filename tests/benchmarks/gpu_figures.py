"""What a real GPU says: costs of NVML, memory after a kill, and packing against fixed k.

python tests/benchmarks/gpu_figures.py [--trials N] [--most K]        needs one idle GPU and torch

The study trains a small convolutional network on made-up images of CIFAR-10's size, which a loader
with augmentation brings to the GPU. Each line of the table is one whole run of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tuitune.devices.nvml import Nvml
from tuitune.devices.probe import look

NET = """
import time
import torch
from torch import nn

IMAGES = torch.rand(8192, 3, 32, 32)
LABELS = torch.randint(0, 10, (8192,))

def train(trial):
    assert torch.cuda.device_count() == 1, torch.cuda.device_count()
    width = trial.config["width"]
    model = nn.Sequential(
        nn.Conv2d(3, width, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(50 * width, 10),
    ).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=trial.config["lr"])
    for epoch in range(12):
        for batch in torch.randperm(len(IMAGES)).split(128):
            images = IMAGES[batch].flip(3) + 0.01 * torch.randn(len(batch), 3, 32, 32)
            loss = nn.functional.cross_entropy(model(images.cuda()), LABELS[batch].cuda())
            optimizer.zero_grad(); loss.backward(); optimizer.step()
        trial.report(epoch=epoch + 1, loss=loss)
"""
STUDY = """
[objective]
metric = "loss"
mode = "min"
[trial]
target = "net.py:train"
cpus = {cpus}
gpus = {gpus}
[space]
width = [16, 32, 64]
lr = {{ low = 1e-3, high = 1e-1, log = true }}
[search]
method = "random"
trials = {trials}
[pruning]
resource = "epoch"
max = 12
"""
HOLDER = """
import torch, time
held = torch.zeros(1 << 30, device="cuda")
print("held", flush=True)
time.sleep(100)
"""


def nvml_costs() -> str:
    start = time.perf_counter()
    nvml = Nvml()
    first = time.perf_counter() - start
    costs = []
    for _ in range(50):
        start = time.perf_counter()
        nvml.read()
        costs.append(time.perf_counter() - start)
    return f"NVML: {first:.3f} s to start, {1000 * median(costs):.2f} ms to read all devices"


def seconds_to_free(index: int) -> str:
    """From SIGKILL of a process with 4 GiB to its memory being back."""
    nvml = Nvml()

    def used() -> int:
        return nvml.read().devices[index].memory_used or 0

    idle = used()
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    held = used()
    start = time.perf_counter()
    process.send_signal(signal.SIGKILL)
    while used() > idle + (100 << 20):
        time.sleep(0.002)
    freed = time.perf_counter() - start
    process.wait()
    return f"kill: {(held - idle) / 1e9:.2f} GB were back after {freed:.3f} s"


def run(folder: Path, gpus: str, trials: int, most: int) -> tuple[float, str]:
    """Seconds of a whole study, and what packing found."""
    cpus = max(0.1, (os.cpu_count() or 1) / most / 2)
    (folder / "net.py").write_text(NET)
    (folder / "net.toml").write_text(STUDY.format(gpus=gpus, trials=trials, cpus=cpus))
    start = time.perf_counter()
    command = [sys.executable, "-m", "tuitune", "net.toml", "--json", "--new"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    facts = [json.loads(line) for line in done.stdout.splitlines() if '"event"' in line]
    crowded = sum(fact.get("crowded", False) for fact in facts)
    found = [fact["why"] for fact in facts if fact["event"] == "packed"]
    fresh = [f["text"] for f in facts if f["event"] == "warned" and "imports all anew" in f["text"]]
    words = f"exit {done.returncode}, {crowded} out of memory among neighbours"
    return seconds, "; ".join([words, *fresh, *found])


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Figures of a real GPU.")
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--most", type=int, default=8, help="the largest fixed k")
    said = parser.parse_args(words)
    seen = look()
    if seen.problem:
        print(f"nothing to measure: {seen.problem}", file=sys.stderr)
        return 2
    device = seen.devices[0]
    print(f"{device.name}, driver {seen.driver}; only GPU {device.index} is used")
    os.environ |= {"CUDA_VISIBLE_DEVICES": device.uuid, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    print(nvml_costs())
    print(seconds_to_free(0))
    print(f"{'gpus':<8}{'seconds':>9}  by one a GPU")
    one = 0.0
    for gpus in ("1", *(f"{1 / k:.6f}" for k in range(2, said.most + 1)), '"auto"'):
        with tempfile.TemporaryDirectory() as folder:
            seconds, found = run(Path(folder), gpus, said.trials, said.most)
        one = one or seconds
        print(f"{gpus[:7]:<8}{seconds:>9.1f}  {one / seconds:.2f}  {found}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
