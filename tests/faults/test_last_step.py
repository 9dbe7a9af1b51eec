"""A checkpoint of the last step whose objective the journal doesn't have: it is not a place to go on from."""

from __future__ import annotations

import shutil
import signal

from workshop import Workshop, wait_until

MORE = """
checkpoint_every = "0s"
keep_checkpoints = "all"
[pruning]
resource = "epoch"
max = 4
"""
# the last checkpoint is written before the last report, in between the engine may be told to stop
FIRST_SAVES = """
import time

def train(trial):
    start = int((trial.resume_path / "epoch").read_text()) if trial.resume_path else 0
    for epoch in range(start + 1, trial.max_resource + 1):
        with trial.checkpoint(epoch) as folder:
            (folder / "epoch").write_text(str(epoch))
        if epoch == trial.max_resource and not (trial.folder / "seen").exists():
            (trial.folder / "seen").touch()
            time.sleep(3600)
        trial.report(epoch=epoch, loss=1 / epoch)
"""


def test_a_trial_that_was_ended_between_its_last_checkpoint_and_its_last_report(
    workshop: Workshop,
):
    workshop.waits = 0.5
    file = workshop.study(FIRST_SAVES, MORE, trials=1)
    engine = workshop.start(file, "--no-ui")
    trial = workshop.path / "runs" / "study" / "trials" / "0000"
    wait_until((trial / "seen").exists, "the last checkpoint")
    engine.send_signal(signal.SIGINT)
    assert engine.wait(60) == 130
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = workshop.trials()
    assert (row["state"], row["step"], row["value"]) == ("COMPLETE", 4, 0.25)
    why = (
        "its checkpoint of step 4, the last one, has no report that counts: it goes on from step 3"
    )
    assert why in done.stdout


SAVES = """
def train(trial):
    start = int((trial.resume_path / "epoch").read_text()) if trial.resume_path else 0
    for epoch in range(start + 1, trial.max_resource + 1):
        trial.report(
            epoch=epoch,
            loss=trial.number + 1 / epoch,
            save=lambda folder: (folder / "epoch").write_text(str(epoch)),
        )
"""


def test_an_older_copy_of_the_journal_fails_no_trial_that_had_come_to_its_end(workshop: Workshop):
    file = workshop.study(SAVES, MORE, trials=3)
    folder = workshop.path / "runs" / "study"
    assert workshop.run(file, "--no-ui", "--trials", 1).returncode == 0
    old = shutil.copytree(folder, workshop.path / "old", ignore=shutil.ignore_patterns("trials"))
    assert workshop.run(file, "--no-ui").returncode == 0
    for name in ("study.toml", "study.db", "study.db-wal", "study.db-shm"):
        (folder / name).unlink(missing_ok=True)
        if (old / name).exists():
            shutil.copy(old / name, folder / name)
    done = workshop.run(file, "--no-ui", "--trials", 3)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = workshop.trials()
    assert [row["state"] for row in rows] == ["COMPLETE"] * 3
    assert [row["value"] for row in rows] == [0.25, 1.25, 2.25]
