"""What `check` tells beforehand: of the file, and of the study that it has begun."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pytest
from workshop import Workshop

QUICK = """
def train(trial):
    for epoch in range(1, 4):
        trial.report(epoch=epoch, loss=trial.config["x"] + 1 / epoch)
"""
SLOW = QUICK.replace("    for", "    import time\n    for").replace(
    "trial.r", "time.sleep(0.3); trial.r"
)
SCRIPT = """
for epoch in range(1, 4):
    print("epoch", epoch, "loss", 1 / epoch, flush=True)
"""


def command_study(workshop: Workshop, more: str = "") -> Path:
    workshop.write("script.py", SCRIPT)
    return workshop.write(
        "study.toml",
        f"""
[objective]
metric = "loss"
mode = "min"
[trial]
command = ["{sys.executable}", "script.py", ["{{x}}"]]
{more}
[trial.metrics]
epoch = 'epoch (\\d+)'
loss = 'loss ([0-9.]+)'
[space]
x = [1, 2]
[search]
trials = 2
[pruning]
method = "asha"
resource = "epoch"
max = 3
""",
    )


def doubts(workshop: Workshop, *words: object) -> list[str]:
    """The warnings of a check that finds nothing wrong."""
    done = workshop.run("check", *words)
    assert done.returncode == 0, done.stderr
    assert ": ok" in done.stdout
    assert all(": warning: " in line for line in done.stderr.splitlines()), done.stderr
    return [line.partition(": warning: ")[2] for line in done.stderr.splitlines()]


def test_a_study_of_a_function_has_nothing_to_warn_of(workshop: Workshop):
    file = workshop.study(QUICK, '[pruning]\nmethod = "asha"\nresource = "epoch"\nmax = 3\n')
    assert doubts(workshop, file) == []
    assert workshop.run(file, "--no-ui").returncode == 0
    assert doubts(workshop, file) == []


def test_a_command_is_said_to_end_by_itself_at_max(workshop: Workshop):
    (words,) = doubts(workshop, command_study(workshop))
    assert words.startswith("[pruning] max = 3: the command is not signalled at epoch 3")
    assert "let it stop at epoch 3" in words
    assert doubts(workshop, workshop.study(QUICK, name="other")) == []


def test_several_matches_within_one_epoch_are_told_once_they_were_seen(workshop: Workshop):
    file = command_study(workshop)
    assert workshop.run(file, "--no-ui").returncode == 0
    assert len(doubts(workshop, file)) == 1
    with sqlite3.connect(workshop.folder() / "study.db") as db:
        db.execute(
            "INSERT INTO reports SELECT 1000000, time, trial, attempt, step, value, metrics, "
            "can_save FROM reports WHERE trial = 0 AND step = 1"
        )
    words = doubts(workshop, file)[1]
    assert "matched several times within one epoch (in study, epoch 1 of #0)" in words
    assert doubts(workshop, file, "--runs", "elsewhere") == doubts(workshop, file)[:1]


@pytest.mark.parametrize(("within", "warned"), [("0.1s", True), ("5m", False)])
def test_a_leave_shorter_than_an_epoch_is_warned_of_once_one_was_seen(
    workshop: Workshop, within: str, *, warned: bool
):
    file = workshop.study(SLOW, f'leave_within = "{within}"\n', trials=1)
    assert doubts(workshop, file) == []
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stderr
    words = doubts(workshop, file)
    assert len(words) == warned
    if warned:
        assert words[0].startswith("[trial] leave_within = 0.1 s: in study up to 0.")
        assert "s passed between two reports" in words[0]
        assert "loses what it has done since its last checkpoint" in words[0]


def test_a_file_that_has_become_another_studys_is_told_as_the_run_refuses_it(workshop: Workshop):
    file = workshop.study(QUICK, trials=1)
    assert workshop.run(file, "--no-ui").returncode == 0
    words = "a run is refused without --new, since study was begun otherwise: [search] seed: was 0, is 3"
    assert doubts(workshop, file, "--set", "search.seed=3") == [words]
    assert workshop.run(file, "--no-ui", "--set", "search.seed=3").returncode == 2


def test_what_a_switched_off_pruning_says_besides_is_told(workshop: Workshop):
    file = workshop.study(QUICK, '[pruning]\nmethod = "none"\nmax = 3\nreduction = 4\n')
    assert doubts(workshop, file) == ['[pruning] reduction: without effect, since method = "none"']


def test_a_runs_folder_that_can_not_be_used_is_told_as_the_run_tells_it(workshop: Workshop):
    file = workshop.study(QUICK)
    workshop.write("plain", "")
    for place in ("/dev/null", "/dev/null/runs", "plain/runs"):
        environment = {**workshop.environment, "TUITUNE_RUNS": place}
        checked = workshop.run("check", file, env=environment)
        run = workshop.run(file, "--no-ui", env=environment)
        assert (checked.returncode, checked.stdout) == (run.returncode, run.stdout) == (2, "")
        assert checked.stderr == run.stderr
    assert workshop.run("check", file, "--runs", "new/runs").returncode == 0
    assert not (workshop.path / "new").exists()
