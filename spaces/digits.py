"""Trains a small convolutional network on scikit-learn's digits: the study is digits.toml."""

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

DATA = load_digits()  # once, at import: every trial is forked from here and shares it
IMAGES = DATA.images[:, None].astype("float32")  # (1797, 1, 8, 8)
SPLIT = train_test_split(IMAGES, DATA.target, test_size=450, random_state=0, stratify=DATA.target)
MEAN, STD = SPLIT[0].mean(), SPLIT[0].std()


def build(channels, layers, dropout):
    blocks, width, size = [], 1, 8
    for _ in range(layers):
        blocks += [nn.Conv2d(width, channels, 3, padding=1), nn.ReLU()]
        width = channels
        if size > 2:
            blocks.append(nn.MaxPool2d(2))
            size //= 2
    classify = nn.Linear(width * size * size, 10)
    return nn.Sequential(*blocks, nn.Flatten(), nn.Dropout(dropout), classify)


def make_optimizer(model, config):
    if config["optimizer"] == "sgd":
        options = {"momentum": config["momentum"]}  # in the configuration of "sgd" trials alone
        make = torch.optim.SGD
    else:
        options = {}
        make = torch.optim.AdamW
    return make(model.parameters(), lr=config["lr"], weight_decay=config["weight_decay"], **options)


def train(trial):
    config = trial.config
    images, val_images = (torch.from_numpy((x - MEAN) / STD) for x in SPLIT[:2])
    labels, val_labels = (torch.from_numpy(y) for y in SPLIT[2:])
    model = build(config["channels"], config["layers"], config["dropout"])
    optimizer = make_optimizer(model, config)

    start = 0
    if trial.resume_path:  # this trial has run before and left a checkpoint
        state = torch.load(trial.resume_path / "state.pt")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["epoch"]

    for epoch in range(start, trial.max_resource):
        model.train()
        for batch in torch.randperm(len(images)).split(config["batch_size"]):
            loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        model.eval()
        with torch.no_grad():
            scores = model(val_images)
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch + 1,
        }
        trial.report(
            epoch=epoch + 1,
            val_accuracy=(scores.argmax(1) == val_labels).float().mean(),
            val_loss=nn.functional.cross_entropy(scores, val_labels),
            save=lambda folder, state=state: torch.save(state, folder / "state.pt"),
        )
