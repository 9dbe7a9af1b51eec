"""A large study in our own store."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from stored_study import REPORTS, TRIALS, configuration, losses, serve

from tuitune.core.events import Reported
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader
from tuitune.store.rows import TrialRow

if TYPE_CHECKING:
    from pathlib import Path


def build(path: Path) -> None:
    journal, draw = Journal.open(path, "loss"), random.Random(0)
    for trial in range(TRIALS):
        points = enumerate(losses(trial), start=1)
        facts = [Reported(1.0, trial, 1, step, {"loss": loss}) for step, loss in points]
        last = facts[-1].metrics["loss"]
        row = TrialRow(trial, "COMPLETE", configuration(draw), "random", "", last, REPORTS, 1)
        journal.write(facts, [row])
    journal.close()


def read(path: Path) -> tuple[int, int]:
    reader = Reader.open(path)
    trials, curves = reader.trials(), reader.curves()
    assert min(trials, key=lambda trial: trial.value).config
    return len(trials), sum(len(curve.steps) for curve in curves.values())


serve(build, read)
