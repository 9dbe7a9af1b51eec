"""A first look at a large study reads of its trials only what they are counted and sorted by."""

from __future__ import annotations

from tuitune.store.journal import Journal
from tuitune.store.reader import Reader
from tuitune.store.rows import OUTLINE, StudyRow, TrialRow


def trial(number: int) -> TrialRow:
    return TrialRow(
        number, "COMPLETE", {"lr": 0.1}, "sobol", "drawn", 0.5 + number, 9, 1, 10.0, 20.0,
        device="cpu", best=0.4, rung=2, at_rung=number == 1, launched=11.0,
    )  # fmt: skip


def test_an_outline_has_its_columns_and_defaults_for_the_rest_and_whole_rows_follow(tmp_path):
    journal = Journal.open(tmp_path / "study.db", "loss")
    journal.write([], [trial(0), trial(1)], StudyRow())
    reader = Reader.open(tmp_path / "study.db")
    looked = reader.changes(outlined=True)
    whole = reader.trials()
    for outline, row in zip(looked.rows, whole, strict=True):
        assert {name: getattr(outline, name) for name in OUTLINE} == {
            name: getattr(row, name) for name in OUTLINE
        }
        assert outline.config == {}
        assert outline.origin == ""
    assert reader.changes(looked.seq).rows == []
    assert reader.some([1, 7]) == [whole[1]]
    reader.close()
    journal.close()
