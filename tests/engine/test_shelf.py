from __future__ import annotations

import json

import pytest

from tuitune.engine.shelf import Shelf, checkpoints_to_drop
from tuitune.study.state import State, Trial


def checkpoint(shelf: Shelf, trial: int, name: str) -> None:
    folder = shelf.folder(trial) / "checkpoints" / name
    folder.mkdir(parents=True)
    (folder / "model.pt").write_text("x")


def names(shelf: Shelf, trial: int) -> list[str]:
    folder = shelf.folder(trial) / "checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_folder_holds_its_configuration(tmp_path):
    folder = Shelf(tmp_path / "trials").prepare(7, {"lr": 0.1})
    assert folder.name == "0007"
    assert json.loads((folder / "config.json").read_text()) == {"lr": 0.1}


def test_the_newest_whole_checkpoint_is_by_number_and_never_a_half_one(tmp_path):
    shelf = Shelf(tmp_path)
    assert shelf.newest_checkpoint(0) is None
    for name in ("00000009", "00000010", ".tmp-00000011", "100000000"):
        checkpoint(shelf, 0, name)
    assert shelf.newest_checkpoint(0).name == "100000000"


def test_what_is_dropped_takes_the_half_written_along(tmp_path):
    shelf = Shelf(tmp_path)
    for name in ("00000001", "00000002", ".tmp-00000003"):
        checkpoint(shelf, 0, name)
    shelf.drop_checkpoints(0, 1)
    assert names(shelf, 0) == ["00000002"]
    shelf.drop_checkpoints(0, 0)
    assert not shelf.has_checkpoints(0)


def test_a_trial_that_was_not_promoted_keeps_what_it_may_go_on_from():
    trials = [Trial(0, {}, "random", "", state="PRUNED", shelved=True)]
    assert checkpoints_to_drop(State(trials=trials), "best", 0, None) == [(0, 1)]


@pytest.mark.parametrize(
    ("keep", "state", "leader", "kept", "dropped"),
    [
        ("best", "PRUNED", 1, 1, [(0, 0)]),
        ("best", "COMPLETE", 1, 1, [(0, 0)]),
        ("best", "COMPLETE", 0, 1, [(1, 0), (0, 1)]),
        ("best", "COMPLETE", 0, None, [(0, 1)]),
        ("all", "COMPLETE", 1, 1, []),
        ("all", "FAILED", 1, 1, [(0, 0)]),
        ("none", "COMPLETE", 0, None, [(0, 0)]),
    ],
)
def test_only_the_best_keeps_its_last(keep, state, leader, kept, dropped):
    trials = [Trial(0, {}, "random", "", state=state), Trial(1, {}, "random", "", state="COMPLETE")]
    assert checkpoints_to_drop(State(trials=trials, leader=leader), keep, 0, kept) == dropped
