"""Commands that save files of their own: what counts as a checkpoint, and how they leave."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

import tuitune
from tuitune.core import events
from tuitune.trial.saved_files import find, is_torn, look, newest, restore

ROOT = Path(tuitune.__file__).parents[1]
# Saves a number at each call, in two writes, of which the first alone is not a number of an epoch.
SAVE = """
import os, signal, sys, time
place = sys.argv[1]
def save(epoch, torn=lambda: None):
    with open(place + "/last.ckpt", "w") as file:
        file.write("epoch ")
        file.flush()
        torn()
        file.write(f"{epoch}\\n")
def report(epoch):
    print('tuitune {"epoch": %d, "loss": 1}' % epoch)
def waits(name):
    while not os.path.exists(place + "/" + name):
        time.sleep(0.005)
"""

# Reports a step after the other until it may end.
STEPS = """
step = 0
while not os.path.exists(place + "/end"):
    step += 1
    report(step)
    time.sleep(0.02)
"""


def saving(bench, code, *, trial=0, saves="last.ckpt", **more):
    """An order of a script that saves into its trial's folder."""
    bench.write(f"script{trial}.py", SAVE + code)
    if bench.executor is None:
        bench.open(None)
    folder = bench.study / f"trials/{trial:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    command = (sys.executable, f"script{trial}.py", str(folder))
    return bench.order(trial=trial, command=command, saves=saves, **more)


def folder(bench, trial=0):
    return bench.study / f"trials/{trial:04d}"


def kept(bench, trial=0):
    """Each checkpoint's step, and what its file holds."""
    files = sorted(folder(bench, trial).glob("checkpoints/*/last.ckpt"))
    return {int(file.parent.name): file.read_text() for file in files}


# --- files ------------------------------------------------------------------------------------


def write(path: Path, text: str, time: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time, time))


def test_the_newest_match_counts_and_of_equal_times_the_last_by_name(tmp_path):
    for name, time in (("a-9.pt", 5), ("a-10.pt", 5), ("b.pt", 4), ("a-11.txt", 9)):
        write(tmp_path / name, name, time)
    assert newest(str(tmp_path), "*.pt").place == "a-10.pt"
    write(tmp_path / "b.pt", "later", 6)
    assert newest(str(tmp_path), "*.pt").place == "b.pt"
    assert newest(str(tmp_path), "*.ckpt") is None


def test_a_folder_is_as_new_as_its_newest_file_and_an_empty_one_is_none(tmp_path):
    write(tmp_path / "checkpoint-1/model", "1", 3)
    write(tmp_path / "checkpoint-1/deep/optimizer", "1", 8)
    write(tmp_path / "checkpoint-2/model", "2", 7)
    (tmp_path / "checkpoint-3/empty").mkdir(parents=True)
    found = newest(str(tmp_path), "checkpoint-*")
    assert (found.place, found.mtime, len(found.stamp)) == ("checkpoint-1", 8, 2)


def test_links_are_what_they_lead_to_and_those_to_nothing_are_not_there(tmp_path):
    write(tmp_path / "out/epoch=3.ckpt", "3", 4)
    (tmp_path / "last.ckpt").symlink_to("out/epoch=3.ckpt")
    (tmp_path / "gone.ckpt").symlink_to("nothing")
    (tmp_path / "loop.ckpt").symlink_to("loop.ckpt")
    (tmp_path / "out/around").symlink_to(tmp_path)
    assert newest(str(tmp_path), "*.ckpt").place == "last.ckpt"
    assert [name for name, *_ in newest(str(tmp_path), "out").stamp] == ["epoch=3.ckpt"]


def test_what_is_tuitunes_own_never_counts(tmp_path):
    for name in ("checkpoints/00000001/a", "output.log", "config.json", "a"):
        write(tmp_path / name, "x", 1)
    assert find(str(tmp_path), "**/*") == ["a"]


@pytest.mark.parametrize(
    ("content", "torn"),
    [(b"", True), (b"PK\x03\x04 half", True), (b"PK\x03\x04 all PK\x05\x06 end", False), (b"x", False)],
)  # fmt: skip
def test_an_archive_without_its_end_is_torn(tmp_path, content, torn):
    (tmp_path / "a.pt").write_bytes(content)
    assert is_torn(str(tmp_path), look(str(tmp_path), "a.pt")) is torn


@pytest.mark.parametrize("linked", [False, True])
def test_what_a_checkpoint_holds_is_put_back_as_a_file_of_its_own(tmp_path, linked):
    write(tmp_path / "checkpoints/00000003/out/last.ckpt", "3", 5)
    write(tmp_path / "out/last.ckpt", "torn", 9)
    write(tmp_path / "out/new.ckpt", "later", 8)
    write(tmp_path / "out/old.ckpt", "earlier", 2)
    kept = tmp_path / "checkpoints/00000003"
    if linked:
        (tmp_path / "out/last.ckpt").unlink()
        os.link(kept / "out/last.ckpt", tmp_path / "out/last.ckpt")
    restore(str(tmp_path), "out/*.ckpt", str(kept))
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {
        "last.ckpt": "3",
        "old.ckpt": "earlier",
    }
    (tmp_path / "out/last.ckpt").write_text("4")
    assert (kept / "out/last.ckpt").read_text() == "3"


def test_an_attempt_without_a_checkpoint_finds_none(tmp_path):
    write(tmp_path / "last.ckpt", "torn", 9)
    write(tmp_path / "other", "x", 9)
    restore(str(tmp_path), "last.ckpt", None)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


# --- commands ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1])
def test_what_is_there_at_an_exit_is_the_checkpoint_of_the_step_reported_last(bench, code):
    order = saving(bench, f"report(1); report(2); save(2); sys.exit({code})")
    bench.run(order)
    assert [fact.step for fact in bench.of(events.Checkpointed)] == [2]
    assert kept(bench) == {2: "epoch 2\n"}
    assert (folder(bench) / "last.ckpt").read_text() == "epoch 2\n"


def test_what_a_death_has_cut_off_does_not_count(bench):
    torn = "lambda: os.kill(os.getpid(), signal.SIGKILL)"
    end = bench.run(saving(bench, f"report(1); save(1, {torn})"))
    assert end.signal == signal.SIGKILL
    assert bench.of(events.Checkpointed) == []
    assert kept(bench) == {}


@pytest.mark.parametrize("reason", ["paused", "drain"])
def test_one_that_is_asked_to_leave_is_ended_after_its_next_save(bench, reason):
    order = saving(bench, "report(1); waits('asked'); save(1); time.sleep(600)")
    bench.launch(order)
    bench.until(bench.steps)
    bench.call("ask_stop", 0, 1, reason, True)
    (folder(bench) / "asked").touch()
    end = bench.until(bench.exits)[0]
    assert (end.signal, end.stopped) == (signal.SIGTERM, True)
    assert bench.of(events.Frozen) == []
    assert kept(bench) == {1: "epoch 1\n"}


def test_a_save_under_way_is_not_cut_off(bench):
    torn = "lambda: (report(2), waits('asked'))"
    order = saving(bench, f"report(1); save(1, {torn}); time.sleep(600)")
    bench.answers = {1: ("stop", True)}
    order = order._replace(rungs=(1,))
    bench.launch(order)
    bench.until(lambda: bench.steps() == [1, 2])
    assert bench.exits() == []
    (folder(bench) / "asked").touch()
    bench.until(bench.exits)
    assert kept(bench) == {2: "epoch 1\n"}


def test_one_that_saves_before_it_reports_leaves_at_the_report_of_a_rung(bench):
    order = saving(bench, "save(1); report(1); save(2); report(2); time.sleep(600)", rungs=(2,))
    bench.answers = {2: ("stop", True)}
    bench.run(order)
    assert [fact.can_save for fact in bench.of(events.Reported)] == [False, True]
    assert kept(bench) == {2: "epoch 2\n"}


def test_one_that_has_never_saved_is_ended_after_one_more_step(bench):
    bench.launch(saving(bench, STEPS))
    bench.until(bench.steps)
    bench.call("ask_stop", 0, 1, "drain", True)
    assert bench.until(bench.exits)[0].stopped
    assert bench.of(events.Checkpointed) == []


def test_one_that_has_never_saved_is_frozen_by_a_pause(bench):
    bench.launch(saving(bench, STEPS))
    bench.until(bench.steps)
    bench.call("ask_stop", 0, 1, "paused", True)
    bench.until(lambda: bench.of(events.Frozen))
    bench.call("release", 0, 1)
    (folder(bench) / "end").touch()
    end = bench.until(bench.exits)[0]
    assert (end.code, end.stopped) == (0, False)


def test_a_harsher_order_does_not_wait_for_a_save(bench):
    bench.launch(saving(bench, "report(1); time.sleep(600)"))
    bench.until(bench.steps)
    bench.call("ask_stop", 0, 1, "drain", True)
    bench.call("ask_stop", 0, 1, "killed", False)
    assert bench.until(bench.exits)[0].signal == signal.SIGTERM


LATE = """
import time

from tuitune.trial.channel import SocketChannel

receive = SocketChannel._receive

def late(channel, flags=0):
    time.sleep(0.5 if flags else 0)  # meanwhile several messages come
    receive(channel, flags)

SocketChannel._receive = late
"""


def test_a_harsher_order_that_comes_with_another_while_a_report_is_sent(bench, monkeypatch):
    bench.write("late/sitecustomize.py", LATE)
    monkeypatch.setenv("PYTHONPATH", str(bench.folder / "late"), prepend=os.pathsep)
    bench.launch(saving(bench, "report(1); time.sleep(600)"))
    bench.until(bench.steps)
    bench.call("ask_stop", 0, 1, "drain", True)
    bench.call("ask_stop", 0, 1, "killed", False)
    assert bench.until(bench.exits)[0].signal == signal.SIGTERM


def test_it_is_copied_while_the_command_runs_and_goes_on_from_there(bench):
    code = (
        "report(1); save(1); waits('kept'); save(2, lambda: os.kill(os.getpid(), signal.SIGKILL))"
    )
    bench.launch(saving(bench, code))
    bench.until(lambda: bench.of(events.Checkpointed))
    (folder(bench) / "kept").touch()
    bench.until(bench.exits)
    assert (folder(bench) / "last.ckpt").read_text() == "epoch "
    assert kept(bench) == {1: "epoch 1\n"}
    path = str(folder(bench) / "checkpoints/00000001")
    code = "print(open(place + '/last.ckpt').read())"
    bench.run(saving(bench, code, attempt=2, resume_path=path, resume_step=1))
    assert bench.log().endswith("epoch 1\n\n")
    assert kept(bench) == {1: "epoch 1\n"}


def test_one_that_saves_all_the_time_is_copied_when_no_process_writes(bench):
    code = "report(1)\nwhile not os.path.exists(place + '/kept'):\n    save(1); time.sleep(0.05)"
    bench.launch(saving(bench, code))
    bench.until(lambda: bench.of(events.Checkpointed))
    (folder(bench) / "kept").touch()
    bench.until(bench.exits)
    assert kept(bench) == {1: "epoch 1\n"}


def test_folders_count_and_keep_their_names(bench):
    code = """
for step in (1, 2):
    os.makedirs(f"{place}/out/checkpoint-{step}")
    open(f"{place}/out/checkpoint-{step}/model", "w").write(str(step))
    report(step)
"""
    bench.run(saving(bench, code, saves="out/checkpoint-*"))
    (file,) = folder(bench).glob("checkpoints/*/out/*/model")
    assert str(file.relative_to(folder(bench))) == "checkpoints/00000002/out/checkpoint-2/model"


FOLDERS = """
def save(step, torn=lambda: None):
    os.makedirs(f"{place}/checkpoint-{step}")
    open(f"{place}/checkpoint-{step}/model", "w").write(str(step))
    torn()
    open(f"{place}/checkpoint-{step}/state", "w").write(str(step))
"""
TORN = "lambda: os.kill(os.getpid(), signal.SIGKILL)"


def kept_folders(bench):
    found = folder(bench).glob("checkpoints/*/checkpoint-*")
    return [(path.name, len(list(path.iterdir()))) for path in found]


def test_a_folder_that_another_one_follows_is_whole(bench):
    code = f"{FOLDERS}\nsave(1); report(1); save(2); report(2); save(3, {TORN})"
    bench.run(saving(bench, code, saves="checkpoint-*"))
    assert kept_folders(bench) == [("checkpoint-2", 2)]


def test_one_that_saves_folders_all_the_time_leaves_by_the_last_but_one(bench):
    code = f"{FOLDERS}\nfor step in range(1, 10**6):\n    report(step); save(step, lambda: time.sleep(0.05))"
    bench.launch(saving(bench, code, saves="checkpoint-*"))
    bench.until(lambda: len(bench.steps()) > 3)  # suspended between saves, it keeps the one before
    bench.call("ask_stop", 0, 1, "drain", True)
    assert bench.until(bench.exits)[0].stopped
    ((name, files),) = kept_folders(bench)
    assert files == 2
    assert int(name.rpartition("-")[2]) > 2


def test_a_script_that_asks_for_its_trial_saves_by_itself(bench):
    code = """
import tuitune
trial = tuitune.current()
save(1)
trial.report(epoch=3, loss=1.0, save=lambda folder: (folder / "own").touch())
"""
    bench.answers = {3: ("stop", True)}
    env = {"PYTHONPATH": str(ROOT)}
    bench.run(saving(bench, code, env=env, rungs=(3,)))
    assert [path.name for path in folder(bench).glob("checkpoints/*/*")] == ["own"]
