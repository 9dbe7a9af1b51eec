"""Reports that make no sense: what is legal is kept in order, the rest is one warning a trial."""

from __future__ import annotations

import math

from workshop import Workshop

from tuitune.events import Reported, Warned
from tuitune.store.reader import Reader


def facts(workshop: Workshop, kind: type) -> list:
    reader = Reader.open(workshop.folder() / "study.db")
    try:
        return [fact for _, fact in reader.facts() if type(fact) is kind]
    finally:
        reader.close()


def test_odd_values_are_kept_and_nonsense_is_one_warning_each(workshop: Workshop):
    code = """
    def train(trial):
        trial.report(step=1, loss=float("nan"))
        trial.report(step=2, loss=float("inf"))
        for step in range(3, 6):
            trial.report(step=step, loss=1.0, note="a string")
        trial.report(step=6, other=1.0)
        trial.report(step=4, loss=9.0)
        trial.report(step=5, loss=9.0)
        trial.report(step=7, loss=0.5)
        trial.report(step="eight", loss=0.1)
    """
    more = """
    [pruning]
    resource = "step"
    """
    done = workshop.run(workshop.study(code, more, trials=1), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    reports = facts(workshop, Reported)
    assert [r.step for r in reports] == [1, 2, 3, 4, 5, 6, 7]
    assert math.isnan(reports[0].metrics["loss"])
    assert reports[1].metrics["loss"] == math.inf
    assert all("note" not in r.metrics for r in reports)
    warnings = [w.text for w in facts(workshop, Warned)]
    assert len(warnings) == len(set(warnings))
    assert len([w for w in warnings if "note" in w]) == 1
    assert workshop.trials()[0]["value"] == 0.5


def test_ten_thousand_reports_at_once_all_arrive_in_order(workshop: Workshop):
    code = """
    def train(trial):
        for step in range(1, 10_001):
            trial.report(step=step, loss=1.0 / step)
    """
    more = """
    [pruning]
    resource = "step"
    """
    done = workshop.run(workshop.study(code, more, trials=2), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    for number in range(2):
        steps = [r.step for r in facts(workshop, Reported) if r.trial == number]
        assert steps == list(range(1, 10_001))


def test_counting_epochs_from_zero_is_told_with_the_mend(workshop: Workshop):
    code = """
    def train(trial):
        for epoch in range(trial.max_resource):
            trial.report(epoch=epoch, loss=1.0)
    """
    more = """
    [pruning]
    resource = "epoch"
    max = 3
    """
    workshop.run(workshop.study(code, more, trials=1), "--no-ui")
    (warning,) = facts(workshop, Warned)
    assert "counts from 1" in warning.text
