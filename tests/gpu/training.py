"""Training code of the studies of first_hour.sh: with DRY=1 without CUDA.

Dry, `steady` takes memory of the tests' GPU by a line in its file, so that it can be parked there.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

DRY = bool(os.environ.get("DRY"))
if not DRY:
    import torch
    from torch import nn


def multiply(trial) -> None:
    """Six reports, 1.2 s apart (dry: 0.1 s), of large products on the one GPU that it may see."""
    assert os.environ["CUDA_VISIBLE_DEVICES"].startswith(("GPU-", "MIG-"))
    if not DRY:
        assert torch.cuda.device_count() == 1
        matrix = product = torch.randn(4096, 4096, device="cuda")
    for _ in range(6):
        end = time.monotonic() + (0.1 if DRY else 1.2)
        while time.monotonic() < end:
            if DRY:
                time.sleep(0.01)
                continue
            product = (matrix @ product).tanh_()
            torch.cuda.synchronize()
        trial.report(loss=trial.config["lr"])


def steady(trial) -> None:
    """Twenty reports that are the same in each run, by a training that any lost bit changes."""
    if DRY:
        with Path(os.environ["NVML_WORLD"] + ".live").open("a") as file:
            file.write(f"process gpu=0 pid={os.getpid()} memory=2000 live=1\n")
        state = trial.config["lr"]
        for _ in range(20):
            time.sleep(0.1)
            state = 4 * state * (1 - state)
            trial.report(loss=state)
        return
    torch.manual_seed(trial.seed)
    data = torch.randn(1 << 28, device="cuda")  # 1 GiB
    network = nn.Sequential(nn.Linear(512, 512), nn.Tanh(), nn.Linear(512, 512)).cuda()
    optimizer = torch.optim.Adam(network.parameters(), lr=trial.config["lr"])
    for epoch in range(20):
        end = time.monotonic() + 0.5
        for batch in data[: 512 * 6400].view(100, 64, 512):
            loss = network(batch + 0.01 * torch.randn_like(batch)).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        data[epoch] = loss.detach()
        time.sleep(max(0.0, end - time.monotonic()))
        trial.report(loss=float(loss))


def convolve(trial) -> None:
    """A small network on made-up images, EPOCHS reports; about half of the time is the CPU's."""
    epochs = int(os.environ["EPOCHS"])
    if DRY:
        for _ in range(epochs):
            time.sleep(0.01)
            trial.report(loss=trial.config["lr"])
        return
    images, labels = torch.rand(4096, 3, 32, 32), torch.randint(0, 10, (4096,))
    layers = [nn.Conv2d(3, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 10)]
    network = nn.Sequential(*layers).cuda()
    optimizer = torch.optim.SGD(network.parameters(), lr=trial.config["lr"])
    for _ in range(epochs):
        for batch in torch.randperm(len(images)).split(64):
            noisy = images[batch] + 0.01 * torch.randn(len(batch), 3, 32, 32)
            loss = nn.functional.cross_entropy(network(noisy.cuda()), labels[batch].cuda())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        trial.report(loss=float(loss))
