"""The callback for Lightning, in studies with the real package."""

from __future__ import annotations

from packages import needs
from promoting import assert_promotion_loses_nothing
from workshop import Workshop

needs("lightning")

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
    for trial in workshop.trials("promoted"):
        folder = workshop.path / f"runs/promoted/trials/{trial['trial']:04}"
        assert (folder / "complete").exists() is (trial["state"] == "COMPLETE")
        assert (folder / "output.log").read_text().count("fit has ended") == trial["attempts"]
