"""`repair`: whatever befalls a study's database, what is whole is saved, and all is said in words."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from called import call
from warm import Warm
from workshop import Workshop

from tuitune.core import events as ev
from tuitune.store import owner
from tuitune.store.folder import DATABASE
from tuitune.store.reader import Reader

CODE = """
def train(trial):
    for step in range(1, 10):
        trial.report(step=step, loss=trial.config["x"] + 1 / step, accuracy=0.5)
"""
MORE = """
[pruning]
resource = "step"
max = 9
"""
PAGE = 4096
SOUND = "study: its database is not damaged, and stays as it is\n"
Damage = Callable[[random.Random, bytearray], None]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Iterator[Path]:
    """A folder with a study that has run."""
    made = Workshop(tmp_path_factory.mktemp("recorded").resolve(), warm)
    assert made.run(made.study(CODE, MORE, trials=40), "--no-ui").returncode == 0
    yield made.path
    made.close()


@pytest.fixture
def place(recorded: Path, workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A copy of it."""
    shutil.copytree(recorded, workshop.path, dirs_exist_ok=True)
    monkeypatch.chdir(workshop.path)
    monkeypatch.setenv("XDG_STATE_HOME", str(workshop.path / "state"))
    return workshop


def bits(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.choice((1, 3, 30))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def cut(dice: random.Random, data: bytearray) -> None:
    del data[dice.randrange(PAGE // 2, len(data)) :]


def zeroed(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.choice((1, 4))):
        at = dice.randrange(len(data) // PAGE) * PAGE
        data[at : at + PAGE] = bytes(PAGE)


def copied(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.choice((1, 4))):
        one, other = (dice.randrange(len(data) // PAGE) * PAGE for _ in range(2))
        data[one : one + PAGE] = data[other : other + PAGE]


def header(dice: random.Random, data: bytearray) -> None:
    for _ in range(dice.choice((1, 8))):
        data[dice.randrange(100)] ^= 1 << dice.randrange(8)


def checked(status: int, said: str) -> tuple[int, str]:
    """All that is printed has neither a traceback nor its like."""
    assert not re.search(r"Traceback|[A-Za-z]Error\b|Exception", said), said
    return status, said


def called(*words: object) -> tuple[int, str]:
    done = call(*words)
    return checked(done.exit_code, done.stdout + done.stderr)


def ran(workshop: Workshop, trials: int) -> tuple[int, str]:
    done = workshop.run("study.toml", "--no-ui", "--trials", trials)
    return checked(done.returncode, done.stdout + done.stderr)


def damage(workshop: Workshop, how: Damage, seed: int) -> bytes:
    file = workshop.folder() / DATABASE
    data = bytearray(file.read_bytes())
    how(random.Random(f"{how.__name__} {seed}"), data)
    file.write_bytes(data)
    return bytes(data)


ALL = pytest.mark.parametrize("how", [bits, cut, zeroed, copied, header])


@ALL
@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_damaged_is_said_and_repaired(place: Workshop, how: Damage, seed: int):
    data, folder = damage(place, how, seed), place.folder()
    shown, said = called("show", "study")
    assert shown == 0 or "`tuitune repair study`" in said, said
    for words in ("ls",), ("export", "study"), ("simulate", "study"), ("show", "study", "--why", 3):
        called(*words)
    status, said = called("repair", "study")
    if status:
        assert "no event of it can be read any more" in said
        assert (folder / DATABASE).read_bytes() == data
        return
    assert ("repaired; saved: " in said and "missing" in said) or (shown == 0 and said == SOUND)
    if said != SOUND:
        assert (folder / "study.db.damaged-1").read_bytes() == data
    assert called("show", "study")[0] == 0
    assert called("repair", "study") == (0, SOUND)
    assert not {"study.db.copy", "study.db.new"} & {path.name for path in folder.iterdir()}


@ALL
@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_study_runs_or_is_refused_and_a_repaired_one_runs(
    place: Workshop, how: Damage, seed: int
):
    data, file = damage(place, how, seed), place.folder() / DATABASE
    status, said = ran(place, 41)
    assert status == 0 or "`tuitune repair study`" in said, said
    for path in place.folder().glob(f"{DATABASE}*"):
        path.unlink()
    file.write_bytes(data)
    if called("repair", "study")[0] == 0:
        assert ran(place, 42)[0] == 0
        assert [trial["state"] for trial in place.trials()] == ["COMPLETE"] * 42


def numbers(file: Path) -> list[int]:
    reader = Reader.open(file)
    try:
        return [seq for seq, _ in reader.facts()]
    finally:
        reader.close()


def test_all_before_the_damage_is_saved_and_what_is_missing_is_told(place: Workshop):
    """The newest page of reports is lost; decisions on the last event may be, so that goes, too."""
    file = place.folder() / DATABASE
    before = Reader.open(file)
    facts = dict(before.facts())
    before.close()
    data = bytearray(file.read_bytes())
    marked = [at for at in range(0, len(data), PAGE) if b"accuracy" in data[at : at + PAGE]]
    data[marked[-1] : marked[-1] + PAGE] = bytes(PAGE)
    file.write_bytes(data)
    status, said = called("repair", "study")
    assert status == 0
    kept = numbers(file)
    assert kept == list(facts)[: len(kept)]
    assert len(facts) * 0.5 < len(kept) < len(facts)
    assert isinstance(facts[len(kept) + 1], ev.Event)
    trials = len(place.trials())
    reports = sum(type(facts[seq]) is ev.Reported for seq in kept)
    first, missing, where = said.splitlines()
    assert first == f"study: repaired; saved: {trials} trials, reports: {reports}"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(facts[len(kept)].time))
    assert missing.startswith(
        f"study: missing: all that happened after {when}, with #{trials} to #39,"
    )
    assert where == "study: the damaged database is kept as runs/study/study.db.damaged-1"


@pytest.mark.parametrize("column", [b"body", b"config"])
def test_a_column_whose_name_is_damaged_is_given_back(place: Workshop, column: bytes):
    file = place.folder() / DATABASE
    before, data = numbers(file), file.read_bytes()
    assert column in data[:PAGE]
    file.write_bytes(data[:PAGE].replace(column, b"q" + column[1:]) + data[PAGE:])
    status, said = called("repair", "study")
    assert (status, "no event of its trials is missing" in said) == (0, True), said
    assert numbers(file) == before
    assert ran(place, 41)[0] == 0


def test_of_rows_alone_that_are_damaged_nothing_is_missing(place: Workshop):
    file = place.folder() / DATABASE
    rows, facts = place.trials(), numbers(file)
    for number in (1, 2):
        with contextlib.closing(sqlite3.connect(file)) as db, db:
            db.execute("UPDATE trials SET config = x'c1', best = 'much' WHERE number = 1")
        assert "`tuitune repair study`" in called("show", "study")[1]
        status, said = called("repair", "study")
        assert (status, said.splitlines()) == (
            0,
            [
                "study: repaired; saved: 40 trials, reports: 360",
                "study: no event of its trials is missing",
                f"study: the damaged database is kept as runs/study/study.db.damaged-{number}",
            ],
        )
        assert (place.trials(), numbers(file)) == (rows, facts)


def test_events_that_contradict_each_other_are_told_and_left_out(place: Workshop):
    """Such as a report of a trial that is none, in a study that an engine or a reader reads anew."""
    file = place.folder() / DATABASE
    with contextlib.closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE reports SET trial = 4000 WHERE seq = (SELECT max(seq) FROM reports)")
        db.execute("UPDATE about SET value = 'older' WHERE key = 'layout'")
        db.execute("DELETE FROM snapshots")
    words = "study.db: it is damaged; `tuitune repair study` saves what can be read"
    for status, said in (called("show", "study"), called("simulate", "study"), ran(place, 41)):
        assert status == 2
        assert f"{words}, or put a copy" in said
        assert "(its events contradict each other)" in said
    assert called("repair", "study")[0] == 0
    assert called("show", "study")[0] == 0


def test_what_is_still_in_the_log_is_saved(place: Workshop):
    """The engine was killed, and the database then damaged: its log is kept beside it."""
    file = place.folder() / DATABASE
    stopped = place.folder("copy")
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as db:
        (seq,) = db.execute("SELECT max(seq) FROM journal").fetchone()
        warned = msgspec.msgpack.encode(ev.Warned(2e9, 0, 0, "loss"))
        db.execute("INSERT INTO journal VALUES(?, 2e9, 'warned', 0, ?)", (seq + 1, warned))
        db.execute("DELETE FROM about WHERE key = 'study'")
        shutil.copytree(place.folder(), stopped)
    shutil.rmtree(place.folder())
    stopped.rename(place.folder())
    data = file.read_bytes()
    file.write_bytes(bytes(100) + data[100:])
    assert called("repair", "study")[0] == 0
    assert numbers(file)[-1] == seq + 1
    assert (place.folder() / "study.db.damaged-1-wal").stat().st_size > 0
    assert called("show", "study")[0] == 0


def test_a_study_that_runs_and_one_of_the_future_are_refused(place: Workshop):
    file = place.folder() / DATABASE
    engine = owner.claim(place.folder())
    refused = called("repair", "study")
    engine.release()
    assert refused == (2, "study: an engine runs it; `tuitune stop study` ends it first\n")
    with contextlib.closing(sqlite3.connect(file)) as db, db:
        db.execute("PRAGMA user_version = 4")
        fact = "(SELECT min(seq) FROM journal WHERE seq > 9)"  # reports count, too
        db.execute(f"UPDATE journal SET kind = 'of the future' WHERE seq = {fact}")
    status, said = called("repair", "study")
    assert status == 2
    assert "its journal is of version 4: let the newer tuitune that wrote it repair it" in said
