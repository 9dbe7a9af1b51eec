"""What a reader is told that looks again and again while an engine writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tuitune.core import events as ev
from tuitune.store import reader as looked
from tuitune.store.journal import Journal
from tuitune.store.reader import Reader
from tuitune.store.rows import EngineRow, StudyRow, TrialRow

if TYPE_CHECKING:
    from pathlib import Path


def report(step: int, **metrics: float) -> ev.Reported:
    return ev.Reported(float(step), 0, 1, step, metrics)


def test_first_everything_but_the_reports_and_then_what_is_new(
    journal: Journal, reader: Reader
) -> None:
    rows = [TrialRow(number, "RUNNING", {"x": number}) for number in range(3)]
    journal.write([report(1, loss=1.0)], rows, StudyRow(cpus=4.0))
    first = reader.changes()
    assert [row.number for row in first.rows] == [0, 1, 2]
    assert (first.reports, first.engine) == ([], None)
    assert first.study == StudyRow(cpus=4.0)
    assert not reader.changes(first.seq)

    journal.write([report(2, loss=0.5, accuracy=0.25)], rows[1:2])
    second = reader.changes(first.seq)
    assert [row.number for row in second.rows] == [1]
    assert second.reports == [(2, 2.0, 0, 1, 2, 0.5, {"loss": 0.5, "accuracy": 0.25})]
    assert second.study is None
    assert not reader.changes(second.seq)


def test_rows_without_a_fact_are_seen(journal: Journal, reader: Reader) -> None:
    seq = reader.changes().seq
    journal.write([], [TrialRow(0, "RUNNING", {})])
    changes = reader.changes(seq)
    assert [row.number for row in changes.rows] == [0]
    assert not reader.changes(changes.seq)


def test_the_study_and_the_engine_come_when_they_read_otherwise(
    journal: Journal, reader: Reader
) -> None:
    settings = ev.Settings(10, 2, 1.0, None, 0, None, None, None)
    study = StudyRow(settings, launching=False, rungs=((1, 3, 9),))
    journal.write([ev.Ask(1.0, 0)], [], study)
    engine = EngineRow("failed", "Traceback:\n  boom", 5.0)
    journal.tell(engine)
    first = reader.changes()
    assert (first.study, first.engine) == (study, engine)
    journal.write([ev.Ask(2.0, 1)], [], study)
    assert not reader.changes(first.seq)
    journal.tell(EngineRow("running", "", 6.0))
    changes = reader.changes(first.seq)
    assert changes.engine == EngineRow("running", "", 6.0)
    assert changes.study is None
    again = reader.changes()  # from the beginning: all of it
    assert (again.study, again.engine) == (study, EngineRow("running", "", 6.0))


def test_whoever_was_away_for_long_catches_up_in_several_looks(
    journal: Journal, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked, "MOST", 100)
    seq = reader.changes().seq
    journal.write([report(step, loss=1.0) for step in range(1, 251)], [TrialRow(0, "RUNNING", {})])
    steps, rows = [], 0
    while changes := reader.changes(seq):
        steps += [one.step for one in changes.reports]
        rows += len(changes.rows)
        seq = changes.seq
    assert steps == list(range(1, 251))
    assert rows >= 1


def test_two_readers_see_the_same(journal: Journal, reader: Reader, tmp_path: Path) -> None:
    journal.write([report(1, loss=1.0)], [TrialRow(0, "RUNNING", {})])
    other = Reader.open(tmp_path / "study.db")
    seq = reader.changes().seq
    assert other.changes().seq == seq
    journal.write([report(2, loss=1.0)], [])
    assert len(reader.changes(seq).reports) == len(other.changes(seq).reports) == 1
    other.close()
