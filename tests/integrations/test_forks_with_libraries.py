"""Packages that start threads when they are imported, and trials that are forked all the same."""

from __future__ import annotations

import pytest

# 1 where the trial is a fork of the process that has imported its module
FORKED = """
import os
IMPORTER = os.getpid()
def train(trial):
    work()
    trial.report(loss=0.0 if os.getpid() == IMPORTER else 1.0)
"""

ARROW = """
import numpy
import pandas
table = pandas.DataFrame({"x": numpy.arange(1000.0)})
table.to_parquet("table.parquet")
def work():
    assert pandas.read_parquet("table.parquet").x.sum() == 499500.0
work()
"""

BAR = """
from tqdm.auto import tqdm
def work():
    assert len(list(tqdm(range(3)))) == 3
    assert tqdm.monitor is None or tqdm.monitor.is_alive()
work()
"""


@pytest.mark.parametrize("conf", ["", "narenas:1"])  # with the user's own its thread is started
def test_arrow_does_not_prevent_forks(workshop, conf):
    pytest.importorskip("pyarrow")
    pytest.importorskip("pandas")
    file = workshop.study(ARROW + FORKED)
    environment = workshop.environment | ({"JE_ARROW_MALLOC_CONF": conf} if conf else {})
    done = workshop.run(file, "--no-ui", env=environment)
    assert done.returncode == 0, done.stderr
    assert "imports all again" not in done.stdout
    assert [trial["value"] for trial in workshop.trials()] == [1.0] * 3


def test_a_progress_bar_does_not_prevent_forks(workshop):
    pytest.importorskip("tqdm")
    done = workshop.run(workshop.study(BAR + FORKED), "--no-ui")
    assert done.returncode == 0, done.stderr
    assert "imports all again" not in done.stdout
    assert [trial["value"] for trial in workshop.trials()] == [1.0] * 3
