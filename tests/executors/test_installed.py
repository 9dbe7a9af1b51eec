"""An executor of an installed package runs a study: now, from another process, and when taken up."""

from __future__ import annotations

from pathlib import Path

import pytest
from installed import python_with, toy_package
from workshop import Workshop, wait_until

# Runs no code: each attempt reports what its configuration says, and exits.
TOY = """
import asyncio
from tuitune.core import events


class ToyExecutor:
    def __init__(self, plan, sink, clock):
        self.sink, self.clock = sink, clock

    async def open(self):
        pass

    def launch(self, order):
        asyncio.get_running_loop().call_soon(self.run, order)

    def run(self, order):
        key, now = (order.trial, order.attempt), self.clock()
        self.sink([events.Started(now, *key, 0, None, "toy", "", None)])
        self.sink([events.Reported(now, *key, 1, {"loss": order.config["x"]})])
        self.sink([events.Exited(now, *key, 0, None, "", "", 0, lost=False)])

    def answer(self, trial, attempt, action, save):
        pass

    ask_stop = release = signal = answer

    async def sample(self, targets, seed, config):
        return {}

    async def close(self):
        pass
"""
FILES = toy_package(
    "toy_executor",
    "[tuitune.executors]\ntoy = toy_executor:ToyExecutor\n",
    toy_executor=TOY,
)
FAILS = "def train(trial):\n    raise RuntimeError('no executor but the toy runs this')\n"


@pytest.fixture
def python(tmp_path: Path) -> str:
    """Of a virtual environment that has tuitune and the toy package."""
    return python_with(tmp_path / "venv", FILES)


def test_it_runs_a_study_and_the_study_remembers_it(workshop: Workshop, python: str):
    file = workshop.study(FAILS)
    done = workshop.call([python, "-m", "tuitune", str(file), "--no-ui", "--executor", "toy"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE"] * 3
    again = workshop.call([python, "-m", "tuitune", str(file), "--no-ui", "--trials", "5"])
    assert again.returncode == 0, again.stdout + again.stderr
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE"] * 5

    gone = workshop.run(file, "--no-ui", "--trials", "6")  # a Python that has no such package
    assert gone.returncode == 2
    assert 'its executor: there is no "toy"; there are local' in gone.stderr
    workshop.run(file, "--no-ui", "--trials", "6", "--executor", "local")
    assert workshop.trials()[5]["state"] == "FAILED"


BEGIN = """
import sys
from pathlib import Path
from tuitune.cli.launch import begin_engine
from tuitune.cli.run_request import RunRequest
begin_engine(RunRequest(Path(sys.argv[1]), Path("runs").absolute(), executor=sys.argv[2]))
"""


def test_a_detached_engine_gets_it(workshop: Workshop, python: str):
    file = workshop.study(FAILS)
    begun = workshop.call([python, "-c", BEGIN, str(file), "toy"])
    assert begun.returncode == 0, begun.stderr
    wait_until(lambda: workshop.engine() is None, "its end")
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE"] * 3


def test_a_name_of_nobody_begins_nothing(workshop: Workshop):
    done = workshop.run(workshop.study(FAILS), "--no-ui", "--executor", "tay")
    assert done.returncode == 2
    assert done.stderr == '--executor tay: there is no "tay"; there are local\n'
    assert not workshop.folder().exists()
