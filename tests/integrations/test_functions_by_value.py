"""Functions without a file, as those of notebooks: stored by value, and loaded by the zygote."""

from __future__ import annotations

import sys

from packages import needs
from workshop import Workshop

needs("cloudpickle")

CELL = """
import tuitune
import math as m

OFFSET = 2.0

class Helper:
    def value(self, x):
        return m.fabs(x - OFFSET)

def train(trial):
    for step in range(3):
        trial.report(loss=Helper().value(trial.config["x"]) + 1 / (step + 1))

study = tuitune.run(train, space={"x": {"low": 0.0, "high": 5.0}}, metric="loss", trials=3,
                    quiet=True, trial={"cpus": 0.5})
print(study.state, all(abs(t.value - abs(t.config["x"] - 2) - 1 / 3) < 1e-9 for t in study.trials))
"""


def test_a_function_that_is_in_no_file_runs(workshop: Workshop):
    done = workshop.call([sys.executable, "-c", CELL])
    assert (done.stdout, done.returncode) == ("finished True\n", 0), done.stderr
    pickle = workshop.folder("train") / "function.pickle"
    assert f'target = "{pickle}:train"' in (workshop.path / "runs" / "train.toml").read_text()
    # without the program that has it, from its study file
    again = workshop.run("runs/train.toml", "--no-ui", "--trials", 5)
    assert again.returncode == 0, again.stderr
    assert len(workshop.trials("train")) == 5
    pickle.unlink()
    refused = workshop.run("check", "runs/train.toml")
    assert "run tuitune.run(...) again" in refused.stderr
