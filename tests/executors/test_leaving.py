"""How trials leave that can save only now and then, on a full disk, or in another way than asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tuitune
from tuitune.core import events

ROOT = Path(tuitune.__file__).parents[1]


def run(bench, code, **more):
    bench.write("train.py", code)
    bench.open()
    return bench.run(bench.order(**more))


def saved(bench):
    return [fact.step for fact in bench.of(events.Checkpointed)]


def test_one_that_saves_too_seldom_leaves_after_one_more_step(bench):
    code = """
    def train(trial):
        for epoch in range(1, 28):
            save = {"save": lambda folder: None} if epoch % 10 == 1 else {}
            trial.report(epoch=epoch, loss=1.0, **save)
    """
    bench.answers = {3: ("stop", True)}
    end = run(bench, code, rungs=(3, 9), max_resource=27)
    assert (end.stopped, bench.steps(), saved(bench)) == (True, [1, 2, 3, 4, 5], [])


def test_one_that_saves_at_the_next_step_saves_there(bench):
    code = """
    def train(trial):
        for epoch in range(1, 28):
            save = {"save": lambda folder: None} if epoch % 2 == 0 else {}
            trial.report(epoch=epoch, loss=1.0, **save)
    """
    bench.answers = {3: ("stop", True)}
    end = run(bench, code, rungs=(3, 9), max_resource=27)
    assert (end.stopped, bench.steps(), saved(bench)) == (True, [1, 2, 3, 4], [4])


def test_in_its_first_step_it_waits_for_the_report_that_may_save(bench):
    code = """
    def train(trial):
        for epoch in range(trial.config["first"], 28):
            trial.report(epoch=epoch, loss=1.0)
            trial.report(epoch=epoch, accuracy=1.0)
            trial.report(epoch=epoch, accuracy=1.0, save=lambda folder: None)
    """
    bench.answers = {3: ("stop", True)}
    end = run(bench, code, config={"first": 3}, rungs=(3, 9), max_resource=27, resume_step=2)
    assert (end.stopped, bench.steps(), saved(bench)) == (True, [3, 3, 3], [3])


@pytest.mark.parametrize(("save", "steps"), [("None", []), ("(lambda folder: None)", [2])])
def test_the_first_report_after_its_first_step_ends_its_wait(bench, save, steps):
    code = f"""
    def train(trial):
        for epoch in range(1, 28):
            trial.report(epoch=epoch, loss=1.0, save={save} if epoch == 2 else None)
            trial.report(epoch=epoch, accuracy=1.0)
    """
    bench.answers = {1: ("stop", True)}
    end = run(bench, code, rungs=(1, 3), max_resource=27)
    assert (end.stopped, bench.steps(), saved(bench)) == (True, [1, 1, 2], steps)


def test_one_that_has_shown_no_save_leaves_at_once_where_it_is_told(bench):
    code = """
    def train(trial):
        for epoch in range(1, 28):
            trial.report(epoch=epoch, loss=1.0)
            trial.report(epoch=epoch, accuracy=1.0)
    """
    bench.answers = {3: ("stop", True)}
    end = run(bench, code, rungs=(3, 9), max_resource=27)
    assert (end.stopped, bench.steps()) == (True, [1, 1, 2, 2, 3])


def test_a_command_leaves_at_once_in_its_first_step_too(bench):
    script = """
import time
print('tuitune {"epoch": 1, "loss": 1}', flush=True)
time.sleep(600)
"""
    bench.write("script.py", script)
    bench.open(None)
    bench.answers = {1: ("stop", True)}
    end = bench.run(bench.order(command=(sys.executable, "script.py"), rungs=(1,)))
    assert (end.stopped, bench.steps()) == (True, [1])


def test_a_function_that_returns_while_its_leave_waits_keeps_its_value(bench):
    code = """
    def train(trial):
        trial.report(epoch=1, loss=1.0, save=lambda folder: None)
        trial.report(epoch=2, loss=1.0)
        return {"epoch": 9, "loss": 0.5}
    """
    bench.answers = {2: ("stop", True)}
    end = run(bench, code, rungs=(2, 9))
    assert (end.stopped, bench.steps(), bench.values()) == (False, [1, 2, 9], [1.0, 1.0, 0.5])


@pytest.fixture
def small_disk(bench):
    """The first trial's checkpoints have 256 KiB."""
    folder = bench.study / "trials/0000/checkpoints"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is forbidden here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


GROWS = """
def train(trial):
    for epoch in range(1, 5):
        def save(folder):
            (folder / "weights").write_bytes(bytes(10 if epoch == 1 else 1_000_000))
        trial.report(epoch=epoch, loss=1.0, save=save)
"""
WORDS = (
    "its checkpoint of step {} could not be written: No space left on device; "
    "the trial {} without it"
)


def test_a_full_disk_costs_the_checkpoint_and_not_the_trial(bench, small_disk):
    end = run(bench, GROWS, checkpoint_every=0.0)
    assert (end.code, end.error, end.stopped, bench.steps()) == (0, "", False, [1, 2, 3, 4])
    assert saved(bench) == [1]
    assert [entry.name for entry in small_disk.iterdir()] == ["00000001"]
    assert (small_disk / "00000001/weights").read_bytes() == bytes(10)
    assert [fact.step for fact in bench.of(events.SaveFailed)] == [2, 3, 4]
    (warning,) = bench.of(events.Warned)
    assert warning.text == WORDS.format(2, "goes on")


def test_a_full_disk_is_told_from_other_errors_where_torch_says_it_in_its_own_words(
    bench, small_disk
):
    code = """
    import torch
    def train(trial):
        for epoch in range(1, 5):
            size = 1 if epoch == 1 else 1_000_000
            trial.report(
                epoch=epoch, loss=1.0, save=lambda f: torch.save(torch.zeros(size), f / "w.pt")
            )
    """
    end = run(bench, code, checkpoint_every=0.0)
    assert (end.code, end.error, bench.steps()) == (0, "", [1, 2, 3, 4])
    assert saved(bench) == [1]
    (warning,) = bench.of(events.Warned)
    assert "No space left on device" in warning.text


def test_one_that_is_told_to_save_and_leave_leaves_without_where_the_disk_is_full(bench):
    code = """
    def save(folder):
        with open("/dev/full", "w") as file:
            file.write("x")
    def train(trial):
        for epoch in range(1, 5):
            trial.report(epoch=epoch, loss=1.0, save=save)
    """
    bench.answers = {2: ("stop", True)}
    end = run(bench, code, rungs=(2,))
    assert (end.code, end.error, end.stopped, bench.steps()) == (0, "", True, [1, 2])
    (failed,) = bench.of(events.SaveFailed)
    assert (failed.step, failed.why) == (2, "OSError: [Errno 28] No space left on device")
    (warning,) = bench.of(events.Warned)
    assert warning.text == WORDS.format(2, "ends")


def test_another_error_of_save_fails_the_trial(bench):
    code = """
    def save(folder):
        open(folder / "absent" / "file")
    def train(trial):
        trial.report(epoch=1, loss=1.0, save=save)
    """
    end = run(bench, code, checkpoint_every=0.0)
    assert (end.code, end.error[:17]) == (1, "FileNotFoundError")


def test_a_checkpoint_stays_where_the_one_to_replace_it_cannot_be_put_there(bench):
    code = """
    def train(trial):
        with trial.checkpoint(1) as folder:
            (folder / "weights").write_text("first")
        with trial.checkpoint(1) as folder:
            folder.rmdir()
    """
    end = run(bench, code)
    assert end.error.startswith("FileNotFoundError")
    (kept,) = (bench.study / "trials/0000/checkpoints").iterdir()
    assert (kept.name, (kept / "weights").read_text()) == ("00000001", "first")


@pytest.mark.parametrize("value", ["0.01", "{'epoch': 2, 'loss': 0.01}", "'words'"])
def test_what_a_stopped_function_returns_is_left_out(bench, value):
    code = f"""
    import tuitune
    def train(trial):
        try:
            for epoch in range(1, 9):
                trial.report(epoch=epoch, loss=1.0)
        except tuitune.TrialStopped:
            return {value}
    """
    bench.answers = {2: ("stop", False)}
    end = run(bench, code, rungs=(2,))
    assert (end.error, end.stopped, bench.values()) == ("", True, [1.0, 1.0])
    assert not bench.of(events.Warned)


def test_a_trial_says_why_it_cannot_be_sent_to_another_process(bench):
    code = """
    import multiprocessing
    def train(trial):
        multiprocessing.get_context("spawn").Process(target=print, args=(trial,)).start()
    """
    end = run(bench, code)
    assert end.error == (
        "TypeError: a trial stays in its process: pass its config, or fork; "
        "only one process may report"
    )


def test_a_thread_that_is_stopped_prints_nothing_and_other_errors_go_where_they_went(bench):
    code = """
    import threading
    threading.excepthook = lambda raised: print("heard", raised.exc_type.__name__)
    def work(trial):
        for epoch in range(1, 9):
            trial.report(epoch=epoch, loss=1)
    def train(trial):
        for act in (lambda: 1 / 0, lambda: work(trial)):
            thread = threading.Thread(target=act)
            thread.start()
            thread.join()
    """
    bench.answers = {2: ("stop", False)}
    end = run(bench, code, rungs=(2,))
    assert (end.error, end.stopped) == ("", True)
    assert bench.log() == "heard ZeroDivisionError\n"


def test_a_command_that_reports_by_itself_ends_its_threads_silently(bench):
    script = """
import threading, tuitune
def work():
    for epoch in range(1, 9):
        tuitune.current().report(epoch=epoch, loss=1)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    bench.write("script.py", script)
    bench.open(None)
    bench.answers = {2: ("stop", False)}
    command = (sys.executable, "script.py")
    bench.run(bench.order(command=command, rungs=(2,), env={"PYTHONPATH": str(ROOT)}))
    assert bench.steps() == [1, 2]
    assert "Traceback" not in bench.log()
