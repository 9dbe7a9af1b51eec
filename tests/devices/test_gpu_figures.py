"""The script that measures real GPUs, on one of words: what it does there, it can do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from nvml_world import World

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
HOLDER = """
import os, time
with open(os.environ["NVML_WORLD"] + ".live", "a") as file:
    file.write(f"process gpu=0 pid={os.getpid()} memory=4096 live=1\\n")
print("held", flush=True)
time.sleep(100)
"""
TARGETS = """
import json, os, time

def train(trial):
    with open(os.environ["NVML_WORLD"] + ".live", "a") as file:
        file.write(f"process gpu=0 pid={os.getpid()} memory=500 live=1\\n")
    with open("began.jsonl", "a") as file:
        began = {"trial": trial.number, "initialised": trial.number == 1, "opened": False}
        file.write(json.dumps(began) + "\\n")
    for epoch in range(trial.max_resource):
        trial.report(epoch=epoch + 1, loss=trial.config["lr"])

digits = cifar = train
"""
# reads the world by itself, as the real one asks the driver by itself
NVIDIA_SMI = """#!{python}
import os, sys
world = open(os.environ["NVML_WORLD"]).read()
live = os.environ["NVML_WORLD"] + ".live"
world += open(live).read() if os.path.exists(live) else ""
lines = [dict(w.split("=") for w in l.split()[1:]) | {{"": l.split()[0]}} for l in world.splitlines()]
gpu = next(l for l in lines if l[""] == "gpu")
here = [l for l in lines if l[""] == "process" and os.path.exists("/proc/" + l["pid"])]
used = int(gpu["used"]) + sum(int(l["memory"]) for l in here) + {wrong}
if "--query-compute-apps=pid" in sys.argv:
    print("\\n".join(l["pid"] for l in here))
else:
    print(gpu["total"], gpu["reserved"], used, gpu["temp"], "[N/A]", gpu["power"], sep=", ")
"""


MAIN = "sys.exit(gpu_figures.main(sys.argv[1:]))"
METERS = "print(*gpu_figures.held_then_killed(sys.argv[1]), sep='\\n')"


def measure(
    tmp_path: Path, world: World, *words: str, what: str = MAIN, wrong: int = 0
) -> tuple[int, str, str]:
    """The script's exit status, output and errors, where programs that need CUDA are others."""
    (tmp_path / "targets.py").write_text(TARGETS)
    smi = tmp_path / "bin/nvidia-smi"
    smi.parent.mkdir()
    smi.write_text(NVIDIA_SMI.format(python=sys.executable, wrong=wrong))
    smi.chmod(0o755)
    code = (
        "import sys; from pathlib import Path; import gpu_figures\n"
        f"gpu_figures.HOLDER, gpu_figures.TARGETS = {HOLDER!r}, Path({str(tmp_path)!r}, 'targets.py')\n"
        f"{what}"
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CUDA")},
        **world.environment,
        "PATH": f"{smi.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(BENCHMARKS),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    return done.returncode, done.stdout, done.stderr


def test_without_a_gpu_there_is_nothing_to_measure(tmp_path: Path, world: World):
    code, output, errors = measure(tmp_path, world, "nvml")
    assert (code, output) == (2, "")
    assert errors.startswith("nothing to measure: the driver knows of no GPU")


@pytest.mark.slow
def test_all_that_is_asked_of_a_gpu_is_measured(tmp_path: Path, world: World):
    world.token = f"{uuid4().hex[:8]}-"
    world.with_gpus(1)
    few = ("--trials", "3", "--digits-epochs", "2", "--results", str(tmp_path / "results"))
    steps = ("nvml", "meters", "digits:1", "digits:2", "digits:auto", "digits", "cifar")
    code, output, errors = measure(tmp_path, world, *steps, *few)
    assert not errors, errors
    assert code == 1  # the second trial of each says that its fork was not clean
    for wanted in (
        r"^NVML: [0-9.]+ s to start$",
        r"^NVML: [0-9.]+ ms to read all devices$",
        r"^  nvmlDeviceGetUtilizationRates: [0-9]+ us$",
        r"^meters at rest: memory used, MiB: 10, nvidia-smi 10.0$",
        r"^meters with a process: memory used, MiB: 4106, nvidia-smi 4106.0$",
        r"^meters with a process: processes: 1, nvidia-smi 1$",
        r"^kill: 4.29 GB were back after [0-9.]+ s$",
        *(
            rf"^BROKEN digits: +{each} a GPU .* 3 of 3 complete, 0 out of .*, 1 of 3 with CUDA from"
            for each in ("1", "2", "auto")
        ),
        r"^BROKEN cifar: there is no result of cifar:1 and cifar:auto that is well$",
    ):
        assert re.search(wanted, output, re.MULTILINE), (wanted, output)
    assert "DIFFER" not in output


def test_a_meter_that_differs_from_nvidia_smis_is_told(tmp_path: Path, world: World):
    world.with_gpus(1)
    _, output, errors = measure(tmp_path, world, "GPU-0", what=METERS, wrong=100)
    lines = output.splitlines()
    wanted = "('meters at rest: memory used, MiB: 10, nvidia-smi 110.0  they DIFFER', False)"
    assert lines[0] == wanted, output + errors
    assert "('meters at rest: memory total, MiB: 81420, nvidia-smi 81420.0', True)" in lines
    assert "('meters at rest: utilisation, %: 0, nvidia-smi None', True)" in lines
    assert lines[-1].startswith("('kill: 4.29 GB were back")


def test_auto_is_compared_with_the_studies_of_other_calls(tmp_path: Path, world: World):
    world.with_gpus(1)
    results = tmp_path / "results"
    seconds = {"1": 100.0, "2": 60.0, "4": 50.0, "auto": 51.0}
    records = [
        {"study": "digits", "each": k, "seconds": s, "is_well": True} for k, s in seconds.items()
    ]
    results.write_text("".join(json.dumps(record) + "\n" for record in records))
    code, output, errors = measure(tmp_path, world, "digits", "--results", str(results))
    assert code == 0, output + errors
    assert "digits:    2 a GPU: 1.67 times one a GPU" in output
    assert output.endswith("digits: auto is 98.0% of the best fixed k, 4\n")
    assert "there is no step digit" in refused(tmp_path, world, "digit")


def refused(tmp_path: Path, world: World, word: str) -> str:
    (tmp_path / "bin/nvidia-smi").unlink()
    (tmp_path / "bin").rmdir()
    code, _, errors = measure(tmp_path, world, word)
    assert code == 2
    return errors


def test_a_study_that_takes_too_long_is_stopped(tmp_path: Path, world: World):
    world.token = f"{uuid4().hex[:8]}-"
    world.with_gpus(1)
    few = ("--trials", "1", "--digits-epochs", "100000000", "--seconds", "1")
    results = ("--results", str(tmp_path / "results"))
    code, output, errors = measure(tmp_path, world, "digits:1", *few, *results)
    assert code == 1, output + errors
    assert "; stopped after 1 s" in output
