"""The script for the first hour on a real GPU: its dry parts run on the NVML of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from nvml_world import World

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests/gpu/first_hour.sh"
STEPS = sorted(
    path.stem for path in SCRIPT.parent.glob("*.py") if not path.stem.startswith("test_")
)


def run(tmp_path: Path, *steps: str, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PY": sys.executable, "OUT": str(tmp_path / "out"), **environment}
    return subprocess.run(
        ["bash", str(SCRIPT), *steps],
        check=False, cwd=ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_what_needs_no_cuda_passes_on_a_simulated_gpu(tmp_path, shims):
    world = World(tmp_path / "world", shims["new"], f"hour-{uuid4()}-").with_gpus(1)
    dry = {"DRY": "1", "TRIALS": "3", "EPOCHS_SET": "2", **world.environment}
    done = run(tmp_path, "imports", "facts", "study", "ends", "packing", "park", **dry)
    assert done.returncode == 0, done.stdout + done.stderr
    checks = [line for line in done.stdout.splitlines() if line[:4] in ("PASS", "FAIL")]
    assert len(checks) == 14, done.stdout
    assert all(line.startswith("PASS") for line in checks)
    assert not done.stderr


@pytest.mark.parametrize("step", STEPS)
def test_each_step_finds_what_it_takes_from_the_package(step):
    code = f"import runpy; runpy.run_path({str(SCRIPT.parent / step)!r} + '.py', run_name='step')"
    dry = {**os.environ, "DRY": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=dry)


def test_nothing_else_is_run_or_passes_where_torch_sees_no_gpu(tmp_path):
    done = run(tmp_path, "quick", CUDA_VISIBLE_DEVICES="-1")
    assert done.returncode == 1
    assert "torch sees no GPU" in done.stdout
    assert "PASS" not in done.stdout
    assert "=== facts" not in done.stdout


def test_an_unknown_step_is_named(tmp_path):
    done = run(tmp_path, "fcts")
    assert done.returncode == 2
    assert "fcts: there is no such step" in done.stderr


def test_every_step_of_the_head_is_one_of_the_script():
    text = SCRIPT.read_text()
    head = text[: text.index("set -u")]
    named = [
        line.split()[1] for line in head.splitlines() if line.startswith("#   ") and "s" in line
    ]
    for step in named:
        if step not in ("bash", "quick"):
            assert f"\n{step}() " in text, step
