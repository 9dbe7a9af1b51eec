"""A trial that needs torch and next to nothing of it."""

from __future__ import annotations

import light
import torch


def train(trial) -> None:
    torch.zeros(1)
    if light.HOLD:  # its memory is looked at: then it has trained
        layer = torch.nn.Linear(8, 8)
        optimizer = torch.optim.SGD(layer.parameters(), lr=trial.config["x"])
        layer(torch.zeros(1, 8)).sum().backward()
        optimizer.step()
    light.train(trial)
