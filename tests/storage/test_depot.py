"""Checkpoints in a storage: whole or absent, whatever the file system does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import toy_storage
from toy_storage import tell

from tuitune.core.study.checkpoints import Keep
from tuitune.storage.depot import (
    Copy,
    Depot,
    StorageError,
    TornError,
    check_scheme,
    whole,
)

OURS = "0123"  # the digest of a configuration


@pytest.fixture
def depot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Depot:
    toy_storage.register()
    monkeypatch.setenv(toy_storage.BEHAVIOUR, str(tmp_path / "behaviour"))
    tell("")
    (tmp_path / "storage").mkdir()
    return Depot(f"toy://{tmp_path}/storage", "study-1")


def checkpoint(tmp_path: Path, step: int) -> Path:
    """A checkpoint of three files on this machine."""
    folder = tmp_path / "here" / f"{step:08d}"
    (folder / "parts" / "empty").mkdir(parents=True)
    for name in ("model", "parts/one", "parts/two"):
        (folder / name).write_text(f"{name} of step {step}")
        os.utime(folder / name, (step, step))
    return folder


def newest(depot: Depot, but: int | None = None, known: int = 99) -> Copy | None:
    return next(depot.newest(7, OURS, but, known), None)


def is_brought(depot: Depot, copy: Copy, place: Path) -> bool:
    place.mkdir()
    depot.bring(7, copy, place)
    names = {str(path.relative_to(place)) for path in place.rglob("*")}
    text = (place / "parts" / "two").read_text()
    assert (place / "model").stat().st_mtime == copy.step
    there = {"model", "parts", "parts/one", "parts/two", "parts/empty"}
    return names == there and text == f"parts/two of step {copy.step}"


def test_the_newest_checkpoint_is_brought_as_it_was(depot: Depot, tmp_path: Path):
    assert newest(depot) is None
    for step in (3, 6, 9):
        depot.keep(7, 0, checkpoint(tmp_path, step), OURS)
    assert newest(depot, but=9).step == 6
    assert newest(depot, known=8).step == 6
    assert is_brought(depot, newest(depot), tmp_path / "brought")


def test_what_an_abandoned_attempt_has_saved_later_is_removed(depot: Depot, tmp_path: Path):
    for step in (3, 9):
        depot.keep(7, 0, checkpoint(tmp_path, step), OURS)
    depot.leave(7, Keep(2, 6, live=True))
    assert newest(depot).step == 9
    depot.leave(7, Keep(2, 6))
    assert newest(depot).step == 3


def test_a_step_that_is_saved_again_replaces_the_one_before(depot: Depot, tmp_path: Path):
    folder = checkpoint(tmp_path, 3)
    depot.keep(7, 0, folder, OURS)
    again = depot.keep(7, 1, folder, OURS)
    depot.leave(7, Keep(2, 3, live=True))
    assert list(depot.newest(7, OURS, None, 99)) == [again]


@pytest.mark.parametrize("how", ["tear", "cut"])
@pytest.mark.parametrize("write", [1, 2, 3, 4])  # three files, and their list
def test_a_torn_upload_is_never_the_newest(depot: Depot, tmp_path: Path, how: str, write: int):
    depot.keep(7, 0, checkpoint(tmp_path, 3), OURS)
    tell(f"{how} {write}")
    with pytest.raises(StorageError):
        depot.keep(7, 0, checkpoint(tmp_path, 6), OURS)
    tell("")
    assert newest(depot).step == 3
    assert is_brought(depot, newest(depot), tmp_path / "brought")
    depot.keep(7, 0, checkpoint(tmp_path, 9), OURS)
    depot.leave(7, Keep(2, 9))
    place = tmp_path / "storage" / "study-1" / "0007" / "checkpoints"
    assert {path.name[:8] for path in place.iterdir()} == {"00000003", "00000009"}


def test_a_copy_whose_list_was_damaged_there_makes_no_other_one_superfluous(depot, tmp_path):
    place = tmp_path / "storage" / "study-1" / "0007" / "checkpoints"
    depot.keep(7, 0, checkpoint(tmp_path, 3), OURS)
    copy = depot.keep(7, 0, checkpoint(tmp_path, 6), OURS)
    (place / f"{copy.name}.json").write_text("{")
    assert newest(depot).step == 3
    depot.keep(7, 0, checkpoint(tmp_path, 9), OURS)
    depot.leave(7, Keep(2, 9, live=True))
    assert [copy.step for copy in depot.newest(7, OURS, None, 99)] == [9, 3]


def test_a_copy_that_was_damaged_there_is_not_brought(depot: Depot, tmp_path: Path):
    copy = depot.keep(7, 0, checkpoint(tmp_path, 3), OURS)
    there = tmp_path / "storage" / "study-1" / "0007" / "checkpoints" / copy.name / "model"
    there.write_text("x")
    with pytest.raises(TornError, match="model is torn"):
        is_brought(depot, copy, tmp_path / "brought")


def test_what_another_configuration_has_saved_is_not_taken(depot: Depot, tmp_path: Path):
    depot.keep(7, 0, checkpoint(tmp_path, 3), "4567")
    assert newest(depot) is None


def test_a_checkpoint_that_is_removed_meanwhile_is_told_apart(depot: Depot, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        depot.keep(7, 0, tmp_path / "here" / "00000003", OURS)
    assert newest(depot) is None


@pytest.mark.parametrize(("keep", "left"), [(0, []), (1, [6]), (2, [6, 3])])
def test_only_what_is_kept_stays(depot: Depot, tmp_path: Path, keep: int, left: list[int]):
    for step in (3, 6):
        depot.keep(7, 0, checkpoint(tmp_path, step), OURS)
    depot.leave(7, Keep(keep, 6))
    assert [copy.step for copy in depot.newest(7, OURS, None, 99)] == left
    depot.leave(8, Keep(0, -1))  # which has nothing there


@pytest.mark.parametrize(
    ("how", "words"), [("full", "no space is left there"), ("denied", "Permission denied")]
)
def test_a_storage_that_can_not_be_written_says_why(
    depot: Depot, tmp_path: Path, how: str, words: str
):
    depot.check()
    tell(how)
    with pytest.raises(StorageError, match=words):
        depot.check()
    with pytest.raises(StorageError, match=words):
        depot.keep(7, 0, checkpoint(tmp_path, 3), OURS)


def test_logs_are_kept_by_attempt(depot: Depot, tmp_path: Path):
    log = tmp_path / "output.log"
    log.write_text("first\nsecond\n")
    depot.keep_log(7, 1, log, 6)
    assert depot.log(7, 1) == b"second\n"
    assert depot.log(7, 0) == b""


def test_an_unknown_scheme_is_told():
    with pytest.raises(StorageError, match="nosuch"):
        check_scheme("nosuch://bucket/me")
    with pytest.raises(StorageError, match="nosuch"):
        Depot("nosuch://bucket/me", "study-1")


def test_only_copies_with_a_list_are_whole():
    names = ["00000003-0000-aaaaaaaa", "00000003-0000-aaaaaaaa.json", "00000006-0000-bbbbbbbb", "x"]
    assert whole(names) == [Copy(3, 0, "aaaaaaaa")]
