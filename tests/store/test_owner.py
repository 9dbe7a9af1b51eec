"""One engine a study: locks held by real processes, rows of other machines."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from msgspec import structs

from tuitune.store import owner
from tuitune.store.errors import HeldError, StoreError
from tuitune.store.owner import Owner, claim

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ENGINE = """
import subprocess, sys, time
from pathlib import Path
from tuitune.store.owner import claim
held = claim(Path(sys.argv[1]))
child = subprocess.Popen(["sleep", "600"])
print(child.pid, flush=True)
sys.stdin.read()
held.release()
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the study, with a child of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    yield process
    os.kill(child, signal.SIGKILL)
    process.kill()
    process.communicate()


def other_machine(folder: Path, heartbeat: float = 1.7e9) -> Owner:
    row = Owner("far", "another-boot", 12, 345, since=1.7e9, heartbeat=heartbeat)
    (folder / owner.ROW).write_bytes(msgspec.json.encode(row))
    return row


def test_a_second_engine_is_told_who_holds_the_study(
    engine: subprocess.Popen[str], tmp_path: Path
) -> None:
    for steal in (False, True):  # a process that lives here is never robbed
        with pytest.raises(StoreError, match=rf"process {engine.pid}, .*tuitune stop"):
            claim(tmp_path, steal=steal)
    found = owner.running(tmp_path)
    assert found is not None
    assert found.pid == engine.pid


def test_a_dead_engine_holds_nothing_even_while_its_children_live(
    engine: subprocess.Popen[str], tmp_path: Path
) -> None:
    engine.kill()
    engine.wait()
    left = owner.read(tmp_path)
    assert left is not None
    assert owner.is_alive(left) is False
    assert owner.running(tmp_path) is None
    held = claim(tmp_path)
    assert held.owner.pid == os.getpid()
    held.release()


def test_a_released_study_is_free(engine: subprocess.Popen[str], tmp_path: Path) -> None:
    assert engine.stdin is not None
    engine.stdin.close()
    engine.wait()
    engine.stdin = None
    assert owner.read(tmp_path) is None
    claim(tmp_path).release()


def test_one_process_claims_once(tmp_path: Path) -> None:
    held = claim(tmp_path)
    with pytest.raises(StoreError, match=f"process {os.getpid()}"):
        claim(tmp_path)
    held.release()
    held.release()
    claim(tmp_path).release()


def test_another_machines_study_is_refused_with_the_mend(tmp_path: Path) -> None:
    row = other_machine(tmp_path)
    assert owner.is_alive(row) is None
    assert owner.running(tmp_path) is None
    with pytest.raises(StoreError, match=r"engine on far \(process 12, .*--steal"):
        claim(tmp_path)
    assert owner.read(tmp_path) == row
    held = claim(tmp_path, steal=True)
    assert owner.read(tmp_path) == held.owner
    held.release()


def in_a_container(folder: Path, heartbeat: float) -> Owner:
    """The row of an engine under this kernel whose process id means nothing here."""
    held = claim(folder)
    held.release()
    row = structs.replace(held.owner, host="box", pids="pid:[1]", heartbeat=heartbeat)
    (folder / owner.ROW).write_bytes(msgspec.json.encode(row))
    return row


def test_an_engine_that_cant_be_seen_runs_while_its_heartbeats_are_recent(tmp_path: Path) -> None:
    for row in (in_a_container, other_machine):
        found = row(tmp_path, heartbeat=time.time() - 20)
        assert owner.is_alive(found) is None
        assert owner.running(tmp_path) == found
        assert "runs on" in owner.out_of_reach(tmp_path)
        row(tmp_path, heartbeat=time.time() - 100)
        assert owner.running(tmp_path) is None
        assert owner.out_of_reach(tmp_path) == ""


def test_the_lock_tells_whether_a_container_still_runs_its_engine(tmp_path: Path) -> None:
    in_a_container(tmp_path, heartbeat=time.time())
    held = claim(tmp_path)  # nobody has the lock: the container was killed
    (tmp_path / owner.ROW).unlink()
    in_use = structs.replace(held.owner, host="box", pids="pid:[1]")
    (tmp_path / owner.ROW).write_bytes(msgspec.json.encode(in_use))
    for steal in (False, True):
        with pytest.raises(HeldError, match=r"engine on box .* runs this study"):
            claim(tmp_path, steal=steal)
    held.release()


def test_a_study_left_before_this_machines_boot_is_free(tmp_path: Path) -> None:
    held = claim(tmp_path)
    before = structs.replace(held.owner, boot="an-earlier-boot")
    held.release()
    (tmp_path / owner.ROW).write_bytes(msgspec.json.encode(before))
    assert owner.is_alive(before) is False
    claim(tmp_path).release()


def test_a_process_number_used_again_is_not_the_engine(tmp_path: Path) -> None:
    held = claim(tmp_path)
    reused = structs.replace(held.owner, started=held.owner.started - 1)
    held.release()
    assert owner.is_alive(held.owner)
    assert owner.is_alive(reused) is False


def test_a_robbed_engine_learns_it_at_its_next_beat(tmp_path: Path) -> None:
    held = claim(tmp_path)
    first = held.owner.heartbeat
    held.beat()
    assert held.owner.heartbeat > first
    assert owner.read(tmp_path) == held.owner
    thief = other_machine(tmp_path)
    with pytest.raises(StoreError, match="taken over by the engine on far"):
        held.beat()
    held.release()
    assert owner.read(tmp_path) == thief


def test_a_lock_that_another_machine_holds_can_be_stolen(tmp_path: Path) -> None:
    held = claim(tmp_path)  # stands for a lock that a network file system reports
    other_machine(tmp_path)
    with pytest.raises(StoreError, match="--steal"):
        claim(tmp_path)
    stolen = claim(tmp_path, steal=True)
    with pytest.raises(StoreError, match="taken over"):
        held.beat()
    held.release()
    with pytest.raises(StoreError, match="runs this study"):
        claim(tmp_path)
    stolen.release()


def test_a_lock_without_a_living_owner_is_said(tmp_path: Path) -> None:
    held = claim(tmp_path)
    (tmp_path / owner.ROW).unlink()
    with pytest.raises(StoreError, match=r"another process holds \.lock"):
        claim(tmp_path)
    held.release()


@pytest.mark.parametrize("text", ["", "{", '{"host": 3}', "\0\0"])
def test_a_broken_row_is_no_owner(tmp_path: Path, text: str) -> None:
    (tmp_path / owner.ROW).write_text(text)
    assert owner.read(tmp_path) is None
    claim(tmp_path).release()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be written"):
        claim(tmp_path / "nowhere")


def test_a_dead_process_has_no_start() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert owner.start_of(process.pid) is None  # a zombie runs nothing
    process.wait()
    assert owner.start_of(process.pid) is None
    assert owner.start_of(os.getpid()) is not None
