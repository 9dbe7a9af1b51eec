"""Rows that are laid out otherwise are made anew from the journal: by an engine, and by a reader."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from pathlib import Path

from workshop import Workshop, wait_until

import tuitune
from tuitune.store import schema
from tuitune.store.folder import DATABASE
from tuitune.store.reader import Reader
from tuitune.store.rows import TrialRow

CODE = """
import time

def train(trial):
    start = int((trial.resume_path / "step").read_text()) if trial.resume_path else 0
    for step in range(start, trial.max_resource):
        time.sleep(0.03)
        trial.report(step=step + 1, loss=trial.config["x"] + 1 / (step + 1),
                     save=lambda folder: (folder / "step").write_text(str(step + 1)))
"""
ASHA = """
checkpoint_every = "0s"
[pruning]
method = "asha"
resource = "step"
max = 9
"""
LAST = "launched: float | None = None  # the newest attempt\n"
NEW = '    novelty: str = "as the struct says"\n'


def mark(folder: Path, layout: str) -> None:
    """As if a version of another layout had stored the rows."""
    db = sqlite3.connect(folder / DATABASE)
    with db:
        db.execute("UPDATE about SET value = ? WHERE key = 'layout'", (layout,))
    db.close()


def query(folder: Path, text: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(folder / DATABASE)
    try:
        return db.execute(text).fetchall()
    finally:
        db.close()


def rows(folder: Path) -> list[TrialRow]:
    reader = Reader.open(folder / DATABASE)
    try:
        return reader.trials()
    finally:
        reader.close()


def test_a_reader_makes_the_same_rows_of_the_journal_and_leaves_the_database_alone(
    workshop: Workshop,
):
    assert workshop.run(workshop.study(CODE, ASHA, trials=9), "--no-ui").returncode == 0
    folder = workshop.folder()
    before = Reader.open(folder / DATABASE)
    mark(folder, "of another version")
    stored = (folder / DATABASE).read_bytes()
    after = Reader.open(folder / DATABASE)
    whole = after.trials()
    assert len(whole) == 9
    numbers = {"born", "changed"}  # a transaction of several facts counts as one
    fields = [name for name in TrialRow.__struct_fields__ if name not in numbers]
    for one, other in zip(before.trials(), whole, strict=True):
        assert [getattr(one, name) for name in fields] == [getattr(other, name) for name in fields]
        assert after.facts_of(one.number) == before.facts_of(one.number)
        assert after.curve(one.number) == before.curve(one.number)
    assert after.study() == before.study()
    assert after.engine() == before.engine()
    looked = after.changes(outlined=True)
    assert [row.value for row in looked.rows] == [row.value for row in whole]
    assert not after.changes(looked.seq)
    before.close()
    after.close()
    assert (folder / DATABASE).read_bytes() == stored


def test_a_reader_follows_an_engine_that_lays_rows_out_otherwise(workshop: Workshop):
    more = ASHA.replace("max = 9", "max = 3000").replace('method = "asha"\n', "")
    engine = workshop.start(workshop.study(CODE, more, trials=2), "--no-ui")
    folder = workshop.folder()
    wait_until(lambda: (folder / "study.toml").exists() and workshop.engine(), "an engine")
    wait_until(lambda: any(row["step"] for row in workshop.trials()), "a report")
    mark(folder, "of another version")
    reader = Reader.open(folder / DATABASE)
    first = reader.changes()
    seen = {row.number: row for row in first.rows}
    seq = first.seq

    def has_moved() -> bool:
        nonlocal seq
        changes = reader.changes(seq)
        seq = changes.seq
        seen.update((row.number, row) for row in changes.rows)
        return all((seen[n].step or 0) > (first.rows[0].step or 0) + 5 for n in (0, 1))

    wait_until(has_moved, "reports after the first look")
    engine.terminate()
    engine.communicate(timeout=60)
    assert reader.study().finished
    assert {row.state for row in reader.some([0, 1])} == {"WAITING"}
    assert {row.waiting_for for row in reader.some([0, 1])} == {"room"}
    reader.close()


def test_an_engine_makes_them_anew_and_goes_on(workshop: Workshop):
    file = workshop.study(CODE, ASHA, trials=4)
    assert workshop.run(file, "--no-ui").returncode == 0
    folder = workshop.folder()
    before = rows(folder)
    db = sqlite3.connect(folder / DATABASE)  # as an earlier version left it
    with db:
        db.execute("DELETE FROM about WHERE key IN ('layout', 'snapshot')")
        db.execute("ALTER TABLE trials DROP COLUMN waiting_for")
        db.execute("UPDATE trials SET note = 'as an earlier version said it'")
        db.execute("UPDATE snapshots SET state = x'00'")
        db.execute("PRAGMA user_version = 2")
    db.close()
    done = workshop.run(file, "--no-ui", "--trials", 6)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "snapshot" not in done.stdout + done.stderr
    after = rows(folder)
    assert len(after) == 6
    assert [row.config for row in after[:4]] == [row.config for row in before]
    assert "earlier version" not in str(after)
    assert query(folder, "PRAGMA user_version") == [(schema.VERSION,)]


def test_a_new_column_is_one_line_and_old_studies_have_it(workshop: Workshop):
    """The package with one field more in TrialRow, on a study that was stored without it."""
    file = workshop.study(CODE, ASHA, trials=3)
    assert workshop.run(file, "--no-ui").returncode == 0
    package = workshop.path / "with_a_column" / "tuitune"
    shutil.copytree(Path(tuitune.__file__).parent, package)
    text = (package / "store" / "rows.py").read_text()
    assert text.count(LAST) == 1
    (package / "store" / "rows.py").write_text(text.replace(LAST, LAST + NEW))
    env = workshop.environment | {"PYTHONPATH": str(package.parent)}
    script = """
import sys
from pathlib import Path
from tuitune.store.reader import Reader
print(sorted({row.novelty for row in Reader.open(Path(sys.argv[1])).trials()}))
"""
    database = workshop.folder() / DATABASE
    shown = workshop.call([sys.executable, "-c", script, str(database)], env=env)
    assert shown.stdout == "['as the struct says']\n", shown.stderr
    assert "novelty" not in str(query(workshop.folder(), "SELECT sql FROM sqlite_master"))

    done = workshop.run(file, "--no-ui", "--trials", 4, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    stored = query(workshop.folder(), "SELECT novelty FROM trials")
    assert stored == [("as the struct says",)] * 4
    assert len(workshop.trials()) == 4  # and this version reads it


def test_without_its_study_file_a_study_is_refused_in_words(workshop: Workshop):
    assert workshop.run(workshop.study(CODE, ASHA, trials=1), "--no-ui").returncode == 0
    folder = workshop.folder()
    mark(folder, "of another version")
    (folder / "study.toml").write_text("[objective\n")
    shown = workshop.run("show", "study")
    assert shown.returncode == 2
    assert "Traceback" not in shown.stderr
    assert "study.toml" in shown.stderr
