"""Figures of a real GPU: NVML's cost, meters, memory after a kill, packing against fixed k.

python tests/benchmarks/gpu_figures.py STEP... [--results FILE] [--seconds S] [--trials N]
                                       [--digits-epochs N] [--cifar-epochs N]

  nvml          what NVML's calls cost
  meters        ours beside nvidia-smi's, at rest and with a process; memory after a kill
  digits:K      a study of scikit-learn's digits with K trials a GPU: 1, 2, 3 ..., or auto
  cifar:K       the same of made-up images of CIFAR-10's size
  digits cifar  what `auto` is worth, by the studies that are in the results

Needs an idle GPU, torch and scikit-learn; nvidia-smi is what the meters are held against. A step
is one study, which is stopped after S seconds: 8 minutes. Its line is printed, and appended to the
results. Exit status 1 where a bound is broken or a study was stopped, 2 where there is nothing to
measure.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from tuitune.devices.nvml import Nvml
from tuitune.devices.watchdog import look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuitune.core.placement.snapshots import GpuSample

TARGETS = Path(__file__).parent / "measured/on_gpu.py"
STUDY = """
[objective]
metric = "loss"
mode = "min"
[trial]
target = "{target}:{function}"
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
max = {epochs}
"""
HOLDER = """
import time, torch
held = torch.zeros(1 << 30, device="cuda")  # 4 GiB
print("held", flush=True)
time.sleep(100)
"""
HELD = 1 << 30  # bytes of a holder, at least
CALLS = (
    "nvmlDeviceGetUtilizationRates",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetComputeRunningProcesses",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetComputeMode",
    "nvmlDeviceGetMigMode",
)
MOST = 8  # trials a GPU, which share the CPUs
MEMORY_APART, DEGREES_APART = 64 << 20, 3  # that a meter may be off nvidia-smi's
LEAST_OF_BEST, LEAST_OF_ONE = 0.95, 0.97
AGAIN = 20  # readings for a median
TO_LEAVE = 60  # s that a study that takes too long has for its end


class Ran(NamedTuple):
    seconds: float
    words: str
    is_well: bool  # all trials completed, and none had CUDA from before its fork


# --- NVML ----------------------------------------------------------------------------------------


def nvml_costs(uuid: str) -> Iterator[str]:
    import pynvml  # type: ignore[import-untyped]  # noqa: PLC0415 - after the driver was seen

    start = time.perf_counter()
    nvml = Nvml()
    yield f"NVML: {time.perf_counter() - start:.3f} s to start"
    yield f"NVML: {1e3 * _cost(nvml.read):.2f} ms to read all devices"
    handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
    mismatch = getattr(pynvml, "NVMLLibraryMismatchError", pynvml.NVMLError)  # since 12.550.52
    for name in CALLS:
        try:
            cost = _cost(partial(getattr(pynvml, name), handle))
        except (pynvml.NVMLError, mismatch) as error:
            yield f"  {name}: {error}"
        else:
            yield f"  {name}: {1e6 * cost:.0f} us"


def _cost(call: Callable[[], object]) -> float:
    costs = []
    for _ in range(AGAIN):
        start = time.perf_counter()
        call()
        costs.append(time.perf_counter() - start)
    return median(costs)


def one(nvml: Nvml, uuid: str) -> GpuSample:
    return next(device for device in nvml.read().devices if device.uuid == uuid)


def used(nvml: Nvml, uuid: str) -> int:
    return one(nvml, uuid).memory_used or 0


# --- with somebody on it -------------------------------------------------------------------------


def held_then_killed(uuid: str) -> Iterator[tuple[str, bool]]:
    """The meters while a process holds memory, and the seconds from its kill until that is back."""
    nvml = Nvml()
    idle = used(nvml, uuid)
    yield from meters(nvml, uuid, "at rest")
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        held = used(nvml, uuid) - idle
        yield from meters(nvml, uuid, "with a process")
        start = time.perf_counter()
        process.send_signal(signal.SIGKILL)
        while used(nvml, uuid) > idle + (100 << 20) and time.perf_counter() < start + 60:
            process.poll()  # one that nobody has waited for is still a process to some
            time.sleep(0.002)
        freed = time.perf_counter() - start
        back = used(nvml, uuid) <= idle + (100 << 20)
        words = f"kill: {held / 1e9:.2f} GB were {'' if back else 'not '}back after {freed:.3f} s"
        yield words, back and held >= HELD and said.strip() == "held"
    finally:
        process.kill()
        process.wait()


def meters(nvml: Nvml, uuid: str, when: str) -> Iterator[tuple[str, bool]]:
    """Ours beside nvidia-smi's; utilisation and power are of windows of its own, and only told."""
    if shutil.which("nvidia-smi") is None:
        yield f"meters {when}: there is no nvidia-smi to hold them against", True
        return
    try:
        theirs, ours = nvidia_smi(uuid), one(nvml, uuid)
    except subprocess.CalledProcessError as error:
        yield f"meters {when}: nvidia-smi: {error.stdout.strip()}", False
        return
    whole, kept = theirs["memory.total"], theirs["memory.reserved"]
    total = whole if whole is None or kept is None else whole - kept
    pairs = (
        ("memory used, MiB", _mib(ours.memory_used), theirs["memory.used"], MEMORY_APART >> 20),
        ("memory total, MiB", _mib(ours.memory_total), total, MEMORY_APART >> 20),
        ("temperature, C", ours.temperature, theirs["temperature.gpu"], DEGREES_APART),
        ("utilisation, %", ours.utilisation, theirs["utilization.gpu"], None),
        ("power, W", ours.power, theirs["power.draw"], None),
        ("processes", len(ours.processes or ()), theirs["processes"], 0),
    )
    for name, our, their, apart in pairs:
        agree = apart is None or our is None or their is None or abs(our - their) <= apart
        sign = "" if agree else "  they DIFFER"
        yield f"meters {when}: {name}: {our}, nvidia-smi {their}{sign}", agree


def nvidia_smi(uuid: str) -> dict[str, Any]:
    """Its figures of one GPU, in its units; None for what it doesn't tell."""
    names = ("memory.total", "memory.reserved", "memory.used", "temperature.gpu")
    names += ("utilization.gpu", "power.draw")
    line = _said("--query-gpu=" + ",".join(names), uuid)[0]
    found: dict[str, Any] = {n: _figure(w) for n, w in zip(names, line.split(","), strict=True)}
    found["processes"] = len(_said("--query-compute-apps=pid", uuid))
    return found


def _said(query: str, uuid: str) -> list[str]:
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits", f"--id={uuid}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.strip()]


def _figure(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:  # [N/A]
        return None


def _mib(size: int | None) -> int | None:
    return None if size is None else size >> 20


# --- studies -------------------------------------------------------------------------------------


def run(study: str, gpus: str, said: argparse.Namespace) -> Ran:
    """A whole study: how long it took, what packing found, and how its trials began."""
    cpus = max(0.05, (os.cpu_count() or 1) / MOST / 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(TARGETS, folder)
        form = {"target": TARGETS.name, "function": study, "trials": said.trials}
        epochs = said.digits_epochs if study == "digits" else said.cifar_epochs
        form |= {"gpus": gpus, "cpus": cpus, "epochs": epochs}
        (folder / "study.toml").write_text(STUDY.format(**form))
        start = time.perf_counter()
        command = [sys.executable, "-m", "tuitune", "study.toml", "--json"]
        done, is_late = ended(command, folder, said.seconds)
        seconds = time.perf_counter() - start
        began = folder / "began.jsonl"
        lines = began.read_text().splitlines() if began.exists() else []
    facts = [json.loads(line) for line in done.stdout.splitlines() if '"event"' in line]
    settled = [fact for fact in facts if fact["event"] == "settled"]
    completed = sum(fact["state"] == "COMPLETE" for fact in settled)
    crowded = sum(fact.get("crowded", False) for fact in settled)
    touched = sum(note["initialised"] or note["opened"] for note in map(json.loads, lines))
    found = [fact["why"] for fact in facts if fact["event"] == "packed"]
    words = f"{completed} of {said.trials} complete, {crowded} out of memory among neighbours, "
    words += f"{touched} of {len(lines)} with CUDA from before their fork"
    if is_late:
        found.append(f"stopped after {said.seconds:g} s")
    elif done.returncode:
        found.append(f"exit {done.returncode}: {done.stderr.strip()[-300:]}")
    is_well = not done.returncode and completed == said.trials and not touched
    return Ran(seconds, "; ".join([words, *found]), is_well)


def ended(
    command: list[str], folder: Path, seconds: float
) -> tuple[subprocess.CompletedProcess[str], bool]:
    """A command that has ended, and whether that was because it took too long."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True)
    is_late = False
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        is_late = True
        process.terminate()  # its trials leave
        try:
            output, errors = process.communicate(timeout=TO_LEAVE)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, output, errors), is_late


def one_study(study: str, each: str, said: argparse.Namespace) -> Iterator[tuple[str, bool]]:
    """One study with so many trials a GPU, whose seconds are added to the results."""
    gpus = '"auto"' if each == "auto" else "1" if each == "1" else repr(1 / int(each))
    ran = run(study, gpus, said)
    record = {"study": study, "each": each, "seconds": ran.seconds, "is_well": ran.is_well}
    with said.results.open("a") as file:
        file.write(json.dumps(record | {"trials": said.trials, "words": ran.words}) + "\n")
    yield f"{study}: {each:>4} a GPU {ran.seconds:>9.1f} s  {ran.words}", ran.is_well


def compared(study: str, said: argparse.Namespace) -> Iterator[tuple[str, bool]]:
    """The newest studies of the results: `auto` against the best fixed number."""
    lines = said.results.read_text().splitlines() if said.results.exists() else []
    records = [record for record in map(json.loads, lines) if record["study"] == study]
    took = {record["each"]: record["seconds"] for record in records if record["is_well"]}
    auto, one_each = took.pop("auto", None), took.get("1")
    if auto is None or one_each is None:
        yield f"{study}: there is no result of {study}:1 and {study}:auto that is well", False
        return
    for each, seconds in took.items():
        yield f"{study}: {each:>4} a GPU: {one_each / seconds:.2f} times one a GPU", True
    best = min(took, key=lambda each: took[each])
    of_best, of_one = took[best] / auto, one_each / auto
    words = f"{study}: auto is {100 * of_best:.1f}% of the best fixed k, {best}"
    yield words, of_best >= LEAST_OF_BEST and of_one >= LEAST_OF_ONE


def measured(step: str, uuid: str, said: argparse.Namespace) -> Iterator[tuple[str, bool]]:
    """The lines of a step, and whether each is within its bound."""
    study, _, each = step.partition(":")
    if step == "nvml":
        return ((line, True) for line in nvml_costs(uuid))
    if step == "meters":
        return held_then_killed(uuid)
    return one_study(study, each, said) if each else compared(study, said)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Figures of a real GPU.")
    parser.add_argument("steps", nargs="+", type=_step, metavar="STEP")
    parser.add_argument("--results", type=Path, default=Path("gpu_figures.jsonl"))
    parser.add_argument("--seconds", type=float, default=480.0, help="the longest a study may take")
    parser.add_argument("--trials", type=int, default=16)
    # an epoch is short: with fewer, trials are over before auto has measured
    parser.add_argument("--digits-epochs", type=int, default=500)
    parser.add_argument("--cifar-epochs", type=int, default=40)
    said = parser.parse_args(words)
    seen = look()
    idle = [d for d in seen.devices if d.uuid and not d.trouble and d.processes == ()]
    if seen.problem or not idle:
        print(f"nothing to measure: {seen.problem or 'no GPU is idle'}", file=sys.stderr)
        return 2
    device = idle[0]
    print(f"{device.name}, driver {seen.driver}; only GPU {device.index} is used", flush=True)
    os.environ |= {"CUDA_VISIBLE_DEVICES": device.uuid, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    holds = True
    for step in said.steps:
        for line, well in measured(step, device.uuid, said):
            print(line if well else f"BROKEN {line}", flush=True)
            holds = holds and well
    return 0 if holds else 1


def _step(word: str) -> str:
    """A step's name. Raises ArgumentTypeError for any other word."""
    if not re.fullmatch(r"nvml|meters|(digits|cifar)(:auto|:[1-9]\d*)?", word):
        raise argparse.ArgumentTypeError(f"there is no step {word}: see the head of this file")
    return word


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
