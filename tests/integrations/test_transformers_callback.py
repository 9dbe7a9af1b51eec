"""The callback for Hugging Face's Trainer, in studies with the real package."""

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

needs("transformers", "accelerate")
pytestmark = pytest.mark.timeout(600)  # imports of many seconds on a busy machine

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
    trainer = make(trial.config["x"], trial.folder, eval_strategy="epoch", save_strategy="epoch")
    train_as_trial(trainer)
    trainer.evaluate()
    (trial.folder / "complete").touch()
"""


def test_promotion_loses_nothing(workshop: Workshop):
    """Optimizer, scheduler, random states and epoch go on; a later evaluation is not a report."""
    workshop.write("model.py", MODEL)
    workshop.write("t.py", EPOCHS)
    assert_promotion_loses_nothing(workshop, 'target = "t.py:train"', metric="eval_loss")
    for trial, folder in assert_only_complete_trials_wrote(workshop, "complete"):
        if trial["step"] == 1:
            assert not list(folder.glob("checkpoint-*")), "a stop writes no second checkpoint"


CASES = """
from model import *

OPTIONS = {
    "epochs": {"eval_strategy": "epoch"},
    "steps": {"eval_strategy": "steps", "eval_steps": 6},
    "at the start": {"eval_strategy": "epoch", "eval_on_start": True},
}


def train(trial):
    trainer = make(0.1, trial.folder, save_strategy="no", **OPTIONS[trial.config["case"]])
    trainer.eval_dataset = {"a": DATA[:32], "b": DATA}
    train_as_trial(trainer)
"""


@pytest.mark.parametrize(
    ("resource", "last", "expected"),
    [
        ("epoch", 4, {"epochs": [1, 2, 3, 4], "steps": [1, 2, 3, 4], "at the start": [1, 2, 3, 4]}),
        (
            "step",
            32,
            {
                "epochs": [8, 16, 24, 32],
                "steps": [6, 12, 18, 24, 30, 32],
                "at the start": [8, 16, 24, 32],
            },
        ),
    ],
)
def test_each_evaluation_is_reported_once_at_its_step(
    workshop: Workshop, resource: str, last: int, expected: dict[str, list[int]]
):
    """Batches are accumulated by two: steps are the optimizer's. The second data set counts."""
    workshop.write("model.py", MODEL)
    workshop.write("t.py", CASES)
    kinds = {"resource": resource, "metric": "eval_b_loss", "last": last}
    assert steps_by_case(workshop, 'target = "t.py:train"', expected, **kinds) == expected


TWO_RANKS = """
import sys
from model import *

trainer = make(
    0.1, sys.argv[1], eval_strategy="steps", eval_steps=4, save_strategy="no", ddp_backend="gloo"
)
train_as_trial(trainer)
"""


@pytest.mark.usefixtures("python_of_the_tests")  # torchrun is beside it
def test_two_ranks_save_together_and_report_once(workshop: Workshop):
    workshop.write("model.py", MODEL)
    workshop.write("script.py", TWO_RANKS)
    command = ["torchrun", "--standalone", "--nproc-per-node=2", "script.py", "{trial.folder}"]
    target = f'command = {command}\ncheckpoint_every = "0s"'
    kinds = {"metric": "eval_loss", "resource": "step", "method": "none", "last": 16}
    file = write_study(workshop, "ranks", target, search='method = "random"\ntrials = 1', **kinds)
    run(workshop, file, {})
    assert [step for _, step, _ in curves(workshop, "ranks", "eval_loss")[0]] == [4, 8, 12, 16]
    (saved,) = (workshop.path / "runs/ranks/trials/0000/checkpoints").glob("*/checkpoint-16")
    assert {"optimizer.pt", "rng_state_0.pth", "rng_state_1.pth"} <= {
        file.name for file in saved.iterdir()
    }
