"""Trials for a real GPU: scikit-learn's digits, and made-up images of CIFAR-10's size."""

import json
import os
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

DIGITS = load_digits()
DIGIT_IMAGES = torch.from_numpy(DIGITS.images[:, None].astype("float32") / 16)  # (1797, 1, 8, 8)
DIGIT_LABELS = torch.from_numpy(DIGITS.target)
IMAGES = torch.rand(8192, 3, 32, 32)
LABELS = torch.randint(0, 10, (8192,))


def digits(trial):
    width = trial.config["width"]
    model = nn.Sequential(
        *(nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(8 * width, 10)),
    )
    learn(trial, model, DIGIT_IMAGES, DIGIT_LABELS)


def cifar(trial):
    width = trial.config["width"]
    model = nn.Sequential(
        *(nn.Conv2d(3, width, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(width, 2 * width, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(50 * width, 10)),
    )
    learn(trial, model, IMAGES, LABELS)


def learn(trial, model, images, labels):
    note_how_it_began(trial)
    assert torch.cuda.device_count() == 1, torch.cuda.device_count()
    model.cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=trial.config["lr"])
    for epoch in range(trial.max_resource):
        for batch in torch.randperm(len(images)).split(128):
            noisy = images[batch] + 0.01 * torch.randn(len(batch), *images.shape[1:])
            loss = nn.functional.cross_entropy(model(noisy.cuda()), labels[batch].cuda())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        trial.report(epoch=epoch + 1, loss=loss)


def note_how_it_began(trial):
    """Whether CUDA was touched before the fork, here or in the process that it was forked from."""
    parent = Path(f"/proc/{os.getppid()}/fd")
    began = {
        "trial": trial.number,
        "initialised": torch.cuda.is_initialized(),
        "opened": any(str(f.readlink()).startswith("/dev/nvidia-uvm") for f in parent.iterdir()),
    }
    with Path("began.jsonl").open("a") as file:
        file.write(json.dumps(began) + "\n")
