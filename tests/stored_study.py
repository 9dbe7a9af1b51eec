"""A study that is only stored: its file, and its trials as rows of its store."""

from __future__ import annotations

from pathlib import Path

from tuitune.store.journal import Journal
from tuitune.store.rows import TrialRow

FILE = """
[objective]
metric = "loss"
mode = "min"
[trial]
command = ["true"]
[space]
lr = { low = 0.0, high = 1.0 }
width = { low = 1, high = 64 }
"""


def store(folder: Path) -> Journal:
    """The journal of a new study in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(FILE)
    return Journal.open(folder / "study.db", "loss")


def finished(number: int) -> TrialRow:
    """A trial whose loss is its lr, and doesn't depend on its width."""
    lr = number * 0.618 % 1
    config = {"lr": lr, "width": 1 + number * 7 % 64}
    return TrialRow(number, "COMPLETE", config, "sobol", "point", value=lr, step=3, ended=9.0)
