"""What lies in the trials' folders, on a real disk."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from tuitune.core.study.checkpoints import Keep
from tuitune.engine.trial_folders import BIN, TrialFolders


def checkpoint(trial_folders: TrialFolders, trial: int, name: str) -> None:
    folder = trial_folders.folder(trial) / "checkpoints" / name
    folder.mkdir(parents=True)
    (folder / "model.pt").write_text("x")


def names(trial_folders: TrialFolders, trial: int) -> list[str]:
    folder = trial_folders.folder(trial) / "checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


LAST = 1 << 53
NONE = Keep(0, -1)


def close(trial_folders: TrialFolders) -> None:
    asyncio.run(trial_folders.close())


def test_a_folder_holds_its_configuration(tmp_path):
    trial_folders = TrialFolders(tmp_path / "trials")
    assert not trial_folders.prepare(7, {"lr": 0.1})
    assert trial_folders.folder(7).name == "0007"
    assert json.loads((trial_folders.folder(7) / "config.json").read_text()) == {"lr": 0.1}


def test_the_newest_whole_checkpoint_is_by_number_and_never_a_half_one(tmp_path):
    trial_folders = TrialFolders(tmp_path)
    assert trial_folders.newest_checkpoint(0, None, LAST) is None
    for name in ("00000009", "00000010", ".tmp-00000011", "100000000"):
        checkpoint(trial_folders, 0, name)
    assert trial_folders.newest_checkpoint(0, None, LAST).name == "100000000"
    assert trial_folders.newest_checkpoint(0, 10, 99).name == "00000009"
    assert trial_folders.newest_checkpoint(0, None, 8) is None


def test_while_an_attempt_runs_the_newest_that_are_known_stay_and_all_after_them(tmp_path):
    trial_folders = TrialFolders(tmp_path)
    for name in ("00000001", "00000002", "00000003", "00000004", ".tmp-0-5"):
        checkpoint(trial_folders, 0, name)
    trial_folders.leave({0: Keep(2, 3, live=True)})
    trial_folders._removal._pool.submit(lambda: None).result()
    assert names(trial_folders, 0) == [".tmp-0-5", "00000002", "00000003", "00000004"]
    trial_folders.leave({0: Keep(1, 3)})
    trial_folders.leave({0: Keep(2, 4, live=True)})  # which came too late
    close(trial_folders)
    assert names(trial_folders, 0) == ["00000003"]


def test_what_is_dropped_takes_the_half_written_along(tmp_path):
    trial_folders = TrialFolders(tmp_path)
    for trial in range(2):
        for name in ("00000001", "00000002", ".tmp-00000003"):
            checkpoint(trial_folders, trial, name)
    trial_folders.leave({0: Keep(1, LAST), 1: NONE, 2: NONE})
    close(trial_folders)
    assert names(trial_folders, 0) == ["00000002"]
    assert [path.name for path in tmp_path.iterdir()] == ["0000", "0001"]
    assert not (trial_folders.folder(1) / "checkpoints").exists()


def test_of_what_is_to_stay_the_last_word_counts(tmp_path):
    """It waits behind other removals; a word about a running attempt is older, however late."""
    trial_folders = TrialFolders(tmp_path)
    for name in ("00000001", "00000002", "00000003"):
        checkpoint(trial_folders, 0, name)
    holding, held = threading.Event(), threading.Event()
    trial_folders._removal._pool.submit(lambda: (held.set(), holding.wait()))
    held.wait()
    for keep in (Keep(2, 3, live=True), Keep(1, 3), NONE, Keep(2, 3, live=True)):
        trial_folders.leave({0: keep})
    holding.set()
    close(trial_folders)
    assert names(trial_folders, 0) == []


def test_checkpoints_that_are_a_link_to_another_place_go_and_the_link_stays(tmp_path):
    trial_folders, elsewhere = TrialFolders(tmp_path / "trials"), tmp_path / "big"
    trial_folders.prepare(0, {})
    (elsewhere / "00000001").mkdir(parents=True)
    (trial_folders.folder(0) / "checkpoints").symlink_to(elsewhere)
    trial_folders.leave({0: NONE})
    close(trial_folders)
    assert list(elsewhere.iterdir()) == []
    assert (trial_folders.folder(0) / "checkpoints").is_dir()


def test_a_trial_that_is_taken_up_again_loses_nothing_more(tmp_path):
    """Its removal waits behind another, which is held up; then it is launched."""
    trial_folders = TrialFolders(tmp_path)
    checkpoint(trial_folders, 1, "00000001")
    holding, held = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        holding.wait()

    trial_folders._removal._pool.submit(hold)
    held.wait()
    trial_folders.leave({1: NONE})
    trial_folders.prepare(1, {})
    holding.set()
    close(trial_folders)
    assert names(trial_folders, 1) == ["00000001"]


def test_what_a_killed_engine_was_removing_goes_with_the_next_removal(tmp_path):
    (tmp_path / BIN / "0003-abc" / "00000001").mkdir(parents=True)
    trial_folders = TrialFolders(tmp_path)
    trial_folders.leave({})
    close(trial_folders)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_removed_is_said_once_and_tried_again(tmp_path):
    said: list[str] = []
    trial_folders = TrialFolders(tmp_path, said.append)
    for trial in range(3):
        checkpoint(trial_folders, trial, "00000001")
    (tmp_path / BIN).write_text("in the way")  # for root, too
    trial_folders.leave({0: NONE, 1: NONE})
    trial_folders._removal._pool.submit(lambda: None).result()
    assert names(trial_folders, 0) == names(trial_folders, 1) == ["00000001"]
    assert len(said) == 1
    assert "can't be removed" in said[0]
    (tmp_path / BIN).unlink()
    trial_folders.leave({2: NONE})
    close(trial_folders)
    assert [names(trial_folders, trial) for trial in range(3)] == [[], [], []]
    assert len(said) == 1


@pytest.mark.parametrize("text", ['{"lr": 0.2}', '{"lr": 0.', ""])
def test_another_configurations_folder_is_moved_aside_whole(tmp_path, text):
    trial_folders = TrialFolders(tmp_path / "trials")
    for number in (1, 2):
        trial_folders.prepare(5, {"lr": 0.1})
        checkpoint(trial_folders, 5, "00000004")
        (trial_folders.folder(5) / "config.json").write_text(text)
        assert trial_folders.prepare(5, {"lr": 0.1}) == f"trials/0005.old-{number}"
        assert trial_folders.newest_checkpoint(5, None, LAST) is None
        old = tmp_path / "trials" / f"0005.old-{number}"
        assert (old / "config.json").read_text() == text
        assert (old / "checkpoints/00000004/model.pt").exists()


def test_the_same_configuration_is_known_however_it_is_written(tmp_path):
    trial_folders = TrialFolders(tmp_path)
    configuration = {"lr": 1e-05, "b": float("nan"), "layers": [1, 2]}
    trial_folders.prepare(0, configuration)
    checkpoint(trial_folders, 0, "00000001")
    assert not trial_folders.prepare(0, configuration)
    trial_folders.prepare(1, {"lr": 1.0, "n": 3})
    (trial_folders.folder(1) / "config.json").write_text('{"n":3,"lr":1}')
    assert not trial_folders.prepare(1, {"lr": 1.0, "n": 3})
    (trial_folders.folder(0) / "config.json").unlink()  # nobody can tell: as it was before
    assert not trial_folders.prepare(0, configuration)
    assert trial_folders.newest_checkpoint(0, None, LAST).name == "00000001"
    assert (trial_folders.folder(0) / "config.json").exists()


@pytest.mark.parametrize("text", ["", '{\n  "lr"'])
def test_a_configuration_that_was_half_written_is_written_again(tmp_path, text):
    trial_folders = TrialFolders(tmp_path)
    trial_folders.prepare(0, {"lr": 0.1})
    (trial_folders.folder(0) / "config.json").write_text(text)
    assert not trial_folders.prepare(0, {"lr": 0.1})
    assert json.loads((trial_folders.folder(0) / "config.json").read_text()) == {"lr": 0.1}
    assert [path.name for path in tmp_path.iterdir()] == ["0000"]


def test_the_end_of_a_trial_that_has_saved_nothing_wakes_no_thread(tmp_path, monkeypatch):
    trial_folders = TrialFolders(tmp_path)
    removal = trial_folders._removal
    trial_folders.leave({0: NONE})  # the first looks for what an engine that was killed has left
    woken = []
    monkeypatch.setattr(removal._pool, "submit", woken.append)
    trial_folders.leave({1: NONE})
    assert not woken
    checkpoint(trial_folders, 2, "00000001")
    trial_folders.leave({2: NONE})
    assert len(woken) == 1
