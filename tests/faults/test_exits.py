"""Processes that do not exit though their work is done, and scripts that answer a stop with 0."""

from __future__ import annotations

import os
import signal

import pytest
from workshop import Workshop, wait_until

from tuitune.ipc.process_tree import children

HANGS = """
import threading, time

def train(trial):
    threading.Thread(target=time.sleep, args=(3600,)).start()  # no daemon: Python waits for it
    trial.report(epoch=1, loss=trial.config["x"])
    {end}
"""
MORE = """
[pruning]
resource = "epoch"
max = 1
"""


@pytest.mark.parametrize(
    ("end", "state"), [("return", "COMPLETE"), ("raise ValueError('it is wrong')", "COMPLETE")]
)
def test_a_complete_trial_that_does_not_exit_gives_its_slot_back(
    workshop: Workshop, end: str, state: str
):
    workshop.waits = 1.0
    file = workshop.study(HANGS.format(end=end), MORE, trials=3)
    done = workshop.run(file, "--no-ui", timeout=110)
    assert [trial["state"] for trial in workshop.trials()] == [state] * 3, done.stdout
    assert "does not exit" in done.stdout


def test_one_that_raised_and_does_not_exit_has_failed_with_what_it_raised(workshop: Workshop):
    workshop.waits = 1.0
    file = workshop.study(HANGS.format(end="raise ValueError('it is wrong')"), trials=1)
    workshop.run(file, "--no-ui", timeout=110)
    (trial,) = workshop.trials()
    assert trial["state"] == "FAILED"
    assert "it is wrong" in trial["error"]


ANSWERS = """
import signal, sys, time

def train(trial):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    trial.report(epoch=1, loss=trial.config["x"])
    (trial.folder / "reported").touch()
    time.sleep(3600)
"""


def test_exit_status_0_after_a_stop_is_no_completion(workshop: Workshop):
    workshop.waits = 1.0
    engine = workshop.start(workshop.study(ANSWERS, trials=1), "--no-ui")
    trial = workshop.path / "runs" / "study" / "trials" / "0000"
    wait_until((trial / "reported").exists, "the report")
    engine.send_signal(signal.SIGINT)
    assert engine.wait(60) == 130
    (row,) = workshop.trials()
    assert row["state"] == "WAITING"


SAVES = """
import time

def train(trial):
    start = int((trial.resume_path / "epoch").read_text()) if trial.resume_path else 0
    for epoch in range(start + 1, 4):
        (trial.folder / f"epoch{epoch}").touch()
        time.sleep(0.2)

        def save(folder):
            end = time.monotonic() + 5  # sixteen times what the trial has to leave in
            while time.monotonic() < end:
                time.sleep(0.02)
            (folder / "epoch").write_text(str(epoch))

        trial.report(epoch=epoch, loss=trial.config["x"], save=save)
"""


def test_a_save_that_takes_longer_than_the_grace_is_not_cut_short(workshop: Workshop):
    workshop.waits = 0.3
    file = workshop.study(SAVES, '[pruning]\nresource = "epoch"\nmax = 100\n', trials=1)
    engine = workshop.start(file, "--no-ui")
    trial = workshop.path / "runs" / "study" / "trials" / "0000"
    wait_until((trial / "epoch1").exists, "the first epoch")
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(60) == 130
    (row,) = workshop.trials()
    assert row["state"] == "WAITING"
    assert "goes on from step" in row["note"]
    (checkpoint,) = (trial / "checkpoints").iterdir()
    assert int((checkpoint / "epoch").read_text()) == int(checkpoint.name)


CATCHES = """
import time

def train(trial):
    for epoch in range(1, 10**9):
        try:
            trial.report(epoch=epoch, loss=trial.config["x"], save=lambda folder: None)
        except:
            time.sleep(0.01)
"""


@pytest.mark.parametrize(("most", "state"), [(3, "COMPLETE"), (10**8, "PAUSED")])
def test_code_that_catches_the_order_to_end_is_told_of_and_ended(workshop: Workshop, most, state):
    workshop.waits = 0.5
    engine = workshop.start(
        workshop.study(CATCHES, MORE.replace("1", str(most)), trials=1), "--no-ui"
    )
    wait_until((workshop.folder() / "trials" / "0000" / "output.log").exists, "the trial")
    if state == "PAUSED":
        assert workshop.run("pause", "study", "0").returncode == 0
    wait_until(lambda: [trial["state"] for trial in workshop.trials()] == [state], state)
    workshop.run("stop", "study")
    output, _ = engine.communicate(timeout=60)
    assert "its code has caught TrialStopped, which tells it to end, and goes on" in output
    assert "was told to end, and goes on" in output


LEAVES = """
import time

def train(trial):
    begun = trial.resume_path is not None
    while not begun:
        time.sleep(0.01)
        trial.report(loss=trial.config["x"], save=lambda folder: (folder / "model").touch())
    trial.report(loss=0.0)
"""


def test_sigusr1_to_all_processes_of_a_job_lets_its_trials_save(workshop: Workshop):
    """As SLURM sends it; the model's process is there, too."""
    file = workshop.study(LEAVES, trials=8)
    engine = workshop.start(file, "--no-ui", "--set", "search.method=bayes")
    wait_until((workshop.folder() / "trials" / "0001").exists, "two trials")
    wait_until(lambda: all(trial["value"] for trial in workshop.trials()), "reports")
    wait_until(lambda: len(children(engine.pid)) >= 2, "the zygote and the model's process")
    for pid in {*workshop.left_over(), *children(engine.pid), engine.pid}:
        os.kill(pid, signal.SIGUSR1)
    output, _ = engine.communicate(timeout=60)
    assert engine.returncode == 130, output
    assert "stopped by SIGUSR1" in output
    assert {trial["state"] for trial in workshop.trials()} == {"WAITING"}
    assert all("goes on from step" in trial["note"] for trial in workshop.trials())


def test_who_stops_a_study_hears_how_long_that_takes_and_may_not_wait(workshop: Workshop):
    engine = workshop.start(workshop.study(ANSWERS, trials=1), "--no-ui")
    trial = workshop.path / "runs" / "study" / "trials" / "0000"
    wait_until((trial / "reported").exists, "the report")
    first = workshop.run("stop", "study")
    assert "waiting for 1 running trial to save and leave, for at most 20s" in first.stdout
    assert workshop.run("stop", "study", "--now", "--finish").returncode == 2
    second = workshop.run("stop", "study", "--now")
    assert "killing 1 running trial" in second.stdout
    output, _ = engine.communicate(timeout=60)
    assert engine.returncode == 130
    assert "at most 20s plus the time of a save" in output
