"""The callback for Hugging Face's Trainer, in studies with the real package."""

from __future__ import annotations

from packages import needs
from promoting import assert_promotion_loses_nothing
from workshop import Workshop

needs("transformers", "accelerate")

MODEL = """
import torch
from transformers import Trainer, TrainingArguments

from tuitune.integrations.transformers import TuituneCallback, train as train_as_trial


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(4, 1)

    def forward(self, inputs, labels):
        return {"loss": ((self.layer(inputs) - labels) ** 2).mean()}


X = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
DATA = [{"inputs": row, "labels": row.sum()[None]} for row in X]


def make(x, folder, **options):
    arguments = TrainingArguments(
        output_dir=str(folder), learning_rate=x * 0.1, per_device_train_batch_size=4,
        gradient_accumulation_steps=2, num_train_epochs=4, use_cpu=True, disable_tqdm=True,
        report_to=[], **options,
    )
    return Trainer(Model(), arguments, train_dataset=DATA, eval_dataset=DATA)
"""
EPOCHS = """
from model import *


def train(trial):
    trainer = make(trial.config["x"], trial.folder, eval_strategy="epoch", save_strategy="no")
    train_as_trial(trainer)
    trainer.evaluate()
    (trial.folder / "complete").touch()
"""


def test_promotion_loses_nothing(workshop: Workshop):
    """Optimizer, scheduler, random states and epoch go on; a later evaluation is no report."""
    workshop.write("model.py", MODEL)
    workshop.write("t.py", EPOCHS)
    assert_promotion_loses_nothing(workshop, 'target = "t.py:train"', metric="eval_loss")
    for trial in workshop.trials("promoted"):
        folder = workshop.path / f"runs/promoted/trials/{trial['trial']:04}"
        assert (folder / "complete").exists() is (trial["state"] == "COMPLETE")
        assert not list(folder.glob("checkpoint-*")), "no checkpoint but its own"
