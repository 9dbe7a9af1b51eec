"""The callback for Lightning, in studies with the real package."""

from __future__ import annotations

import pytest
from packages import needs
from promoting import (
    assert_only_complete_trials_wrote,
    assert_promotion_loses_nothing,
    curves,
    run,
    steps_by_case,
    write_study,
)
from workshop import Workshop

needs("lightning")
pytestmark = pytest.mark.timeout(600)  # imports of many seconds on a busy machine

MODEL = """
import torch
from lightning import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

from tuitune.integrations.lightning import TuituneCallback


class Model(LightningModule):
    def __init__(self, lr: float = 0.1):
        super().__init__()
        torch.manual_seed(0)
        self.lr = lr
        self.layer = torch.nn.Linear(4, 1)

    def loss(self, batch):
        inputs, expected = batch
        return ((self.layer(inputs) - expected) ** 2).mean()

    def training_step(self, batch):
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch):
        self.log("val_loss", self.loss(batch))

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), self.lr * 0.1, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)]


def data():
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    return DataLoader(TensorDataset(inputs, inputs.sum(1, keepdim=True)), 8)


QUIET = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "logger": False,
}
"""
TRAIN = """
from model import *


def train(trial):
    trainer = Trainer(max_epochs=4, min_epochs=4, callbacks=[TuituneCallback()], **QUIET)
    model = Model(trial.config["x"])
    trainer.fit(model, data(), data())
    print("fit has ended")
    trainer.validate(model, data(), verbose=False)
    (trial.folder / "complete").touch()
"""


def test_promotion_loses_nothing(workshop: Workshop):
    """Optimizer, scheduler and epoch go on; no sanity check and no later validation is a report."""
    workshop.write("model.py", MODEL)
    workshop.write("t.py", TRAIN)
    assert_promotion_loses_nothing(workshop, 'target = "t.py:train"', metric="val_loss")
    for trial, folder in assert_only_complete_trials_wrote(workshop, "complete"):
        assert (folder / "output.log").read_text().count("fit has ended") == trial["attempts"]


KILLED = """
import os
import signal

from model import *


class Killed(Model):
    def on_save_checkpoint(self, checkpoint):
        if self.trainer.current_epoch == 2 and self.is_first_attempt:
            os.kill(os.getpid(), signal.SIGKILL)


def train(trial):
    model = Killed(trial.config["x"])
    model.is_first_attempt = trial.attempt == 0
    Trainer(max_epochs=4, callbacks=[TuituneCallback()], **QUIET).fit(model, data(), data())
"""


def test_a_trial_killed_while_it_saves_continues_from_the_checkpoint_before(workshop: Workshop):
    workshop.write("model.py", MODEL)
    workshop.write("t.py", KILLED)
    target = 'target = "t.py:train"\nretries = 1\ncheckpoint_every = "0s"'
    search = 'method = "random"\ntrials = 1'
    file = write_study(workshop, "killed", target, metric="val_loss", method="none", search=search)
    run(workshop, file, {})
    curve = curves(workshop, "killed", "val_loss")[0]
    assert [(attempt, step) for attempt, step, _ in curve] == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 3),
        (1, 4),
    ]
    assert curve[2][2] == curve[3][2], "the same epoch has the same value"


TWO_RANKS = """
from model import *


def train(trial):
    trainer = Trainer(
        max_epochs=4, callbacks=[TuituneCallback()], strategy="ddp_notebook", devices=2, **QUIET
    )
    trainer.fit(Model(trial.config["x"]), data(), data())
"""


def test_two_ranks_save_together_and_stop_together(workshop: Workshop):
    workshop.write("model.py", MODEL)
    workshop.write("t.py", TWO_RANKS)
    assert_promotion_loses_nothing(workshop, 'target = "t.py:train"', metric="val_loss")


CASES = """
from model import *

OPTIONS = {
    "every epoch": {},
    "twice an epoch": {"val_check_interval": 0.5},
    "every second epoch": {"check_val_every_n_epoch": 2},
    "across epochs": {"val_check_interval": 12, "check_val_every_n_epoch": None},
    "never": {"limit_val_batches": 0},
}


class Both(Model):
    def on_train_epoch_end(self):
        if not self.trainer.enable_validation:
            self.log("val_loss", 1.0)


def train(trial):
    trainer = Trainer(
        max_epochs=4, callbacks=[TuituneCallback()], **OPTIONS[trial.config["case"]], **QUIET
    )
    trainer.fit(Both(), data(), data())
"""


@pytest.mark.parametrize(
    ("resource", "last", "expected"),
    [
        (
            "epoch",
            4,
            {
                "every epoch": [1, 2, 3, 4],
                "twice an epoch": [1, 2, 3, 4],
                "every second epoch": [2, 4],
                "across epochs": [2, 3],
                "never": [1, 2, 3, 4],
            },
        ),
        (
            "step",
            32,
            {
                "every epoch": [8, 16, 24, 32],
                "twice an epoch": [4, 8, 12, 16, 20, 24, 28, 32],
                "every second epoch": [16, 32],
                "across epochs": [12, 24],
                "never": [8, 16, 24, 32],
            },
        ),
    ],
)
def test_each_validation_is_reported_once_at_its_step(
    workshop: Workshop, resource: str, last: int, expected: dict[str, list[int]]
):
    workshop.write("model.py", MODEL)
    workshop.write("t.py", CASES)
    kinds = {"resource": resource, "metric": "val_loss", "last": last}
    assert steps_by_case(workshop, 'target = "t.py:train"', expected, **kinds) == expected
