"""Locks on GPUs between studies, and between users."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from workshop import wait_until

from tuitune.devices.locks import Locks, LocksError, lock_folder


def test_a_gpu_is_one_studys_and_the_other_learns_whose(tmp_path: Path):
    anna, ben = Locks("study cifar of anna", tmp_path), Locks("study digits of ben", tmp_path)
    assert anna.take("GPU-1") == ""
    assert anna.take("GPU-1") == ""  # it stays ours
    assert ben.take("GPU-1") == "study cifar of anna"
    assert ben.take("GPU-2") == ""
    assert "GPU-1" in anna
    assert "GPU-1" not in ben
    anna.drop("GPU-1")
    assert ben.take("GPU-1") == ""
    assert anna.take("GPU-1") == "study digits of ben"
    ben.close()
    assert anna.take("GPU-2") == ""
    anna.close()


def test_a_named_folder_has_the_locks_and_one_that_can_not_is_refused_with_the_mend(tmp_path: Path):
    assert lock_folder({}) == Path("/dev/shm")
    assert lock_folder({"TUITUNE_LOCKS": str(tmp_path)}) == tmp_path
    for there in ("absent", "a file"):
        place = tmp_path / there
        with pytest.raises(LocksError, match="unset it"):
            lock_folder({"TUITUNE_LOCKS": str(place)})
        (tmp_path / "a file").touch()


def test_a_lock_that_is_dropped_leaves_nothing_behind(tmp_path: Path):
    locks = Locks("anna", tmp_path)
    locks.take("GPU-1")
    locks.close()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_is_gone_is_no_lock(tmp_path: Path):
    anna, ben = Locks("anna", tmp_path), Locks("ben", tmp_path)
    anna.take("GPU-1")
    (tmp_path / "tuitune-GPU-1.lock").unlink()
    assert ben.take("GPU-1") == ""  # a new file: whoever cleans up there takes the blame
    anna.close()
    assert Locks("carl", tmp_path).take("GPU-1") == "ben"
    ben.close()


def test_every_user_can_take_it_whatever_the_umask(tmp_path: Path):
    before = os.umask(0o077)
    try:
        locks = Locks("anna", tmp_path)
        locks.take("GPU-1")
    finally:
        os.umask(before)
    assert (tmp_path / "tuitune-GPU-1.lock").stat().st_mode & 0o777 == 0o666
    locks.close()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path):
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / "tuitune-GPU-1.lock").symlink_to(tmp_path / "theirs")
    assert "can't be opened" in Locks("anna", tmp_path).take("GPU-1")
    assert (tmp_path / "theirs").read_text() == "precious"


def test_the_lock_of_a_study_that_was_killed_is_free(tmp_path: Path):
    code = (
        "import sys, time; from pathlib import Path; from tuitune.devices.locks import Locks; "
        "locks = Locks('doomed', Path(sys.argv[1])); print(repr(locks.take('GPU-1')), flush=True); "
        "time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline().strip() == "''"
    ours = Locks("ours", tmp_path)
    assert ours.take("GPU-1") == "doomed"
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    wait_until(lambda: ours.take("GPU-1") == "", "the lock")
    ours.close()


OTHER = """
import os, sys
from pathlib import Path
from tuitune.devices.locks import Locks

os.setgid(65534)
os.setuid(65534)  # nobody, from here on

locks = Locks("study digits of ben", Path(sys.argv[1]))
for word in sys.stdin:
    print(locks.take("GPU-1") if word.strip() == "take" else locks.drop("GPU-1"), flush=True)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="another user can be had by root alone")
def test_two_users_never_have_the_same_gpu():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o1777)  # as /dev/shm
        ours = Locks("study cifar of anna", folder)
        command = [sys.executable, "-c", OTHER, name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, text=True, **pipes) as other:

            def says(word: str) -> str:
                other.stdin.write(f"{word}\n")
                other.stdin.flush()
                return other.stdout.readline().strip()

            assert ours.take("GPU-1") == ""
            assert says("take") == "study cifar of anna"
            ours.drop("GPU-1")
            assert says("take") == ""
            assert ours.take("GPU-1") == "study digits of ben"
            says("drop")
            assert ours.take("GPU-1") == ""
        ours.close()
