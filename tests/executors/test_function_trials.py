"""Trials that are Python functions: what they are given, and what comes of what they do."""

from __future__ import annotations

import math
import signal
import subprocess
import sys

import pytest

from tuitune.core import events

SIMPLE = "def train(trial):\n    trial.report(epoch=1, loss=0.5)\n"


def test_a_trial_runs_reports_and_ends(bench):
    bench.write("train.py", SIMPLE)
    bench.open()
    end = bench.run(bench.order(config={"lr": 0.1}))
    assert [type(fact) for fact in bench.facts] == [events.Started, events.Reported, events.Exited]
    assert bench.of(events.Reported)[0].metrics == {"loss": 0.5}
    assert (end.code, end.signal, end.error, end.tail, end.lost, end.stopped) == (
        0,
        None,
        "",
        "",
        False,
        False,
    )
    assert end.max_rss > 1_000_000


def test_a_trial_is_given_its_order(bench):
    bench.write(
        "train.py",
        """
        import os, sys
        def train(trial):
            print(trial.number, trial.attempt, trial.config, trial.max_resource, trial.resume_path.name)
            print(trial.seed, trial.folder.name, os.environ["GREETING"], os.environ["LOCAL"])
            print(os.environ["OMP_NUM_THREADS"], os.getcwd() == sys.path[0], sys.stdin.read() == "")
            print(trial.config is trial.config, "TUITUNE_TRIAL" in os.environ)
        """,
    )
    bench.open(env={"GREETING": "hello"})
    order = bench.order(
        7, 2, config={"lr": 1e-3, "b": [1, True, "x"]}, seed=11, max_resource=9, threads=3,
        resume_path=str(bench.folder / "00000004"), resume_step=4, env={"LOCAL": "ü"},
    )  # fmt: skip
    assert bench.run(order).error == ""
    assert bench.log(7).splitlines() == [
        "7 2 {'lr': 0.001, 'b': [1, True, 'x']} 9 00000004",
        "11 0007 hello ü",
        "3 True True",
        "False False",
    ]
    assert bench.of(events.Started, 7)[0].resumed_from == 4


def test_the_studys_env_is_there_when_the_target_is_imported(bench):
    bench.write(
        "train.py", "import os\nSEEN = os.environ['MODE']\ndef train(trial):\n    print(SEEN)\n"
    )
    bench.open(env={"MODE": "offline"})
    bench.run(bench.order())
    assert bench.log() == "offline\n"


@pytest.mark.parametrize(
    ("returned", "metrics"),
    [
        ("0.25", {"loss": 0.25}),
        ("{'loss': 2, 'acc': 1}", {"loss": 2.0, "acc": 1.0}),
        ("True", {"loss": 1.0}),
    ],
)
def test_what_is_returned_is_the_last_report(bench, returned, metrics):
    bench.write(
        "train.py", f"def train(trial):\n    trial.report(epoch=3, loss=9)\n    return {returned}\n"
    )
    bench.open()
    assert bench.run(bench.order()).error == ""
    reports = bench.of(events.Reported)
    assert [report.step for report in reports] == [3, 3]
    assert reports[-1].metrics == metrics


def test_what_is_returned_after_the_maximum_counts_and_ends_nothing_twice(bench):
    bench.write("train.py", "def train(trial):\n    trial.report(loss=9)\n    return 0.25\n")
    bench.answers = {1: ("complete", False)}
    bench.open()
    end = bench.run(bench.order(resource=None, max_resource=1))
    assert (end.error, end.stopped, bench.steps(), bench.values()) == ("", False, [1, 1], [9, 0.25])


def test_nan_and_infinity_arrive_in_order(bench):
    bench.write(
        "train.py",
        """
        def train(trial):
            for step, loss in enumerate([1.0, float("nan"), float("inf"), -float("inf"), 2], 1):
                trial.report(epoch=step, loss=loss, other=step)
        """,
    )
    bench.open()
    bench.run(bench.order())
    values = bench.values()
    assert math.isnan(values[1])
    assert [*values[:1], *values[2:]] == [1.0, math.inf, -math.inf, 2.0]
    assert [fact.metrics["other"] for fact in bench.of(events.Reported)] == [1, 2, 3, 4, 5]


def test_thousands_of_reports_arrive_whole_and_in_order(bench):
    bench.write(
        "train.py",
        "def train(trial):\n    for i in range(5000):\n        trial.report(epoch=i + 1, loss=i)\n",
    )
    bench.open()
    bench.run(bench.order(0), bench.order(1))
    for trial in (0, 1):
        assert bench.values(trial) == list(range(5000))


def test_a_trial_waits_at_rungs_and_stops_where_it_is_told(bench):
    bench.write(
        "train.py",
        """
        import tuitune
        def train(trial):
            try:
                for epoch in range(1, 20):
                    try:
                        trial.report(epoch=epoch, loss=epoch)
                    except Exception:
                        print("swallowed")
            finally:
                print("finally")
        """,
    )
    bench.answers = {1: ("go", False), 3: ("go", False), 9: ("stop", False)}
    bench.open()
    end = bench.run(bench.order(rungs=(1, 3, 9), max_resource=27))
    assert bench.steps() == list(range(1, 10))
    assert (end.code, end.error, end.stopped, bench.log()) == (0, "", True, "finally\n")


def test_the_report_that_reaches_the_maximum_returns_and_the_next_raises(bench):
    bench.write(
        "train.py",
        """
        def train(trial):
            for epoch in range(1, trial.max_resource + 5):
                trial.report(epoch=epoch, loss=1)
                print("after", epoch)
        """,
    )
    bench.answers = {2: ("complete", False)}
    bench.open()
    end = bench.run(bench.order(max_resource=2))
    assert (end.code, end.error, bench.steps(), bench.log()) == (
        0,
        "",
        [1, 2],
        "after 1\nafter 2\n",
    )


SAVING = """
import time, tuitune
def train(trial):
    epoch = int((trial.resume_path / "epoch").read_text()) if trial.resume_path else 0
    while True:
        epoch += 1
        trial.report(epoch=epoch, loss=1, save=lambda folder: (folder / "epoch").write_text(str(epoch)))
        time.sleep(0.002)
"""


def test_asked_to_stop_a_trial_saves_and_leaves(bench):
    bench.write("train.py", SAVING)
    bench.open()
    bench.launch(bench.order())
    bench.until(lambda: len(bench.steps()) > 5)
    bench.call("ask_stop", 0, 1, "drain", True)
    bench.until(bench.exits)
    saved = bench.of(events.Checkpointed)[-1].step
    folder = bench.study / f"trials/0000/checkpoints/{saved:08d}"
    assert saved == bench.steps()[-1]
    assert (folder / "epoch").read_text() == str(saved)
    assert bench.exits()[0].stopped
    bench.answers = {saved + 2: ("stop", False)}
    order = bench.order(attempt=2, resume_path=str(folder), resume_step=saved, rungs=(saved + 2,))
    assert bench.run(order).error == ""
    again = [fact.step for fact in bench.of(events.Reported) if fact.attempt == 2]
    assert again == [saved + 1, saved + 2]


def test_a_verdict_to_stop_saves_nothing(bench):
    bench.write("train.py", SAVING)
    bench.answers = {3: ("stop", False)}
    bench.open()
    bench.run(bench.order(rungs=(3,)))
    assert not bench.of(events.Checkpointed)


def test_zero_seconds_save_at_every_report_and_the_newest_two_are_kept(bench):
    bench.write("train.py", SAVING)
    bench.answers = {4: ("stop", False)}
    bench.open()
    bench.run(bench.order(rungs=(4,), checkpoint_every=0.0))
    assert [fact.step for fact in bench.of(events.Checkpointed)] == [1, 2, 3]
    folder = bench.study / "trials/0000/checkpoints"
    assert sorted(entry.name for entry in folder.iterdir()) == ["00000002", "00000003"]


def test_a_stop_asked_before_the_trial_has_connected_is_heard(bench):
    bench.write("train.py", SAVING)
    bench.open()

    async def both():
        bench.executor.launch(bench.order())
        bench.executor.ask_stop(0, 1, "killed", False)

    bench.runner.run(both())
    assert bench.until(bench.exits)[0].stopped


DRAWN = "(random.random(), float(numpy.random.rand()), float(torch.rand(1)))"


def test_generators_are_seeded_by_the_order(bench):
    bench.write(
        "train.py",
        f"""
        import random, numpy, torch
        def train(trial):
            print({DRAWN}, torch.get_num_threads())
        """,
    )
    bench.open()
    bench.run(
        bench.order(0, seed=5, threads=2),
        bench.order(1, seed=5, threads=2),
        bench.order(2, seed=6, threads=2),
    )
    assert bench.log(0) == bench.log(1) != bench.log(2)
    assert bench.log(0).endswith(" 2\n")


def test_generators_of_what_the_function_imports_are_seeded_too(bench):
    bench.write(
        "train.py",
        f"""
        def train(trial):
            import random, numpy, torch
            print({DRAWN}, torch.get_num_threads())
        """,
    )
    bench.open()
    bench.run(bench.order(seed=5, threads=2))
    code = (
        "import random, numpy, torch; random.seed(5); numpy.random.seed(5); torch.manual_seed(5);"
        f"print({DRAWN}, 2)"
    )
    expected = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert bench.log() == expected.stdout.decode()


def test_a_torch_trial_trains_and_uses_a_data_loader(bench):
    bench.write(
        "train.py",
        """
        import torch
        def train(trial):
            net = torch.nn.Linear(4, 1)
            optimizer = torch.optim.AdamW(net.parameters())
            data = torch.utils.data.DataLoader(torch.ones(8, 4), batch_size=4, num_workers=2)
            for batch in data:
                loss = net(batch).square().sum()
                optimizer.zero_grad(); loss.backward(); optimizer.step()
            trial.report(epoch=1, loss=loss)
        """,
    )
    bench.open()
    assert bench.run(bench.order()).error == ""
    assert len(bench.values()) == 1


def test_targets_can_be_modules_and_files_with_difficult_names(bench):
    bench.write("pack/__init__.py", "")
    bench.write(
        "pack/deep.py", "from pack.helper import NAME\ndef train(trial):\n    print(NAME)\n"
    )
    bench.write("pack/helper.py", "NAME = 'helped'\n")
    bench.open("pack.deep:train")
    bench.run(bench.order(0))
    assert bench.log(0) == "helped\n"


def test_a_target_may_be_called_like_pythons_own_module(bench):
    bench.write("random.py", "import beside\ndef train(trial):\n    print(beside.WORD)\n")
    bench.write("beside.py", "WORD = 'beside'\n")
    bench.write("json.py", "raise RuntimeError('not the one that tuitune needs')\n")
    bench.open("random.py:train")
    assert bench.run(bench.order()).error == ""
    assert bench.log() == "beside\n"


def test_current_is_the_trial_itself(bench):
    bench.write(
        "train.py", "import tuitune\ndef train(trial):\n    print(tuitune.current() is trial)\n"
    )
    bench.open()
    bench.run(bench.order())
    assert bench.log() == "True\n"


def test_an_exit_handler_of_the_trial_runs_and_its_log_is_whole(bench):
    bench.write(
        "train.py",
        """
        import atexit, sys, tempfile, threading, time
        SHARED = tempfile.TemporaryDirectory()
        def train(trial):
            atexit.register(print, "handled")
            threading.Thread(target=lambda: (time.sleep(0.05), print("thread"))).start()
            print(__import__("os").path.isdir(SHARED.name))
            sys.stdout.write("no newline ")
        """,
    )
    bench.open()
    bench.run(bench.order(0))
    bench.run(bench.order(1))
    for trial in (0, 1):
        assert bench.log(trial) == "True\nno newline thread\nhandled\n"


def test_sigterm_lets_finally_run_and_sigkill_does_not_ask(bench):
    bench.write(
        "train.py",
        """
        import time
        def train(trial):
            try:
                trial.report(epoch=1, loss=0)
                time.sleep(600)
            finally:
                print("cleaned up")
        """,
    )
    bench.open()
    for trial, how in enumerate(("term", "kill")):
        bench.launch(bench.order(trial))
        bench.until(lambda trial=trial: bench.steps(trial))
        bench.call("signal", trial, 1, how)
        bench.until(lambda trial=trial: bench.exits(trial))
    first, second = bench.exits(0)[0], bench.exits(1)[0]
    assert (first.code, first.error, bench.log(0)) == (
        143,
        "exit status 143 (SIGTERM)",
        "cleaned up\n",
    )
    assert (second.signal, second.error, bench.log(1)) == (signal.SIGKILL, "killed (SIGKILL)", "")


def test_what_is_unknown_is_ignored(bench):
    bench.write("train.py", SIMPLE)
    bench.open()
    bench.call("answer", 5, 1, "go", False)
    bench.call("ask_stop", 5, 1, "killed", False)
    bench.call("signal", 5, 1, "kill")
    assert bench.run(bench.order()).error == ""


def test_the_socket_is_bound_anew_when_its_path_vanishes(bench):
    bench.write("train.py", SIMPLE)
    bench.open()
    bench.socket.unlink()
    assert bench.run(bench.order()).error == ""
    assert bench.steps() == [1]


def test_hundreds_of_trials_lose_no_report_and_leave_nobody(bench):
    bench.write("train.py", SIMPLE)
    bench.open()
    for first in range(0, 200, 20):
        bench.run(*(bench.order(trial) for trial in range(first, first + 20)))
    assert all(bench.steps(trial) == [1] for trial in range(200))
    assert all(
        len(bench.of(kind, trial)) == 1
        for kind in (events.Started, events.Exited)
        for trial in range(200)
    )
    assert bench.living() == set(bench.zygotes())


LEAVES = """
import os, signal, time
def train(trial):
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    trial.report(epoch=1, loss=0)
    if not trial.config.get("waits"):
        os._exit(0)
    time.sleep(600)
"""


THREAD = "import threading\nthreading.Thread(target=lambda: time.sleep(600), daemon=True).start()\n"


@pytest.mark.parametrize("more", ["", "import time\n" + THREAD])
def test_an_exit_with_status_0_before_the_function_returns_is_a_failure(bench, more):
    bench.write("train.py", more + LEAVES)
    bench.open()
    end = bench.run(bench.order())
    assert end.code == 0
    assert end.error == "its process exited with status 0 before its function had returned"


def test_an_exit_with_status_0_that_was_asked_for_is_none(bench):
    bench.write("train.py", LEAVES)
    bench.answers[1] = ("complete", False)
    bench.open()
    assert bench.run(bench.order(0, max_resource=1)).error == ""
    bench.launch(bench.order(1, config={"waits": True}))
    bench.until(lambda: bench.steps(1))
    bench.call("signal", 1, 1, "term")
    bench.until(lambda: bench.exits(1))
    assert bench.exits(1)[0].error == ""


def test_a_function_that_has_closed_all_files_has_still_returned(bench):
    bench.write(
        "train.py",
        """
        import os
        def train(trial):
            trial.report(epoch=1, loss=0)
            os.closerange(3, 256)
        """,
    )
    bench.open()
    assert bench.run(bench.order()).error == ""
