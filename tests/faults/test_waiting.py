"""A trial that waits for an answer gets the one to the report that it waits with."""

from __future__ import annotations

from workshop import Workshop, wait_until

from tuitune.core.events import Reported, Verdict

TARGET = """
[pruning]
method = "asha"
resource = "epoch"
max = 9
[limits]
target = 0.5
"""


def test_a_trial_that_reaches_the_target_while_the_study_lets_it_end_goes_on(workshop: Workshop):
    code = f"""
    import time
    from pathlib import Path

    def train(trial):
        trial.report(epoch=1, loss=0.9)
        Path({str(workshop.path / "ready")!r}).touch()
        while not Path({str(workshop.path / "go")!r}).exists():
            time.sleep(0.01)
        for epoch in range(2, 10):
            trial.report(epoch=epoch, loss=0.1)
    """
    process = workshop.start(workshop.study(code, TARGET, trials=1), "--no-ui")
    wait_until((workshop.path / "ready").exists, "the first report")
    assert workshop.run("stop", "study", "--finish").returncode == 0
    workshop.write("go", "")
    assert process.wait(60) == 0
    (trial,) = workshop.trials()
    assert (trial["state"], trial["step"]) == ("COMPLETE", 9)


def test_each_step_is_answered_once_however_often_it_is_reported(workshop: Workshop):
    code = """
    def train(trial):
        for epoch in range(1, 10):
            for batch in range(3):
                trial.report(epoch=epoch, loss=trial.number + 1 / epoch)
    """
    more = """
    [pruning]
    method = "median"
    resource = "epoch"
    max = 9
    """
    done = workshop.run(workshop.study(code, more, trials=1), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [verdict.step for verdict in workshop.facts(Verdict)] == list(range(1, 10))
    assert len(workshop.facts(Reported)) == 27
