"""What a training script, the command line and an engine load: read from real processes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEAVY = {"numpy", "scipy", "sklearn", "textual", "torch"}

SLOW = {"asyncio", "dataclasses", "inspect", "logging", "subprocess", "tempfile", "uuid"}
DATACLASSES = 5  # at most: each takes most of a millisecond to make, a msgspec struct a tenth of it

LOADED_BY_A_SCRIPT = """
import json, sys
before = set(sys.modules)
import tuitune
print(json.dumps(sorted(set(sys.modules) - before)))
"""

LOADED_BY_READERS = """
import json, sys
import tuitune.cli.app, tuitune.cli.control, tuitune.cli.show, tuitune.ui.screens.study
print(json.dumps(sorted(sys.modules)))
"""

DATACLASSES_OF_A_RUN = """
import dataclasses, json, runpy, sys
sys.argv = ["tuitune", "light.toml", "--no-ui", "--runs", "runs"]
try:
    runpy.run_module("tuitune", run_name="__main__")
except SystemExit as end:
    assert not end.code
made = [
    f"{name}.{kind.__qualname__}"
    for name, module in sys.modules.items() if name.startswith("tuitune.")
    for kind in vars(module).values()
    if isinstance(kind, type) and kind.__module__ == name and dataclasses.is_dataclass(kind)
]
print(json.dumps(made), file=sys.stderr)
"""

STUDY = """
[objective]
metric = "loss"
mode = "min"

[trial]
target = "target.py:train"

[space]
x = { low = 0.0, high = 1.0 }

[search]
trials = 2

[pruning]
method = "asha"
resource = "epoch"
max = 3
"""

TARGET = """
def train(trial):
    for epoch in range(trial.max_resource):
        trial.report(epoch=epoch + 1, loss=trial.config["x"] + 1 / (epoch + 1))
"""


def run(arguments: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=False,
        cwd=folder,
        env=environment,
        text=True,
        timeout=60,
    )


def modules_loaded(arguments: Sequence[str], folder: Path) -> set[str]:
    """Every module that this one process imported, its children's not among them."""
    done = run(["-X", "importtime", "-m", "tuitune", *arguments], folder)
    assert done.returncode == 0, done.stderr
    lines = re.findall(r"^import time:[\s\d]+\|[\s\d]+\|\s+(\S+)$", done.stderr, re.MULTILINE)
    assert "tuitune" in lines
    return set(lines)


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_a_training_script_pays_for_the_standard_library_alone(tmp_path: Path) -> None:
    done = run(["-c", LOADED_BY_A_SCRIPT], tmp_path)
    loaded = set(json.loads(done.stdout))
    assert "tuitune" in loaded
    assert packages(loaded) <= sys.stdlib_module_names | {"tuitune"}
    ours = {name for name in loaded if name.startswith("tuitune.")}
    assert all(name.startswith("tuitune.executors.local") for name in ours), ours


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["attach", "--help"], ["--version"], ["ls"]]
)
def test_a_command_loads_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    loaded = modules_loaded(arguments, tmp_path)
    assert not packages(loaded) & HEAVY


def test_help_loads_no_engine(tmp_path: Path) -> None:
    loaded = modules_loaded(["--help"], tmp_path)
    assert not {
        name for name in loaded if name.startswith(("tuitune.engine", "tuitune.core.study"))
    }
    assert not packages(loaded) & {"asyncio", "sqlite3"}


def test_commands_and_the_app_load_no_state_machine(tmp_path: Path) -> None:
    done = run(["-c", LOADED_BY_READERS], tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert {"tuitune.control.requests", "tuitune.core.study"} <= loaded
    assert "statistics" not in loaded  # with fractions and decimals
    assert not loaded & {"tuitune.core.study.decide", "tuitune.core.study.evolve"}


@pytest.mark.parametrize("trials", [2, 8])  # with eight its model is asked, in another process
def test_an_engine_loads_nothing_heavy(trials: int, tmp_path: Path) -> None:
    (tmp_path / "light.toml").write_text(STUDY.replace("trials = 2", f"trials = {trials}"))
    (tmp_path / "target.py").write_text(TARGET)
    loaded = modules_loaded(["light.toml", "--no-ui", "--runs", "runs"], tmp_path)
    assert "tuitune.engine" in loaded
    assert not packages(loaded) & HEAVY
    unwanted = loaded & {"importlib.metadata", "multiprocessing", "pynvml", "rich"}
    assert not unwanted
    assert not {name for name in loaded if name.startswith("tuitune.simulation")}
    assert (tmp_path / "runs" / "light" / "study.db").exists()


def test_a_trial_loads_little_of_the_standard_library(tmp_path: Path) -> None:
    (tmp_path / "light.toml").write_text(STUDY.replace("trials = 2", "trials = 1"))
    (tmp_path / "target.py").write_text(
        "import json, pathlib, sys\n\n\n"
        "def train(trial):\n"
        "    found = json.dumps(sorted(sys.modules))\n"
        "    pathlib.Path(trial.folder, 'modules').write_text(found)\n"
        "    trial.report(epoch=1, loss=0.0)\n"
    )
    done = run(["-m", "tuitune", "light.toml", "--no-ui", "--runs", "runs"], tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads((tmp_path / "runs/light/trials/0000/modules").read_text()))
    bare = set(run(["-c", "import sys; print(*sys.modules)"], tmp_path).stdout.split())
    allowed = {"tuitune", "target", "__main__"} | packages(bare)  # .pth files load modules anywhere
    assert packages(loaded) <= sys.stdlib_module_names | allowed
    ours = {name for name in loaded if name.startswith("tuitune.")}
    assert "tuitune.zygote.main" in ours
    assert all(name.startswith(("tuitune.ipc", "tuitune.trial", "tuitune.zygote")) for name in ours)
    assert not loaded & SLOW


def test_a_run_makes_few_dataclasses(tmp_path: Path) -> None:
    (tmp_path / "light.toml").write_text(STUDY)
    (tmp_path / "target.py").write_text(TARGET)
    done = run(["-c", DATACLASSES_OF_A_RUN], tmp_path)
    made = json.loads(done.stderr.splitlines()[-1])
    assert "tuitune.core.pruning.halving.Halving" in made
    assert len(made) <= DATACLASSES, made
