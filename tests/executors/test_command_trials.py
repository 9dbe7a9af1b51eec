"""Trials that are programs: what they print counts, and how they end."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from workshop import gone

import tuitune
from tuitune.core import events
from tuitune.executors.local.provenance import files_of

ROOT = Path(tuitune.__file__).parents[1]


def command(bench, code, **more):
    """An order that runs a script of this text, with the interpreter of the tests."""
    bench.write("script.py", code)
    if bench.executor is None:
        bench.open(None)
    return bench.order(command=(sys.executable, "script.py"), **more)


def test_printed_lines_are_reports(bench):
    order = command(
        bench,
        """
        import sys
        for epoch in range(1, 4):
            print("tuitune", '{"epoch": %d, "loss": %s}' % (epoch, ["0.5", "NaN", "0.25"][epoch - 1]))
            print("epoch done", file=sys.stderr)
        """,
    )
    end = bench.run(order)
    assert (end.code, end.error, end.stopped) == (0, "", False)
    assert bench.steps() == [1, 2, 3]
    assert bench.values()[::2] == [0.5, 0.25]
    assert bench.log().count("epoch done") == 3
    assert bench.of(events.Started)[0].code


def test_patterns_read_lines_without_their_escape_codes(bench):
    order = command(
        bench,
        r"""
        print("epoch 1"); print("\x1b[1mval loss\x1b[0m=0.5"); print("acc=0.9")
        print("bar 1\rbar 2\repoch 2 val loss=1e-3 acc=1", flush=True)
        print("epoch 3"); print("val loss=inf")
        """,
        metrics={
            "loss": r"val loss=([-+0-9.einfa]+)",
            "acc": r"acc=([0-9.]+)",
            "epoch": r"epoch (\d+)",
        },
    )
    bench.run(order)
    assert bench.steps() == [1, 2, 3]
    assert [fact.metrics for fact in bench.of(events.Reported)] == [
        {"loss": 0.5},
        {"loss": 1e-3, "acc": 1.0},
        {"loss": float("inf"), "acc": 1.0},
    ]


def test_a_verdict_to_stop_is_sigterm_and_what_follows_does_not_count(bench):
    order = command(
        bench,
        """
        import signal, sys, time
        def bye(*_):
            print('tuitune {"epoch": 9, "loss": 0}')
            sys.exit(5)
        signal.signal(signal.SIGTERM, bye)
        for epoch in (1, 2, 3):
            print('tuitune {"epoch": %d, "loss": 1}' % epoch)
        time.sleep(600)
        """,
        rungs=(2,),
    )
    bench.answers = {2: ("stop", False)}
    end = bench.run(order)
    assert bench.steps() == [1, 2]
    assert (end.code, end.stopped) == (5, True)


def test_a_silent_command_hears_a_stop_at_once(bench):
    order = command(bench, "import time\nprint('there', flush=True)\ntime.sleep(600)\n")
    bench.launch(order)
    bench.until(lambda: "there" in bench.log())
    bench.call("ask_stop", 0, 1, "drain", True)
    end = bench.until(bench.exits)[0]
    assert (end.signal, end.stopped) == (signal.SIGTERM, True)


@pytest.mark.parametrize("how", ["term", "kill"])
def test_a_signal_reaches_the_command(bench, how):
    code = "import os, time\nopen('pid', 'w').write(f'{os.getpid()}\\n')\ntime.sleep(600)\n"
    bench.launch(command(bench, code))
    pid = int(bench.file("pid"))
    bench.call("signal", 0, 1, how)
    end = bench.until(bench.exits)[0]
    assert end.signal == (signal.SIGTERM if how == "term" else signal.SIGKILL)
    assert gone(pid)


def test_its_exit_is_told_as_it_was(bench):
    end = bench.run(command(bench, "import sys\nprint('why')\nsys.exit(3)\n"))
    assert (end.code, end.signal, end.error, end.tail) == (3, None, "exit status 3: why", "why")
    end = bench.run(command(bench, "import os\nos.kill(os.getpid(), 11)\n", trial=1))
    assert (end.code, end.signal, end.error) == (
        None,
        signal.SIGSEGV,
        "segmentation fault (SIGSEGV)",
    )


def test_a_program_that_is_not_there(bench):
    bench.open(None)
    end = bench.run(bench.order(command=("no-such-program", "--lr", "0.1")))
    assert (end.code, end.error) == (127, "can't run 'no-such-program': No such file or directory")
    assert "no-such-program" in end.tail


def test_no_shell_sees_the_arguments(bench):
    bench.open(None)
    words = ["$HOME", "a b", "*", "'", "{x}", ""]
    bench.run(
        bench.order(command=(sys.executable, "-c", "import sys; print(sys.argv[1:])", *words))
    )
    assert bench.log().strip() == str(words)


@pytest.mark.parametrize("end", ["", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_daemon_of_a_command_does_not_outlive_it(bench, end):
    order = command(
        bench,
        f"""
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open("pid", "w").write(f"{{os.getpid()}}\\n")
                while True:
                    time.sleep(600)
            os._exit(0)
        while not os.path.exists("pid") or not open("pid").read().endswith("\\n"):
            time.sleep(0.01)
        {end}
        """,
    )
    bench.run(order)
    assert gone(int(bench.file("pid")))


def test_current_speaks_for_the_command(bench):
    order = command(
        bench,
        """
        import os, subprocess, sys
        import tuitune
        trial = tuitune.current()
        assert trial is tuitune.current()
        print(trial.number, trial.config, trial.max_resource, trial.seed)
        for epoch in range(1, 100):
            trial.report(epoch=epoch, loss=epoch, save=lambda folder: (folder / "x").write_text("x"))
        """,
        config={"lr": 0.1},
        max_resource=9,
        rungs=(3,),
        env={"PYTHONPATH": str(ROOT)},
    )
    bench.answers = {3: ("stop", True)}
    end = bench.run(order)
    assert bench.log() == "0 {'lr': 0.1} 9 0\n"
    assert bench.steps() == [1, 2, 3]
    assert (end.code, end.error, end.stopped) == (0, "", True)
    assert [fact.step for fact in bench.of(events.Checkpointed)] == [3]


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK"])
def test_only_rank_zero_reports_and_saves(bench, name):
    order = command(
        bench,
        f"""
        import os, subprocess, sys
        import tuitune
        if "{name}" not in os.environ:
            for rank in "01":
                subprocess.run([sys.executable, __file__], env={{**os.environ, "{name}": rank}}, check=True)
        else:
            trial = tuitune.current()
            save = lambda folder: (folder / "rank").write_text(os.environ["{name}"])
            trial.report(epoch=1, loss=float(os.environ["{name}"]), save=save)
            print("rank", os.environ["{name}"], trial.config)
        """,
        config={"a": 1},
        checkpoint_every=0.0,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert bench.run(order).error == ""
    assert bench.values() == [0.0]
    assert bench.log() == "rank 0 {'a': 1}\nrank 1 {'a': 1}\n"
    assert (bench.study / "trials/0000/checkpoints/00000001/rank").read_text() == "0"


def test_a_flood_without_a_newline_is_read_in_bounded_memory(bench):
    order = command(
        bench,
        """
        import os
        block = b"\\xff\\x1b[31m\\x00" * 16384
        for _ in range(300):
            os.write(1, block)
        print()
        print('tuitune {"epoch": 1, "loss": 0.5}')
        print('tuitune {"epoch": 2, "loss": ')
        print('tuitune {"epoch": 3, "loss": 0.25}')
        """,
    )
    end = bench.run(order)
    assert bench.steps() == [1, 3]
    assert len(bench.of(events.Warned)) == 1
    assert (bench.study / "trials/0000/output.log").stat().st_size > 30_000_000
    assert end.max_rss < 100_000_000


def test_a_command_sees_its_trial_but_not_its_own_command_line(bench):
    order = command(
        bench, "import os\nprint(os.environ['TUITUNE_TRIAL'])\n", config={"x": [1, 2.0]}
    )
    bench.run(order)
    seen = json.loads(bench.log())
    assert (seen["config"], seen["command"]) == ({"x": [1, 2.0]}, None)


def test_the_code_of_a_command_is_that_of_the_files_it_names(bench):
    bench.run(command(bench, "print(1)\n"))
    bench.run(command(bench, "print(2)\n", trial=1))
    assert bench.of(events.Started, 0)[0].code != bench.of(events.Started, 1)[0].code


def test_the_code_of_a_module_counts_and_what_trials_write_does_not(tmp_path):
    for name in ("lib/train.py", "lib/tool/__main__.py", "runs/s/trials/0000/config.json"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("")
    words = ["python", "-m", "lib.train", "-m", "lib.tool", "runs/s/trials/0000/config.json"]
    found = files_of(words, str(tmp_path), but=str(tmp_path / "runs/s"))
    root = tmp_path.resolve()
    assert found == [str(root / "lib/tool/__main__.py"), str(root / "lib/train.py")]


def test_a_command_imports_from_its_working_folder_first(bench):
    bench.write("lib.py", "print('ours')\n")
    bench.write("other/lib.py", "print('another')\n")
    bench.write("scripts/run.py", "import lib\n")
    bench.open(None)
    env = {"PYTHONPATH": str(bench.folder / "other")}
    bench.run(bench.order(command=(sys.executable, "scripts/run.py"), env=env))
    assert bench.log() == "ours\n"


@pytest.mark.parametrize("word", ["a\0b", "x" * 5000, "x/" * 5000, "\ud800", "", "~", "train.py/x"])
def test_a_word_that_can_be_no_file_is_none(tmp_path, word):
    (tmp_path / "train.py").write_text("")
    found = files_of(["python", "train.py", word], str(tmp_path))
    assert found == [str(tmp_path.resolve() / "train.py")]


def test_a_word_that_no_program_can_get_fails_the_trial_in_words(bench):
    bench.open(None)
    end = bench.run(bench.order(command=("python", "a\0b")))
    assert (end.code, end.error) == (127, "can't run 'python': embedded null byte")


def test_what_stood_in_place_of_the_objective_is_told(bench):
    loss = {"metrics": {"loss": r"loss=(\S+)"}, "attempt": 0}
    end = bench.run(command(bench, "print('loss=-')\n", **loss))
    words = "ended without a report of loss: the pattern of loss found '-', which is not a number"
    assert (end.code, end.error) == (0, words)
    end = bench.run(command(bench, "print('loss=-'); print('loss=1')\n", trial=1, **loss))
    assert (end.code, end.error) == (0, "")
    end = bench.run(command(bench, "print('nothing')\n", trial=2, **loss))
    assert (end.code, end.error) == (0, "")


def test_a_step_of_thousands_of_digits_fails_as_it_does_in_a_function(bench):
    code = "import time\nprint('epoch', '9' * 6000, 'loss 1', flush=True)\ntime.sleep(600)\n"
    metrics = {"epoch": r"epoch (\d+)", "loss": r"loss (\S+)"}
    end = bench.run(command(bench, code, metrics=metrics, resource="epoch"))
    assert end.error.startswith("ValueError: epoch is above 2**53")


def test_a_printed_list_is_warned_of_and_what_only_looks_like_one_is_not(bench):
    bench.run(command(bench, "print('tuitune [1,2]')\nprint('tuitune [info] begun')\n"))
    (warned,) = bench.of(events.Warned)
    assert warned.text == 'a printed report is a list, not tuitune {"name": 1}: tuitune [1,2]'
