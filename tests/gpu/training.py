"""Training code of the studies of first_hour.sh: with DRY=1 without CUDA."""

from __future__ import annotations

import os
import time

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
