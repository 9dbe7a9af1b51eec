"""The same in the plainest tables that hold it."""

from __future__ import annotations

import json
import random
import sqlite3
from typing import TYPE_CHECKING

from stored_study import TRIALS, configuration, losses, serve

if TYPE_CHECKING:
    from pathlib import Path


def build(path: Path) -> None:
    db, draw = sqlite3.connect(path, isolation_level=None), random.Random(0)
    for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL"):
        db.execute(statement)
    db.execute("CREATE TABLE trials(number INTEGER PRIMARY KEY, state, config, value)")
    db.execute("CREATE TABLE reports(trial, step, value, PRIMARY KEY(trial, step)) WITHOUT ROWID")
    for trial in range(TRIALS):
        points = losses(trial)
        row = (trial, "COMPLETE", json.dumps(configuration(draw)), points[-1])
        rows = [(trial, step, loss) for step, loss in enumerate(points, start=1)]
        db.execute("BEGIN")
        db.execute("INSERT INTO trials VALUES(?,?,?,?)", row)
        db.executemany("INSERT INTO reports VALUES(?,?,?)", rows)
        db.execute("COMMIT")
    db.close()


def read(path: Path) -> tuple[int, int]:
    db = sqlite3.connect(path)
    rows = db.execute("SELECT number, state, config, value FROM trials")
    trials = {row[0]: (row[1], json.loads(row[2]), row[3], []) for row in rows}
    for trial, step, value in db.execute("SELECT trial, step, value FROM reports"):
        trials[trial][3].append((step, value))
    assert min(trials.values(), key=lambda trial: trial[2])
    return len(trials), sum(len(trial[3]) for trial in trials.values())


serve(build, read)
