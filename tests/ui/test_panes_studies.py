"""The list of studies, as it was last seen to be right."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pictures import NOW, text
from stored_study import store

from tuitune.ui.render.glyphs import ASCII, FULL
from tuitune.ui.render.lines import Size, width_of
from tuitune.ui.state.studies import Entry, Studies
from tuitune.ui.text.studies import Listing, study_lines

RUNS = Path("/home/ada/runs")
ENTRIES = [
    Entry(RUNS / "cifar", "running", 41, 100, "val_accuracy", 0.9312, 17, when=NOW - 2, left=754.0),
    Entry(RUNS / "quiet", "running", 4, 20, "loss", 0.5, 1, when=NOW - 3, launching=False),
    Entry(RUNS / "cifar-2", "interrupted", 3, 100, "val_accuracy", 0.71, 2, True, NOW - 7200),
    Entry(RUNS / "a-study-whose-name-is-long", "finished", 40, 40, "loss", 1e-5, 3, when=NOW - 9e5),
    Entry(RUNS / "old", "unreadable", when=NOW - 60, problem="study.db: not a study's database"),
    Entry(RUNS / "next", when=NOW - 1),
]
GLYPHS = {"full": FULL, "ascii": ASCII}


@pytest.mark.parametrize("glyphs", GLYPHS)
@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_list_looks_as_it_did(snapshot, width, glyphs):
    lines = study_lines(Listing(ENTRIES, 1, "", GLYPHS[glyphs], NOW), Size(width, 10))
    assert all(width_of(line) <= width for line in lines)
    assert text(lines).isascii() or glyphs == "full"
    assert text(lines) == snapshot


@pytest.mark.parametrize(
    ("words", "said"), [("", "No studies yet."), ("x", "esc clears the filter")]
)
def test_an_empty_list_says_why_and_what_to_do(words, said):
    assert said in text(study_lines(Listing([], 0, words, FULL, NOW), Size(80, 9)))


def test_the_chosen_one_is_seen_however_many_there_are():
    many = [Entry(RUNS / f"study-{number}", "finished", when=NOW) for number in range(60)]
    for at in (0, 30, 59):
        shown = text(study_lines(Listing(many, at, "", FULL, NOW), Size(80, 10)))
        assert f"> ✓ study-{at} " in shown
        assert len(shown.splitlines()) == 10


def test_a_look_at_a_study_does_not_change_when_it_was_changed(tmp_path):
    store(tmp_path / "one").close()
    before = 1_600_000_000
    os.utime(tmp_path / "one" / "study.db", (before, before))
    (tmp_path / "one" / "study.db-wal").touch()  # as a reader leaves it
    studies = Studies(tmp_path)
    studies.read_all()
    (entry,) = (entry for entry in studies.listed() if entry.folder.parent == tmp_path)
    assert entry.when == before
    studies.close()
