"""A program of a W&B sweep: it gets its parameters, and what it logs is reported, with the real wandb."""

from __future__ import annotations

import pytest
from packages import needs
from workshop import Workshop

needs("wandb", "yaml")

SWEEP = """
program: train.py
method: random
run_cap: 2
metric: {name: val_loss, goal: minimize}
parameters:
  lr: {min: 0.01, max: 0.1}
  model: {parameters: {depth: {values: [2, 3]}}}
"""
PROGRAM = """
import numpy
import wandb
run = wandb.init(config={"lr": 5.0, "width": 4})
for epoch in range(3):
    wandb.log({"train_loss": 1.0})
    loss = run.config.lr * run.config.model["depth"] * run.config.width / (epoch + 1)
    run.log({"val_loss": loss, "losses": numpy.ones(2), "best": True, "name": "a"})
"""


@pytest.mark.usefixtures("python_of_the_tests")
def test_a_sweep_runs_as_it_was_drafted(workshop: Workshop):
    workshop.write("train.py", PROGRAM)
    workshop.write("sweep.yaml", SWEEP)
    assert workshop.run("init", "sweep.yaml").returncode == 0
    done = workshop.run("sweep.toml", "--no-ui", timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    for trial in workshop.trials("sweep"):
        config = trial["config"]
        depth = config["model"]["depth"] if "model" in config else config["model.depth"]
        assert trial["value"] == pytest.approx(config["lr"] * depth * 4 / 3)
        assert trial["step"] == 3
