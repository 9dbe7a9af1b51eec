"""Disks that fail under a running study: a clear error, trials that leave, a whole database."""

from __future__ import annotations

import resource
import sqlite3

from workshop import Workshop

CODE = """
import time

def train(trial):
    for step in range(1, 2_001):
        trial.report(step=step, loss=1.0 / step, **{f"metric{i}": float(i) for i in range(20)})
"""

MORE = """
[pruning]
resource = "step"
"""


def integrity(workshop: Workshop) -> str:
    db = sqlite3.connect(workshop.folder() / "study.db")
    try:
        return db.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        db.close()


def test_no_space_left_is_told_and_the_study_goes_on_when_there_is(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=4)

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))

    full = workshop.run(file, "--no-ui", preexec_fn=little_room)
    assert full.returncode == 1, full.stdout + full.stderr
    assert "study.db" in full.stderr
    assert "Traceback" not in full.stderr
    assert workshop.left_over() == []
    assert integrity(workshop) == "ok"
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [t["state"] for t in workshop.trials()] == ["COMPLETE"] * 4
    assert integrity(workshop) == "ok"


def test_a_runs_folder_that_cannot_be_made_is_told(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=1)
    workshop.write("runs", "a file in the way")
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 2
    assert "runs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_of_a_later_version_is_refused_with_the_mend(workshop: Workshop):
    file = workshop.study(CODE, MORE, trials=1)
    assert workshop.run(file, "--no-ui").returncode == 0
    db = sqlite3.connect(workshop.folder() / "study.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 2
    assert "version" in done.stderr
    assert "Traceback" not in done.stderr
