"""A stored study as a program reads it: `tuitune.load`."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from stored_study import finished, store

import tuitune
from tuitune.core import events as ev
from tuitune.store.errors import StoreError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "runs" / "study"
    place.mkdir(parents=True)
    journal = store(place)
    facts = [
        ev.Reported(1.0, 1, 0, 1, {"loss": 0.5, "lr": 0.1}),
        ev.Reported(2.0, 0, 0, 1, {"loss": math.nan}),
        ev.Reported(3.0, 1, 0, 2, {"loss": 0.25, "lr": 0.2}),
    ]
    journal.write(facts, [finished(0), finished(1), finished(2)])
    journal.close()
    checkpoint = place / "trials" / "0001" / "checkpoints" / "00000002"
    checkpoint.mkdir(parents=True)
    (checkpoint.parent / ".tmp-7-3").mkdir()
    return place


def test_trials_best_and_reports_are_those_that_are_stored(folder: Path):
    study = tuitune.load(folder)
    assert (study.name, study.path, study.metric, study.mode) == ("study", folder, "loss", "min")
    assert [trial.number for trial in study.trials] == [0, 1, 2]
    assert (study.trials[1].state, study.trials[1].value) == ("COMPLETE", 0.618)
    assert study.trials[2].config == finished(2).config
    assert study.best == study.trials[0]
    checkpoint = folder / "trials" / "0001" / "checkpoints" / "00000002"
    assert [trial.checkpoint for trial in study.trials] == [None, checkpoint, None]
    reports = list(study.reports)
    assert [(r.trial, r.step, r.value) for r in reports] == [
        (1, 1, 0.5),
        (0, 1, None),
        (1, 2, 0.25),
    ]
    assert reports[2].metrics == {"loss": 0.25, "lr": 0.2}
    assert repr(study).startswith("<study study: interrupted, 3 trials; /")


def test_a_name_is_looked_up_in_the_folder_of_studies(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TUITUNE_RUNS", str(folder.parent))
    assert tuitune.load("study").path == folder
    with pytest.raises(StoreError, match=r"stud: no such study.*did you mean study\?"):
        tuitune.load("stud", runs=folder.parent)


def test_what_is_not_there_has_no_name():
    with pytest.raises(AttributeError, match="no attribute 'tune'"):
        tuitune.tune  # noqa: B018 - it is looked up
