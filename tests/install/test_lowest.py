"""The lowest version that the project allows of every package that it imports itself.

They are downloaded, so only `.ci/run` runs these: `pytest -m fresh tests/install`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

pytestmark = [pytest.mark.fresh, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
STUDY = """
[study]
name = "lowest"
[objective]
metric = "loss"
mode = "min"
[trial]
target = "train.py:train"
[search]
method = "bayes"
trials = 12
[space]
lr = { low = 1e-4, high = 1.0, log = true }
"""
TRAIN = """
def train(trial):
    for step in range(1, 4):
        trial.report(loss=abs(trial.config["lr"] - 0.01) / step)
"""


@pytest.fixture(scope="module")
def lowest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with those versions and the tests' own packages."""
    place = tmp_path_factory.mktemp("lowest")
    uv = shutil.which("uv") or Path(sysconfig.get_path("scripts")) / "uv"
    project = ROOT / "pyproject.toml"
    resolve = [uv, "pip", "compile", "--quiet", "--resolution", "lowest-direct", project]
    versions = subprocess.run(resolve, check=True, capture_output=True, text=True).stdout
    (place / "lowest.txt").write_text(versions)
    python = place / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", place / "lowest.txt"]
    subprocess.run([*install, "--editable", f"{ROOT}[test]"], check=True)
    return python.parent


def run(programs: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A program of that environment."""
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    command = [str(programs / words[0]), *words[1:]]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_floor_is_what_is_installed(lowest: Path, tmp_path: Path):
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    listed = run(lowest, tmp_path, "python", "-m", "pip", "list", "--format", "json").stdout
    versions = {one["name"].replace("_", "-"): one["version"] for one in json.loads(listed)}
    for name, floor in (one.split(",")[0].split(">=") for one in wanted):
        assert versions[name].startswith(floor), name


def test_commands_and_a_study_run(lowest: Path, tmp_path: Path):
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "train.py").write_text(TRAIN)
    commands = (
        ("--version",),
        ("--help",),
        ("check", "study.toml"),
        ("run", "study.toml", "--no-ui"),
        ("show", "lowest", "--json"),
        ("best", "lowest"),
        ("export", "lowest"),
        ("doctor",),
    )
    for words in commands:
        done = run(lowest, tmp_path, "tuitune", *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout, words
    shown = json.loads(run(lowest, tmp_path, "tuitune", "show", "lowest", "--json").stdout)
    assert len(shown["trials"]) == 12


def test_gpus_are_read(lowest: Path):
    done = run(lowest, ROOT, "pytest", "-q", "tests/devices/test_nvml.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_core_suite_passes(lowest: Path):
    """Takes as long as the suite itself; `.ci/run` leaves it out."""
    done = run(lowest, ROOT, "pytest", "-q", "-n", "3", "--dist", "worksteal")
    assert done.returncode == 0, done.stdout + done.stderr
