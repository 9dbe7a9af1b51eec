"""A trial of ten parameters whose loss falls with its steps: for studies that have a model."""

from __future__ import annotations

import math

from light import mark


def train(trial) -> None:
    mark("trial")
    config = trial.config
    level = (math.log10(config["lr"]) + 2.5) ** 2 + config["dropout"] + abs(config["layers"] - 3)
    level += {"sgd": 0.5, "adam": 0.0, "lion": 0.3}[config["optimizer"]]
    for step in range(1, trial.max_resource + 1):
        trial.report(step=step, loss=level + 5 * math.exp(-step / 3))
