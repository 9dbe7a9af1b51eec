"""What is written comes back: in order, in one transaction, whatever goes wrong."""

from __future__ import annotations

import errno
import math
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, strategies as st

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import GpuAside, GpuBarred, GpuNews, GpuNumbers, WrongGpu
from tuitune.store import schema
from tuitune.store.errors import StoreError
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader
from tuitune.store.rows import TrialRow

SETTINGS = ev.Settings(10, None, 1.0, None, 0, None, None, 0.95)
EVERY_KIND: list[ev.AnyFact] = [
    ev.Opened(1.0, SETTINGS, 2.0, 8 * 10**9),
    ev.Ask(1.0, 0),
    ev.Proposed(1.0, 0, {"lr": 0.1, "layers": [1, 2], "name": "é", "on": True}, "sobol", "point 0"),
    ev.Launch(1.1, 0, 1, "cpu:0", 1.0, 0),
    ev.Started(1.2, 0, 1, 4711, None, "abc", "def", dirty=None),
    ev.Reported(1.5, 1, 0, 1, {"loss": 0.5}, can_save=True),
    ev.Reported(1.3, 0, 1, 1, {"loss": 0.5}),
    ev.Verdict(1.3, 0, 1, 1, "go", True, 0, 1, 1, 0.5, "rung 0: rank 1 of 1"),
    ev.Reported(1.3, 0, 1, 2, {"loss": 0.4}, can_save=True, open=True),
    ev.Reported(1.3, 0, 1, 2, {"loss": 0.4}, open=True),
    ev.Reported(1.3, 0, 1, 2, {"loss": 0.4}, can_save=True, waits=True),
    ev.SaveStarted(1.4, 0, 1, 1),
    ev.Checkpointed(1.4, 0, 1, 1),
    ev.SaveStarted(1.4, 0, 1, 2),
    ev.SaveFailed(1.4, 0, 1, 2, "OSError: the disk is full"),
    ev.Returned(1.5, 0, 1),
    ev.Warned(1.5, 0, 1, "no metric"),
    ev.Silent(1.6, 0, 1, 600.0),
    ev.Signal(1.7, 0, 1, "ask", "killed", save=False),
    ev.Exited(1.8, 0, 1, None, 9, "killed (SIGKILL)", "tail", 10**9, lost=False),
    ev.Settled(1.9, 0, "FAILED", "killed"),
    ev.Exhausted(2.0, "nothing left"),
    ev.StopAsked(2.1, finish=True, why="asked"),
    ev.PauseAsked(2.1, (1,)),
    ev.ResumeAsked(2.1, ()),
    ev.Frozen(2.1, 1, 0),
    ev.AddAsked(2.1, {"x": 0.5}, "by hand"),
    ev.Added(2.1, 3, {"x": 0.5}, "by hand"),
    ev.RetryAsked(2.1, 1),
    ev.SettingsChanged(2.1, ev.Settings(9, None, 1.0, None, 0, None, None, None)),
    ev.StyleChosen(2.1, "promote", "can save"),
    ev.CodeChanged(2.1, "5dc0778e4b87", "76d9290087a8"),
    ev.DiskChanged(2.1, low=True, free=0.04),
    ev.LaunchBlocked(2.1, "code", "train.py: SyntaxError"),
    ev.SampleFailed(2.1, 4, {"x": 0.5}, "random", "point 4", "ValueError: none"),
    ev.ClockStepped(2.1, -3600.0),
    ev.DevicesChanged(
        2.1, (ev.Gpu("GPU-1", 1, "A100", 80, "lost", lost=True, links={"GPU-2": 9}),)
    ),
    ev.Footprint(2.1, 0, 1, 10**10),
    ev.GpuUsed(2.1, 0, 1, 500.0),
    ev.Park(2.2, 0, 1),
    ev.Parked(2.2, 0, 1, 10**10, moves=True),
    ev.Unpark(2.2, 0, 1, GpuNumbers((1,)), 1.0, ("g1",), 1.0, 10**10),
    ev.Restored(2.2, 0, 1, "too little memory"),
    ev.ParkFailed(2.2, 0, 1, "restore: error (304)", broken=True),
    ev.OnWrongGpu(3.4, 0, 1, WrongGpu(0, 0, (1,), "train.py:7", "others")),
    ev.SetAside(3.5, ("g0",), GpuAside("CUDA error: 214", 48, 3.0, 2, "s"), (0, 1)),
    ev.Launch(3.6, 0, 2, GpuNumbers((0, 1)), 1.0, 0, ("g0", "g1"), 1.0),
    ev.DevicesChanged(
        3.7, (ev.Gpu("g0", 0, "A100", 1, GpuBarred("gone")),), GpuNews(((0, GpuBarred("gone")),))
    ),
    ev.NodeChanged(
        3.8,
        ev.Node("gpu-07", 8.0, 64 << 30, (ev.Gpu("g0", 0, "A100", 1, GpuBarred("gone")),)),
        GpuNews(((0, GpuBarred("gone")),), "gpu-07"),
    ),
    ev.Launch(3.9, 0, 3, GpuNumbers((0,), "gpu-07"), 1.0, 0, ("g0",), 1.0, "gpu-07"),
    ev.Packed(2.1, "A100", 2, open=True, gain=1.5, why="2 trials at once do +50% over 1"),
    ev.Promoted(2.1, 1, 3, 1, 9, 0.5, "rung 3: rank 1 of 9"),
    ev.KillAsked(2.2, 3, 8.0, "app"),
    ev.UndoKillAsked(2.2, (1, 2), "app"),
    ev.DeadlinePassed(2.3),
    ev.Halted(2.4, "stopped", finish=True, failed=False),
    ev.Finished(2.5, complete=False, why="stopped"),
]


def report(trial: int, step: int, **metrics: float) -> ev.Reported:
    return ev.Reported(float(step), trial, 1, step, metrics)


def row(number: int, **others: Any) -> TrialRow:
    return TrialRow(number, "RUNNING", {"x": number}, **others)


def test_every_kind_of_fact_comes_back_in_order(journal: Journal, path: Path) -> None:
    journal.write(EVERY_KIND[:8], [])
    journal.write(EVERY_KIND[8:], [])
    assert list(journal.history()) == EVERY_KIND
    assert journal.seq == len(EVERY_KIND)
    reader = Reader.open(path)
    assert reader.facts() == list(enumerate(EVERY_KIND, 1))
    reader.close()


def test_the_list_above_has_every_kind_of_fact() -> None:
    assert {type(fact) for fact in EVERY_KIND} == set(get_args(ev.AnyFact))


def test_numbers_go_on_after_reopening(path: Path) -> None:
    for _ in range(3):
        journal = Journal.open(path, "loss")
        journal.write(EVERY_KIND, [row(0)])
        journal.close()
    journal = Journal.open(path, "loss")
    assert journal.seq == 3 * len(EVERY_KIND)
    assert list(journal.history()) == 3 * EVERY_KIND
    journal.close()


def test_reports_and_other_facts_merge_by_number(journal: Journal) -> None:
    facts: list[ev.AnyFact] = []
    for step in range(1, 12_001):  # more than two pages
        facts += [report(step % 7, step, loss=1 / step)]
        if step % 3 == 0:
            facts += [ev.Warned(0.0, step % 7, 1, f"warning {step}")]
    for start in range(0, len(facts), 1000):
        journal.write(facts[start : start + 1000], [])
    assert list(journal.history()) == facts


@given(
    metrics=st.dictionaries(
        st.text(st.characters(codec="utf-8")), st.floats(allow_nan=True), max_size=4
    )
)
def test_metrics_keep_every_float(metrics: dict[str, float]) -> None:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for statement in schema.TABLES:
        db.execute(statement)
    journal = Journal(db, Path("nowhere.db"), "loss")
    journal.write([ev.Reported(0.0, 0, 1, 1, metrics)], [])
    (fact,) = journal.history()
    journal.close()
    assert isinstance(fact, ev.Reported)
    assert [*map(repr, fact.metrics.items())] == [*map(repr, metrics.items())]


def test_restore_gives_the_newest_snapshot_and_what_came_after(journal: Journal) -> None:
    blob, facts = journal.restore()
    assert blob is None
    assert list(facts) == []
    journal.write(EVERY_KIND[:5], [])
    journal.snapshot(b"five")
    journal.write(EVERY_KIND[5:9], [])
    journal.snapshot(b"nine")
    journal.write(EVERY_KIND[9:], [])
    blob, facts = journal.restore()
    assert blob == b"nine"
    assert list(facts) == EVERY_KIND[9:]
    assert list(journal.history()) == EVERY_KIND


def test_texts_about_the_study(journal: Journal, path: Path) -> None:
    assert journal.get("source") is None
    journal.put("source", "/a")
    journal.put("source", "/b.toml")
    assert journal.get("source") == "/b.toml"
    reader = Reader.open(path)
    assert reader.get("source") == "/b.toml"
    assert reader.get("phase") is None
    reader.close()


def test_rows_without_facts_still_take_a_number(journal: Journal, path: Path) -> None:
    journal.write([report(0, 1, loss=1.0)], [row(0)])
    reader = Reader.open(path)
    (seen,) = reader.trials()
    journal.write([], [row(1)])
    (new,) = reader.trials(since=seen.changed)
    assert (new.number, new.changed) == (1, journal.seq)
    journal.write([report(0, 2, loss=1.0)], [])
    assert list(journal.history()) == [report(0, 1, loss=1.0), report(0, 2, loss=1.0)]
    reader.close()


def test_a_value_that_cannot_be_kept_leaves_nothing_half_written(journal: Journal) -> None:
    good = report(0, 1, loss=1.0)
    bad: list[tuple[list[ev.AnyFact], list[TrialRow]]] = [
        ([good, report(0, 2**80, loss=1.0)], []),
        ([good, ev.Proposed(0.0, 0, {"x": object()}, "point", "")], []),
        ([good, ev.Warned(0.0, 0, 1, "\udcff")], []),
        ([good], [TrialRow(0, "RUNNING", {"x": 2**80})]),
        ([good], [row(0, error="\udcff")]),
    ]
    for facts, rows in bad:
        with pytest.raises(StoreError, match="kept"):
            journal.write(facts, rows)
    assert journal.seq == 0
    journal.write([good], [row(0)])
    assert list(journal.history()) == [good]


def test_a_full_database_is_said_and_stays_whole(journal: Journal, path: Path) -> None:
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count = {pages + 20}")
    step = 0
    with pytest.raises(StoreError, match="no space is left on its disk") as caught:  # noqa: PT012
        while True:
            step += 1
            journal.write([report(0, step, loss=1.0)] * 100, [row(0, step=step)])
    assert str(path) in str(caught.value)
    with pytest.raises(StoreError, match="no space"):
        journal.snapshot(bytes(10**6))
    assert journal.seq == 100 * (step - 1)
    reader = Reader.open(path)
    assert len(reader.facts()) == journal.seq
    assert reader.trials()[0].step == step - 1
    journal._db.execute("PRAGMA max_page_count = 100000")
    journal.write([report(0, step, loss=1.0)] * 100, [row(0, step=step)])
    assert len(reader.facts()) == 100 * step
    reader.close()


def test_two_writers_are_noticed(journal: Journal, path: Path) -> None:
    other = Journal.open(path, "loss")
    other.write([report(0, 1, loss=1.0)], [])
    with pytest.raises(StoreError, match="another engine has written"):
        journal.write([report(0, 1, loss=1.0)], [])
    other.close()


def test_a_lock_held_by_another_program_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "PATIENCE", 0.01)
    journal = Journal.open(path, "loss")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program keeps it locked"):
        journal.write([report(0, 1, loss=1.0)], [])
    other.execute("ROLLBACK")
    journal.write([report(0, 1, loss=1.0)], [])
    other.close()
    journal.close()


def test_a_log_that_a_reader_let_grow_is_emptied(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 200_000
    monkeypatch.setattr(schema, "WAL_LIMIT", limit)
    journal = Journal.open(path, "loss")
    log = path.with_name("study.db-wal")
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("BEGIN")
    held.execute("SELECT count(*) FROM reports").fetchone()
    steps = iter(range(1, 10**6))
    while log.stat().st_size < 3 * limit:
        journal.write([report(0, next(steps), loss=1.0)] * 50, [])
    held.close()
    while log.stat().st_size > limit:
        journal.write([report(0, next(steps), loss=1.0)], [])
    assert sum(1 for _ in journal.history()) == journal.seq
    journal.close()


def test_a_closed_study_is_one_file(path: Path) -> None:
    journal = Journal.open(path, "loss")
    journal.write(EVERY_KIND, [])
    journal.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["study.db"]


def test_a_network_file_system_gets_no_shared_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "is_network", lambda _: True)
    journal = Journal.open(path, "loss")
    journal.write(EVERY_KIND, [row(0)])
    reader = Reader.open(path)
    assert [fact for _, fact in reader.facts()] == EVERY_KIND
    journal.write(EVERY_KIND, [row(1)])
    assert len(reader.trials()) == 2
    assert not path.with_name("study.db-shm").exists()
    reader.close()
    journal.close()


@pytest.mark.parametrize("version", [schema.VERSION + 1, schema.VERSION + 40, -1])
def test_an_unknown_version_is_refused_with_the_mend(path: Path, version: int) -> None:
    Journal.open(path, "loss").close()
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    for gate in (lambda: Journal.open(path, "loss"), lambda: Reader.open(path)):
        with pytest.raises(StoreError, match=f"version {version}.*--new"):
            gate()


def test_what_is_no_study_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"my thesis, only copy\n" * 500)
    before = path.read_bytes()
    for gate in (lambda: Journal.open(path, "loss"), lambda: Reader.open(path)):
        with pytest.raises(StoreError, match="not a study's database"):
            gate()
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["study.db"]


def test_a_study_that_is_just_being_made_is_no_other_programs_database(path: Path) -> None:
    path.touch()
    with pytest.raises(StoreError, match="just being made: try again"):
        Reader.open(path)


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE bookmarks(url)")
    db.close()
    before = path.read_bytes()
    for gate in (lambda: Journal.open(path, "loss"), lambda: Reader.open(path)):
        with pytest.raises(StoreError, match="not a study's"):
            gate()
    assert path.read_bytes() == before


def test_a_folder_that_is_missing_or_in_the_way_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be opened"):
        Journal.open(tmp_path / "nowhere" / "study.db", "loss")
    with pytest.raises(StoreError, match="no such database"):
        Reader.open(tmp_path / "study.db")
    (tmp_path / "study.db").mkdir()
    for gate in (Journal.open, lambda path, _: Reader.open(path)):
        with pytest.raises(StoreError, match="can't be"):
            gate(tmp_path / "study.db", "loss")


def test_a_damaged_database_is_said(path: Path) -> None:
    journal = Journal.open(path, "loss")
    journal.write([report(t, s, loss=1.0) for s in range(1, 200) for t in range(20)], [row(0)])
    journal.close()
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 4096 * 20)
    reader = Reader.open(path)
    with pytest.raises(StoreError, match=r"study\.db: it is damaged"):
        reader.facts()
    reader.close()


def test_a_fact_of_the_future_is_said(journal: Journal, path: Path) -> None:
    journal.write(EVERY_KIND[:3], [])
    body = msgspec.msgpack.encode(["teleported", 1.0, 3])
    journal._db.execute("INSERT INTO journal VALUES(4, 1.0, 'teleported', NULL, ?)", (body,))
    with pytest.raises(StoreError, match=r"fact 4 of the journal.*newer tuitune"):
        list(journal.history())


def test_nan_is_no_value_but_infinity_is(journal: Journal, path: Path) -> None:
    values = {1: math.nan, 2: math.inf, 3: -math.inf}
    journal.write(
        [report(0, step, loss=value) for step, value in values.items()],
        [row(number, value=value) for number, value in values.items()],
    )
    reader = Reader.open(path)
    assert reader.curve(0) == [(1, 1, None), (1, 2, math.inf), (1, 3, -math.inf)]
    assert [trial.value for trial in reader.trials()] == [None, math.inf, -math.inf]
    reader.close()


def test_a_trials_first_number_outlives_the_engine_that_wrote_it(path: Path) -> None:
    for number in range(3):
        journal = Journal.open(path, "loss")
        journal.write([ev.Ask(1.0, number)], [row(0), row(number)])
        journal.close()
    reader = Reader.open(path)
    assert [trial.born for trial in reader.trials()] == [1, 2, 3]
    reader.close()


def test_a_sync_puts_the_log_and_its_name_on_the_disk(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    journal.write(EVERY_KIND, [row(0)])
    assert synced == []
    syncing = threading.Thread(target=journal.sync)
    syncing.start()
    syncing.join()
    log = path.with_name("study.db-wal")
    assert synced == [log.stat().st_ino, path.parent.stat().st_ino]
    journal.write(EVERY_KIND, [row(1)])  # its locks are as they were
    assert list(journal.history()) == 2 * EVERY_KIND


def test_a_log_that_cannot_be_synced_is_a_store_error(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    journal.write(EVERY_KIND, [row(0)])
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(StoreError, match=r"study.db-wal: .*Input/output error"):
        journal.sync()


def test_where_there_is_no_log_every_write_is_synced_already(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "is_network", lambda folder: True)
    journal = Journal.open(path, "loss")
    journal.write(EVERY_KIND, [row(0)])
    assert not path.with_name("study.db-wal").exists()
    journal.sync()
    journal.close()


def test_a_closed_database_has_all_in_one_file_though_it_is_being_read(
    journal: Journal, path: Path, reader: Reader
) -> None:
    journal.write(EVERY_KIND, [row(0)])
    assert reader.facts()
    journal.close()
    assert path.with_name("study.db-wal").stat().st_size == 0
    journal = Journal.open(path, "loss")
    journal.write(EVERY_KIND, [row(0)])
    holds = schema.open_to_read(path)
    holds.execute("BEGIN")
    assert holds.execute("SELECT count(*) FROM journal").fetchone()
    journal.write(EVERY_KIND, [row(0)])
    journal.close()  # a reader that holds on isn't waited for
    holds.close()
    assert len(reader.facts()) == 3 * len(EVERY_KIND)


def test_a_snapshot_is_dropped(journal: Journal) -> None:
    journal.write(EVERY_KIND, [])
    journal.snapshot(b"damaged")
    journal.drop_snapshot()
    blob, facts = journal.restore()
    assert (blob, list(facts)) == (None, EVERY_KIND)
