"""What the callbacks of training frameworks share, without a framework."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from workshop import Workshop

from tuitune.store.folder import DATABASE, find_study
from tuitune.store.reader import Reader

# Rank 1 is a fork; what rank 0 broadcasts goes to it through a pipe.
RANKS = """
import json
import os

from tuitune.integrations.training_run import TrainingRun


class Ranks:
    count = 2

    def __init__(self):
        self.reader, self.writer = os.pipe()
        self.is_first = os.fork() != 0

    def broadcast(self, value):
        if self.is_first:
            os.write(self.writer, json.dumps(value).encode() + b"\\n")
            return value
        line = b""
        while not line.endswith(b"\\n"):
            line += os.read(self.reader, 1)
        return json.loads(line)


def train(trial):
    run, ranks = TrainingRun(), Ranks()
    done = run.start
    step = done
    while True:
        step += 1

        def save(folder):
            (folder / str(ranks.is_first)).write_text(str(step))
            while not (folder / "False").exists():
                pass

        text = {"loss": (trial.number + 1) / step, "text": "left out", "wide": [1, 2]}
        if run.report(step, text, save, ranks):
            break
    with open(trial.folder / f"steps of {ranks.is_first}", "a") as file:
        print(*range(done + 1, step + 1), run.must_stop, file=file)
    if not ranks.is_first:
        os._exit(0)
    os.wait()
    run.raise_if_stopped()
    (trial.folder / "complete").touch()
"""
MORE = """
[pruning]
method = "asha"
resource = "epoch"
max = 4
reduction = 2
style = "promote"
"""


def test_ranks_save_and_stop_together_and_training_ends_at_the_maximum(workshop: Workshop):
    study = workshop.study(RANKS, MORE, trials=4)
    done = workshop.run(study, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout + done.stderr
    reader = Reader.open(find_study("study", workshop.path / "runs") / DATABASE)
    steps = {
        trial.number: [step for _, step, _ in reader.curve(trial.number)]
        for trial in reader.trials()
    }
    reader.close()
    for trial in workshop.trials():
        folder = workshop.folder() / f"trials/{trial['trial']:04}"
        first = (folder / "steps of True").read_text()
        assert first == (folder / "steps of False").read_text()
        is_complete = trial["state"] == "COMPLETE"
        assert (folder / "complete").exists() is first.endswith("False\n") is is_complete
        assert steps[trial["trial"]] == [*range(1, trial["step"] + 1)], "each step once"
    assert {trial["state"] for trial in workshop.trials()} == {"COMPLETE", "PRUNED"}
    assert any(trial["attempts"] > 1 for trial in workshop.trials())


BY_HAND = """
from tuitune.integrations.training_run import TrainingRun
run = TrainingRun()
print(run.report(1, {"loss": 1.0}, None), run.must_stop, run.counts_epochs, run.folder)
"""


@pytest.mark.parametrize("name", ["nothing", "TUITUNE_STUDY"])
def test_outside_a_trial(name: str):
    """By hand it does nothing; in a process that a trial has spawned, it says why it can't report."""
    done = subprocess.run(
        [sys.executable, "-c", BY_HAND],
        env={**os.environ, name: "/runs/study", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    if name == "nothing":
        assert (done.stdout, done.stderr) == ("False False False None\n", "")
    else:
        assert "this process was spawned by a trial and can't report" in done.stderr
