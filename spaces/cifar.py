"""Trains a small convolutional network on CIFAR-10: the study is cifar.toml."""

import fcntl
import os
import socket
import sys
from pathlib import Path

import torch
from torch import nn
from torch.hub import tqdm
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import CIFAR10
from torchvision.transforms import Compose, Normalize, ToTensor

SAID = os.environ.get("CIFAR10_FOLDER", "~/.cache/cifar10")
FOLDER = Path(__file__).parent / Path(SAID).expanduser()  # a relative one lies beside this file
TO_NUMBERS = Compose([ToTensor(), Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])


def open_images():
    """CIFAR-10's training images from FOLDER, downloaded to it if they aren't there."""
    try:
        return CIFAR10(FOLDER, transform=TO_NUMBERS)
    except RuntimeError:  # not there, or not whole
        words = f"CIFAR-10 is not in {FOLDER} yet: unpacking or downloading its archive, 170 MB"
        print(words, file=sys.stderr, flush=True)
    try:
        return download()
    except (OSError, RuntimeError) as error:
        raise SystemExit(
            f"CIFAR-10 is not in {FOLDER}, and the download failed: {error}\n"
            f"Fetch {CIFAR10.url} (md5 {CIFAR10.tgz_md5}) elsewhere and put it, as it is, at\n"
            f"{FOLDER / CIFAR10.filename}; or name the folder that has it in CIFAR10_FOLDER."
        ) from None


def download():
    FOLDER.mkdir(parents=True, exist_ok=True)
    tqdm.monitor_interval = 0  # its thread would outlive the download: nothing to fork with
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)  # s
    try:
        with (FOLDER / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until another study has downloaded it
            return CIFAR10(FOLDER, transform=TO_NUMBERS, download=True)
    finally:
        socket.setdefaulttimeout(patience)


IMAGES = open_images()  # once, at import: every trial is forked from here and shares them
TRAIN = Subset(IMAGES, [i for i in range(len(IMAGES)) if i % 5])
VALIDATION = Subset(IMAGES, range(0, len(IMAGES), 5))


def build(l1, l2):
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(16 * 5 * 5, l1), nn.ReLU()),
        *(nn.Linear(l1, l2), nn.ReLU()),
        nn.Linear(l2, 10),
    )


@torch.no_grad()
def evaluate(model, batches, device):
    model.eval()
    right, loss = 0, 0.0
    for images, labels in batches:
        scores, truth = model(images.to(device)), labels.to(device)
        right += (scores.argmax(1) == truth).sum().item()
        loss += nn.functional.cross_entropy(scores, truth, reduction="sum").item()
    return right / len(VALIDATION), loss / len(VALIDATION)


def train(trial):
    config = trial.config
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)  # of two CPUs one computes, the other loads
    batches = DataLoader(TRAIN, config["batch_size"], shuffle=True, num_workers=1)
    val_batches = DataLoader(VALIDATION, 256, num_workers=1)
    model = build(config["l1"], config["l2"]).to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=config["lr"], momentum=0.9)

    start = 0
    if trial.resume_path:  # this trial has run before and left a checkpoint
        state = torch.load(trial.resume_path / "state.pt", map_location=device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["epoch"]

    for epoch in range(start, trial.max_resource):
        model.train()
        for images, labels in batches:
            loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        accuracy, val_loss = evaluate(model, val_batches, device)
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch + 1,
        }
        trial.report(
            epoch=epoch + 1,
            val_accuracy=accuracy,
            val_loss=val_loss,
            save=lambda folder, state=state: torch.save(state, folder / "state.pt"),
        )
