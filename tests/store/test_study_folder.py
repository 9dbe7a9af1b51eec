"""Which folder a study gets, and which one a name means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuitune.cli.launch import remove_unbegun
from tuitune.store.errors import StoreError
from tuitune.store.folder import (
    all_studies,
    create_study,
    find_study,
    newest_study,
    remember,
    studies_in,
)
from tuitune.store.journal import Journal
from tuitune.store.owner import claim


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "runs"


def begun(runs: Path, name: str) -> Path:
    folder = create_study(runs, name)
    assert folder is not None
    (folder / "study.db").touch()
    (folder / "study.toml").touch()
    return folder


def test_a_folder_is_for_its_user_alone_and_unseen_by_git(runs: Path) -> None:
    folder = create_study(runs / "deep", "cifar")
    assert folder == runs / "deep" / "cifar"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


def test_the_next_study_of_a_name_gets_the_next_number(runs: Path) -> None:
    names = [begun(runs, "cifar").name for _ in range(11)]
    assert names == ["cifar", *(f"cifar-{n}" for n in range(2, 12))]
    assert newest_study(runs, "cifar") == runs / "cifar-11"
    assert newest_study(runs, "cif") is None
    assert len(studies_in(runs)) == 11


def test_a_study_whose_own_name_ends_in_a_number_is_not_anothers(runs: Path) -> None:
    begun(runs, "cifar-2")
    first = begun(runs, "cifar")
    assert newest_study(runs, "cifar") == first
    second = begun(runs, "cifar")
    assert second.name == "cifar-3"
    assert newest_study(runs, "cifar") == second
    assert newest_study(runs, "cifar-2") == runs / "cifar-2"
    assert begun(runs, "cifar-2").name == "cifar-2-2"


def test_what_a_crash_left_before_the_study_began_is_used_again(runs: Path) -> None:
    folder = create_study(runs, "cifar")
    assert newest_study(runs, "cifar") is None
    (folder / "study.db").touch()
    assert newest_study(runs, "cifar") is None
    assert create_study(runs, "cifar") == folder
    (folder / "trials").mkdir()  # trials have run: never taken for another study
    assert create_study(runs, "cifar") == runs / "cifar-2"


def unbegun(runs: Path) -> Path:
    """As an engine leaves it that has died before its study began."""
    folder = create_study(runs, "cifar")
    assert folder is not None
    held = claim(folder)
    journal = Journal.open(folder / "study.db", "loss")
    for name in ("study.toml", "study.toml.new", "engine.log"):
        (folder / name).touch()
    assert (folder / "study.db-wal").exists()
    assert not remove_unbegun(folder)  # an engine has it
    held.release()
    journal.put("source", "cifar.toml")
    journal.close()
    return folder


def test_what_an_engine_left_that_never_began_is_removed(runs: Path) -> None:
    folder = unbegun(runs)
    assert remove_unbegun(folder)
    assert list(runs.iterdir()) == []


@pytest.mark.parametrize("database", ["kept", "lost"])
@pytest.mark.parametrize("name", ["trials/0000/checkpoints/00000001/model.pt", "notes.txt"])
def test_what_no_engine_made_before_it_began_is_never_removed(
    runs: Path, name: str, database: str
) -> None:
    folder = unbegun(runs)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("precious")
    if database == "lost":
        (folder / "study.db").unlink()
    before = {path.name for path in folder.iterdir()}
    assert not remove_unbegun(folder)
    assert (folder / name).read_text() == "precious"
    assert {path.name for path in folder.iterdir()} >= before


def test_a_study_that_was_begun_meanwhile_is_not_begun_again(runs: Path) -> None:
    unbegun = create_study(runs, "cifar", another=False)
    assert create_study(runs, "cifar", another=False) == unbegun
    begun(runs, "cifar")
    assert create_study(runs, "cifar", another=False) is None
    assert [folder.name for folder in runs.iterdir()] == ["cifar"]
    assert create_study(runs, "cifar") == runs / "cifar-2"


def test_a_folder_in_the_way_is_left_alone(runs: Path) -> None:
    (runs / "cifar").mkdir(parents=True)
    (runs / "cifar" / "thesis.tex").touch()
    (runs / "cifar-2").touch()
    assert create_study(runs, "cifar") == runs / "cifar-3"
    assert [entry.name for entry in (runs / "cifar").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../a", "a\0b"])
def test_a_name_that_is_no_folder_is_refused(runs: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"\[study\] name"):
        create_study(runs, name)


def test_a_runs_folder_that_cannot_be_written_is_said(runs: Path) -> None:
    runs.write_text("a file")
    with pytest.raises(StoreError, match=r"can't be written.*--runs DIR"):
        create_study(runs, "cifar")
    with pytest.raises(StoreError, match=r"can't be written.*--runs DIR"):
        create_study(runs / "deeper", "cifar")
    assert studies_in(runs) == []


def test_a_name_too_long_for_a_folder_is_said(runs: Path) -> None:
    with pytest.raises(StoreError, match="too long"):
        create_study(runs, "c" * 300)


def test_a_bare_name_is_the_newest_and_a_full_one_exactly_that(runs: Path) -> None:
    folders = [begun(runs, "cifar") for _ in range(3)]
    assert find_study("cifar", runs) == folders[2]
    assert find_study("cifar-2", runs) == folders[1]
    assert find_study(str(folders[0]), runs) == folders[0]


def test_a_folder_renamed_by_hand_answers_to_its_new_name(runs: Path) -> None:
    kept = begun(runs, "cifar").rename(runs / "kept")
    assert newest_study(runs, "cifar") is None
    assert find_study("kept", runs) == kept


def test_the_registry_finds_what_lies_elsewhere(runs: Path, tmp_path: Path) -> None:
    for _ in range(2):
        remember(begun(tmp_path / "far", "cifar"))
    assert find_study("cifar", runs) == tmp_path / "far" / "cifar-2"
    near = begun(runs, "cifar")
    assert find_study("cifar", runs) == near


def test_a_study_that_is_here_and_known_is_listed_once(runs: Path, tmp_path: Path) -> None:
    far, never_run = begun(tmp_path / "far", "cifar"), begun(runs, "a")
    near = begun(runs, "cifar")
    for age, folder in enumerate((near, far)):
        remember(folder)
        for entry in (tmp_path / "state" / "tuitune" / "studies").iterdir():
            if str(folder) in entry.read_text():
                os.utime(entry, (age, age))  # clocks may be coarse
    (create_study(tmp_path / "far", "abandoned") / "study.db").touch()
    remember(tmp_path / "far" / "abandoned")
    assert all_studies(Path("../runs")) == [far, near, never_run]


def test_a_name_in_two_places_is_asked_about(runs: Path, tmp_path: Path) -> None:
    for place in ("a", "b"):
        remember(begun(tmp_path / place, "cifar"))
    with pytest.raises(StoreError, match=r"several studies.*/a/cifar.*") as caught:
        find_study("cifar", runs)
    assert str(tmp_path / "b" / "cifar") in str(caught.value)


def test_a_path_may_name_the_folder_or_a_file_in_it(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begun(runs, "cifar")
    elsewhere = runs.parent / "no-runs"
    for path in (folder, folder / "study.db", folder / "study.toml"):
        assert find_study(str(path), elsewhere) == folder
    monkeypatch.chdir(runs)
    assert find_study("./cifar", elsewhere).resolve() == folder
    monkeypatch.chdir(folder)
    assert find_study(".", elsewhere).resolve() == folder


def test_an_unknown_study_gets_near_names(runs: Path) -> None:
    with pytest.raises(StoreError, match=r"there are none yet; `tuitune STUDY\.toml`"):
        find_study("cifar", runs)
    begun(runs, "cifar")
    with pytest.raises(StoreError, match=r"cfar: no such study.*did you mean cifar\?"):
        find_study("cfar", runs)
    with pytest.raises(StoreError, match="there are: cifar"):
        find_study("mnist", runs)
    for text in ("", "..", "/", "cifar/../..", "\0"):
        with pytest.raises(StoreError, match="no such study"):
            find_study(text, runs)
