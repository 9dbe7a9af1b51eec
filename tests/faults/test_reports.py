"""Reports that make no sense: what is legal is kept in order, the rest is one warning a trial."""

from __future__ import annotations

import math
import sys

from workshop import Workshop

from tuitune.core.events import Reported, Warned


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
    reports = workshop.facts(Reported)
    assert [r.step for r in reports] == [1, 2, 3, 4, 5, 6, 4, 5, 7]
    assert math.isnan(reports[0].metrics["loss"])
    assert reports[1].metrics["loss"] == math.inf
    assert all("note" not in r.metrics for r in reports)
    warnings = [w.text for w in workshop.facts(Warned)]
    assert len(warnings) == len(set(warnings))
    assert len([w for w in warnings if "note" in w]) == 1
    assert "step = 4 after 6: kept, but not judged; count step upwards" in warnings
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
        steps = [r.step for r in workshop.facts(Reported) if r.trial == number]
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
    (warning,) = workshop.facts(Warned)
    assert "counts from 1" in warning.text


THREE = """
[pruning]
method = "none"
resource = "epoch"
max = 3
"""


def test_a_step_may_be_reported_in_parts_and_its_last_objective_counts(workshop: Workshop):
    code = """
    def train(trial):
        for epoch in range(1, trial.max_resource + 1):
            trial.report(epoch=epoch, train_loss=9.0)
            for batch in range(5):
                trial.report(epoch=epoch, loss=10.0 / epoch - batch)
        print("saves its model")
    """
    done = workshop.run(workshop.study(code, THREE, trials=1), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    (trial,) = workshop.trials()
    assert (trial["state"], trial["step"]) == ("COMPLETE", 3)
    assert trial["value"] == 10 / 3 - 4
    assert not workshop.facts(Warned)
    assert (workshop.folder() / "trials/0000/output.log").read_text() == "saves its model\n"


def test_a_command_that_prints_each_batch_saves_its_model(workshop: Workshop):
    workshop.write(
        "train.py",
        """
        import time
        for epoch in (1, 2, 3):
            for batch in range(3):
                print(f"epoch {epoch} batch {batch} loss={3 - epoch + 1 / (1 + batch)}", flush=True)
        time.sleep(0.3)
        open("model", "a").write("saved ")
        """,
    )
    file = workshop.study("", THREE, trials=2)
    text = file.read_text().replace(
        'target = "study_train.py:train"',
        f'command = ["{sys.executable}", "train.py", "{{x}}"]',
    )
    metrics = "[trial.metrics]\nloss = 'loss=(\\S+)'\nepoch = 'epoch (\\d+)'\n"
    file.write_text(text + metrics)
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (workshop.path / "model").read_text() == "saved saved "
    assert [trial["value"] for trial in workshop.trials()] == [1 / 3, 1 / 3]


def test_two_forks_that_report_end_in_words(workshop: Workshop):
    code = """
    import os
    def train(trial):
        pid = os.fork()
        try:
            for epoch in range(1, trial.max_resource + 1):
                trial.report(epoch=epoch, loss=1.0)
        finally:
            if pid:
                os.waitpid(pid, 0)
    """
    more = THREE.replace("none", "asha")
    workshop.run(workshop.study(code, more, trials=1), "--no-ui")
    (trial,) = workshop.trials()
    log = (workshop.folder() / "trials/0000/output.log").read_text()
    assert trial["state"] in ("COMPLETE", "FAILED")  # whichever of the two came second
    assert "another process of this trial reports already" in log
