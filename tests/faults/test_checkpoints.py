"""Which checkpoints are there after what happens to real trials, and which ones are gone on from."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import textwrap

import pytest
from workshop import Workshop, wait_until

from tuitune.core import events as ev
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader

# What each attempt began with is noted beside its checkpoints, and what it was trained with in them.
CODE = """
import json, os, time
from pathlib import Path

def train(trial):
    start = 0
    if trial.resume_path:
        start = int((trial.resume_path / "step").read_text())
        assert json.loads((trial.resume_path / "config").read_text()) == trial.config
    with open(trial.folder / "starts", "a") as starts:
        starts.write(f"{{start}}\\n")
    def save(folder):
        (folder / "step").write_text(str(step))
        (folder / "config").write_text(json.dumps(trial.config))
    for step in range(start + 1, 7):
        trial.report(step=step, loss=1.0 + trial.number - step / 10, save=save)
        {then}
"""

MORE = """
checkpoint_every = "0s"
[pruning]
resource = "step"
max = 6
"""


def held(workshop: Workshop) -> dict[int, list[int]]:
    """The steps of the checkpoints that lie there, of each trial that has some."""
    found: dict[int, list[int]] = {}
    for path in sorted(workshop.folder().glob("trials/????/checkpoints/[0-9]*")):
        found.setdefault(int(path.parent.parent.name), []).append(int(path.name))
    return found


def starts(workshop: Workshop, trial: int) -> list[int]:
    noted = workshop.folder() / f"trials/{trial:04d}/starts"
    return [int(line) for line in noted.read_text().split()] if noted.exists() else []


def states(workshop: Workshop) -> list[str]:
    return [trial["state"] for trial in workshop.trials()]


@pytest.mark.parametrize("keep", ["best", "all", "none"])
@pytest.mark.parametrize("how", ["fails", "is killed"])
def test_a_retry_goes_on_where_a_trial_failed_or_was_killed(
    workshop: Workshop, keep: str, how: str
):
    """While the other trial runs, so that the study is not complete."""
    then = """
        while trial.number == 1 and not Path("go").exists():
            time.sleep(0.01)
        if trial.number == 0 and step == 4 and trial.attempt == 0:
            FAIL
    """.replace("FAIL", "raise ValueError('bad')" if how == "fails" else "time.sleep(1000)")
    file = workshop.study(CODE.format(then=then), f'keep_checkpoints = "{keep}"' + MORE, trials=2)
    engine = workshop.start(file, "--no-ui")
    wait_until((workshop.folder() / "study.toml").exists)
    if how == "is killed":
        wait_until(lambda: 4 in held(workshop).get(0, []), "step 4")
        assert workshop.run("kill", "study", 0).returncode == 0
    wait_until(lambda: states(workshop)[:1] in (["FAILED"], ["KILLED"]), "its end")
    wait_until(lambda: held(workshop).get(0) == [4], "that only the newest is left")
    assert workshop.run("retry", "study", 0).returncode == 0
    wait_until(lambda: len(starts(workshop, 0)) == 2, "its second attempt")
    (workshop.path / "go").touch()
    assert engine.wait(60) == 0
    assert starts(workshop, 0) == [0, 4]
    wanted = {"best": {0: [6]}, "all": {0: [6], 1: [6]}, "none": {}}
    assert held(workshop) == wanted[keep]


@pytest.mark.parametrize(("keep", "begins"), [("best", [0, 4]), ("none", [0, 0])])
def test_a_retry_after_a_study_was_complete(workshop: Workshop, keep: str, begins: list[int]):
    """The study is given one more trial, which keeps it running meanwhile."""
    then = """
        while trial.number == 2 and not Path("go").exists():
            time.sleep(0.01)
        assert trial.number or step < 4 or trial.attempt
    """
    more = f'keep_checkpoints = "{keep}"' + MORE
    file = workshop.study(CODE.format(then=then), more, trials=2)
    assert workshop.run(file, "--no-ui").returncode == 0
    assert states(workshop) == ["FAILED", "COMPLETE"]
    assert held(workshop) == {"best": {0: [4], 1: [6]}, "none": {}}[keep]
    engine = workshop.start(file, "--no-ui", "--trials", 3)
    wait_until(lambda: len(states(workshop)) == 3, "the third trial")
    assert workshop.run("retry", "study", 0).returncode == 0
    wait_until(lambda: len(starts(workshop, 0)) == 2, "its second attempt")
    (workshop.path / "go").touch()
    assert engine.wait(60) == 0
    assert starts(workshop, 0) == begins
    assert held(workshop) == {"best": {0: [6]}, "none": {}}[keep]


def test_the_beaten_ones_checkpoint_goes_whoever_ends_while_the_best_still_saves(
    workshop: Workshop,
):
    """Of three the second is the new best, and the third fails while that writes its checkpoint.

    With two slots the next trial begins as soon as another one has ended.
    """
    code = """
    import time
    from pathlib import Path

    def wait(name):
        while not Path(name).exists():
            time.sleep(0.01)

    def train(trial):
        number = trial.number
        Path(f"begun{number}").touch()
        def save(folder):
            (folder / "x").write_text("x")
            Path(f"saving{number}").touch()
            if number % 3 == 1:
                wait(f"begun{number + 2}")
        if number % 3 == 1:
            wait(f"begun{number + 1}")
        if number % 3 == 2:
            wait(f"saving{number - 1}")
            raise ValueError("bad")
        trial.report(step=1, loss=1.0 / (number + 1), save=save)
    """
    more = """
    [pruning]
    resource = "step"
    max = 1
    """
    done = workshop.run(workshop.study(code, more, trials=7), "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert states(workshop) == ["COMPLETE", "COMPLETE", "FAILED"] * 2 + ["COMPLETE"]
    assert held(workshop) == {6: [1]}


def test_what_an_engine_that_was_killed_left_goes_when_the_study_is_opened(workshop: Workshop):
    file = workshop.study(CODE.format(then=""), MORE, trials=3)
    assert workshop.run(file, "--no-ui", "--set", "search.concurrency=1").returncode == 0
    assert held(workshop) == {0: [6]}
    trials = workshop.folder() / "trials"
    for step in (5, 6):  # as where it was killed before it had removed anything
        shutil.copytree(
            trials / "0000/checkpoints/00000006", trials / f"0002/checkpoints/{step:08}"
        )
    assert workshop.run(file, "--no-ui", "--trials", 4).returncode == 0
    assert held(workshop) == {0: [6]}


def test_checkpoints_that_cannot_be_removed_are_said_once_and_go_later(workshop: Workshop):
    then = """
        if trial.number == 0 and step == 1:  # before anything is superfluous
            Path(trial.folder).parent.joinpath(".removing").touch()  # in the way, for root too
    """
    file = workshop.study(CODE.format(then=then), 'keep_checkpoints = "none"' + MORE, trials=3)
    done = workshop.run(file, "--no-ui", "--set", "search.concurrency=1")  # none ends before that
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("can't be removed") == 1
    assert done.stderr == ""
    assert sorted(held(workshop)) == [0, 1, 2]
    (workshop.folder() / "trials/.removing").unlink()
    assert workshop.run(file, "--no-ui", "--trials", 4).returncode == 0
    assert held(workshop) == {}


def test_a_trial_never_goes_on_from_another_configurations_weights(workshop: Workshop):
    """The study is put back as it was before trial 1, which then gets another configuration."""
    then = 'while trial.number == 1 and step == 3 and not Path("go").exists(): time.sleep(0.01)'
    file = workshop.study(CODE.format(then=then), MORE)
    first = ["--no-ui", "--set", "search.points=[{x=0.1}]", "--trials", 1]
    assert workshop.run(file, *first).returncode == 0
    kept = {name: (workshop.folder() / name).read_bytes() for name in ("study.db", "study.toml")}
    engine = workshop.start(
        file, "--no-ui", "--set", "search.points=[{x=0.1}, {x=0.2}]", "--trials", 2
    )
    wait_until(lambda: 3 in held(workshop).get(1, []), "step 3")
    engine.kill()
    engine.communicate()
    wait_until(lambda: not workshop.left_over(), "the end of all trials")
    for path in workshop.folder().glob("study.db-*"):
        path.unlink()
    for name, content in kept.items():
        (workshop.folder() / name).write_bytes(content)
    (workshop.path / "go").touch()
    done = workshop.run(file, "--no-ui", "--set", "search.points=[{x=0.1}, {x=0.9}]", "--trials", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    assert states(workshop) == ["COMPLETE"] * 2
    assert starts(workshop, 1) == [0]
    assert "it is in trials/0001.old-1" in done.stdout.lower()
    assert "trials/0001.old-1" in workshop.run("show", "study", "--why", 1).stdout
    old = workshop.folder() / "trials/0001.old-1"
    assert json.loads((old / "config.json").read_text()) == {"x": 0.2}
    assert (old / "checkpoints/00000003/step").read_text() == "3"


def test_no_trial_goes_on_from_a_checkpoint_beyond_what_the_journal_knows(workshop: Workshop):
    """As where the engine died, or the power failed, before it heard of it, and of its reports."""
    then = 'while step == 3 and not Path("go").exists(): time.sleep(0.01)'
    file = workshop.study(CODE.format(then=then), MORE, trials=1)
    engine = workshop.start(file, "--no-ui")
    wait_until(lambda: 3 in held(workshop).get(0, []), "step 3")
    saved = lambda: [fact.step for fact in workshop.facts(ev.Checkpointed)]  # noqa: E731
    wait_until(lambda: 3 in saved(), "the journal's word of it")
    os.kill(engine.pid, signal.SIGKILL)
    engine.communicate()
    wait_until(lambda: not workshop.left_over(), "the end of all trials")
    checkpoints = workshop.folder() / "trials/0000/checkpoints"
    (checkpoints / "00000003").rename(checkpoints / "00000005")
    (checkpoints / "00000005/step").write_text("5")
    (workshop.path / "go").touch()
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert starts(workshop, 0) == [0, 2]
    assert "its checkpoint of step 3 is gone: it goes on from step 2" in done.stdout
    assert {fact.step for fact in workshop.facts(ev.Reported)} == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    "damage", ["state = x'93ff00'", "state = zeroblob(length(state))", "state = 'hello'"]
)
def test_a_damaged_snapshot_is_passed_over(workshop: Workshop, damage: str):
    file = workshop.study(CODE.format(then=""), MORE, trials=3)
    assert workshop.run(file, "--no-ui").returncode == 0
    db = sqlite3.connect(workshop.folder() / "study.db")
    assert db.execute(f"UPDATE snapshots SET {damage}").rowcount == 1
    db.commit()
    db.close()
    done = workshop.run(file, "--no-ui", "--trials", 5)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "snapshot can't be read" in done.stdout
    assert [(t["state"], t["attempts"]) for t in workshop.trials()] == [("COMPLETE", 1)] * 5
    again = workshop.run(file, "--no-ui", "--trials", 6)
    assert "snapshot" not in again.stdout
    assert len(workshop.trials()) == 6


def test_what_trials_left_is_never_removed_with_a_study_that_cannot_begin(workshop: Workshop):
    """Its database was lost, and a new one holds no facts."""
    file = workshop.study(CODE.format(then=""), MORE, trials=1)
    assert workshop.run(file, "--no-ui").returncode == 0
    database = workshop.folder() / "study.db"
    database.unlink()
    Journal.open(database, "loss").close()
    (workshop.path / "study_train.py").write_text("import nowhere\n\ndef train(trial): ...\n")
    assert workshop.run(file, "--no-ui").returncode == 2
    assert held(workshop) == {0: [6]}
    assert (workshop.folder() / "study.toml").exists()


def test_the_database_alone_is_the_study_once_a_run_has_ended(workshop: Workshop):
    """Though somebody looks on."""
    file = workshop.study(CODE.format(then=""), MORE, trials=2)
    engine = workshop.start(file, "--no-ui")
    database = workshop.folder() / "study.db"
    wait_until((workshop.folder() / "study.toml").exists)
    reader = Reader.open(database)
    assert engine.wait(60) == 0
    copy = workshop.path / "copy.db"
    shutil.copy(database, copy)
    told = reader.facts()
    reader.close()
    other = Reader.open(copy)
    assert other.facts() == told
    assert isinstance(told[-1][1], ev.Finished)
    other.close()


GATED = """
import time

def train(trial):
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    for step in range(start, 9):
        while step == 5 and not (trial.folder / "go").exists():
            time.sleep(0.01)
        trial.report(step=step + 1, loss=1.0,
                     save=lambda folder: (folder / "step").write_text(str(step + 1)))
"""


@pytest.mark.parametrize(
    ("kept", "words"), [(1, "it goes on from step 4"), (0, "it starts from the beginning")]
)
def test_a_checkpoint_that_has_vanished_is_told_of(workshop: Workshop, kept: int, words: str):
    workshop.waits = 0.5
    more = 'checkpoint_every = "0s"\n[pruning]\nresource = "step"\nmax = 9\n'
    file = workshop.study(GATED, more, trials=1)
    engine = workshop.start(file, "--no-ui")
    checkpoints = workshop.folder() / "trials" / "0000" / "checkpoints"
    wait_until((checkpoints / "00000005").exists, "the checkpoint of step 5")
    engine.send_signal(signal.SIGINT)
    assert engine.wait(60) == 130
    for path in sorted(checkpoints.iterdir())[kept:]:
        shutil.rmtree(path)
    (workshop.folder() / "trials" / "0000" / "go").touch()
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"its checkpoint of step 5 is gone: {words}" in done.stdout


BETTER_AND_BETTER = """
def train(trial):
    for step in range(3):
        trial.report(step=step + 1, loss=10 - trial.number,
                     save=lambda folder: (folder / "step").write_text(str(step + 1)))
"""


@pytest.mark.parametrize("keep", ["best", "none", "all"])
def test_no_row_names_a_checkpoint_that_is_not_kept(workshop: Workshop, keep: str):
    more = f"""
    checkpoint_every = "0s"
    keep_checkpoints = "{keep}"
    [pruning]
    resource = "step"
    max = 3
    """
    file = workshop.study(BETTER_AND_BETTER, textwrap.dedent(more), trials=5)
    done = workshop.run(file, "--no-ui", "--set", "search.concurrency=1")
    assert done.returncode == 0, done.stdout + done.stderr
    reader = Reader.open(workshop.folder() / "study.db")
    said = {row.number for row in reader.trials() if row.checkpoint is not None}
    reader.close()
    assert said == {"best": {4}, "none": set(), "all": set(range(5))}[keep]
