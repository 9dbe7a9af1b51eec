"""The user's list of studies on this machine."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tuitune.store.folder import known_studies, remember

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "tuitune" / "studies"


def study(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "study.db").touch()
    return folder


def test_nothing_is_known_at_first() -> None:
    assert known_studies() == []


def test_the_study_run_last_comes_first(tmp_path: Path, state: Path) -> None:
    folders = [study(tmp_path / name) for name in ("a", "b", "c")]
    for age, folder in enumerate([*folders, folders[0]]):
        assert remember(folder)
        for entry in state.glob("*.json"):  # clocks may be coarse
            if str(folder) in entry.read_text():
                os.utime(entry, (age, age))
    assert known_studies() == [folders[0], folders[2], folders[1]]
    assert len(list(state.iterdir())) == 3


def test_a_relative_folder_is_known_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study(tmp_path / "runs" / "cifar")
    monkeypatch.chdir(tmp_path)
    assert remember(folder.relative_to(tmp_path))
    monkeypatch.chdir("/")
    assert known_studies() == [folder]


def test_a_removed_study_is_forgotten_and_an_unmounted_one_kept(
    tmp_path: Path, state: Path
) -> None:
    removed, away = study(tmp_path / "runs" / "removed"), study(tmp_path / "disk" / "runs" / "away")
    assert remember(removed)
    assert remember(away)
    shutil.rmtree(removed)
    (tmp_path / "disk").rename(tmp_path / "unplugged")
    assert known_studies() == []
    assert remember(study(tmp_path / "runs" / "other"))
    assert len(list(state.iterdir())) == 2
    (tmp_path / "unplugged").rename(tmp_path / "disk")
    assert away in known_studies()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"folder": 3}', '"folder"', "\x00"])
def test_a_broken_entry_is_no_study(tmp_path: Path, state: Path, text: str) -> None:
    folder = study(tmp_path / "cifar")
    assert remember(folder)
    (state / "broken.json").write_text(text)
    assert known_studies() == [folder]


def test_a_state_folder_that_cannot_be_made_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert not remember(study(tmp_path / "cifar"))
    assert known_studies() == []
