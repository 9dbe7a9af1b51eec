"""Targets that raise, die, hang, flood or leave processes behind: told in words, nothing left."""

from __future__ import annotations

import asyncio
import signal

import pytest
from workshop import gone

from tuitune.core import events
from tuitune.executors.base import SampleError, TargetError


def test_one_that_raises(bench):
    bench.write(
        "train.py",
        "def train(trial):\n    helper()\ndef helper():\n    raise ValueError('bad lr\\n  0.1')\n",
    )
    bench.open()
    end = bench.run(bench.order())
    assert (end.code, end.signal, end.error) == (1, None, "ValueError: bad lr 0.1")
    assert end.tail.startswith("Traceback (most recent call last):\n")
    assert "in helper" in end.tail
    assert "tuitune/trial" not in end.tail


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("sys.exit(3)", 3, "exit status 3"),
        ("sys.exit('no data')", 1, "no data"),
        ("sys.exit()", 0, ""),
        ("os._exit(3)", 3, "exit status 3"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        ("[0] * 10**15", 1, "MemoryError"),
        (
            "trial.max_resource",
            1,
            "AttributeError: trial.max_resource: the study file sets no maximum",
        ),
    ],
)
def test_one_that_exits(bench, code, status, error):
    bench.write("train.py", f"import os, sys\ndef train(trial):\n    {code}\n")
    bench.open()
    end = bench.run(bench.order())
    assert (end.code, end.signal) == (status, None)
    assert end.error.startswith(error)
    assert bool(end.error) == bool(error)


def test_one_that_segfaults_leaves_its_stack_in_the_log(bench):
    bench.write(
        "train.py",
        "import ctypes\ndef train(trial):\n    trial.report(epoch=1, loss=1)\n    ctypes.string_at(0)\n",
    )
    bench.open()
    end = bench.run(bench.order())
    assert (end.code, end.signal, end.error) == (
        None,
        signal.SIGSEGV,
        "segmentation fault (SIGSEGV)",
    )
    assert 'train.py", line 4 in train' in end.tail
    assert bench.steps() == [1]


def test_one_that_is_killed_from_outside(bench):
    bench.write("train.py", "import os\ndef train(trial):\n    os.kill(os.getpid(), 9)\n")
    bench.open()
    end = bench.run(bench.order())
    assert (end.signal, end.lost) == (signal.SIGKILL, False)
    assert end.error.startswith("killed (SIGKILL)")


def test_one_that_hangs_and_ignores_sigterm(bench):
    bench.write(
        "train.py",
        """
        import signal, time
        def train(trial):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            trial.report(epoch=1, loss=1)
            while True:
                time.sleep(600)
        """,
    )
    bench.open()
    bench.launch(bench.order())
    bench.until(bench.steps)
    bench.call("signal", 0, 1, "term")
    bench.call("signal", 0, 1, "kill")
    assert bench.until(bench.exits)[0].signal == signal.SIGKILL


ORPHAN = """
import os, signal, subprocess, sys, time
def daemon(trial, name):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            (trial.folder.parents[3] / name).write_text(f"{os.getpid()}\\n")
            while True:
                time.sleep(600)
        os._exit(0)
def train(trial):
    daemon(trial, f"forked-{trial.number}")
    shell = f"(setsid sh -c 'echo $$ > shell-{trial.number}; sleep 600' &)"
    subprocess.run(["sh", "-c", shell])
    trial.report(epoch=1, loss=1)
    for name in (f"forked-{trial.number}", f"shell-{trial.number}"):
        while not os.path.exists(name) or not open(name).read().endswith("\\n"):
            time.sleep(0.01)
    end = trial.config["end"]
    if end == "return":
        return
    if end == "raise":
        raise ValueError("left")
    if end == "kill":
        os.kill(os.getpid(), 9)
    if end == "exit":
        os._exit(0)
    time.sleep(600)
"""


@pytest.mark.parametrize("end", ["return", "raise", "kill", "exit", "hang"])
def test_one_that_leaves_daemons_behind(bench, end):
    bench.write("train.py", ORPHAN)
    bench.open()
    bench.launch(bench.order(0, config={"end": "sleep"}), bench.order(1, config={"end": end}))
    pids = [int(bench.file(name)) for name in ("forked-1", "shell-1")]
    if end == "hang":
        bench.until(lambda: bench.steps(1))
        bench.call("signal", 1, 1, "kill")
    bench.until(lambda: bench.exits(1))
    assert all(gone(pid) for pid in pids)
    others = [int(bench.file(name)) for name in ("forked-0", "shell-0")]
    assert not any(gone(pid) for pid in others)  # the other trial's are its own affair


def test_one_whose_fork_returns_too(bench):
    bench.write(
        "train.py",
        "import os\ndef train(trial):\n    os.fork()\n    if trial.number: raise ValueError('x')\n",
    )
    bench.open()
    assert bench.run(bench.order(0)).error == ""
    assert bench.run(bench.order(1)).error == "ValueError: x"
    assert len(bench.of(events.Exited, 0)) == 1


def test_one_without_a_report(bench):
    bench.write("train.py", "def train(trial):\n    pass\n")
    bench.open()
    end = bench.run(bench.order())
    assert (end.code, end.error) == (0, "")
    assert not bench.of(events.Reported)


def test_reports_that_are_not_legal_cost_one_warning_of_each_kind(bench):
    bench.write(
        "train.py",
        """
        def train(trial):
            for epoch in (0, "x", None, -1, 1.5, True, 2):
                trial.report(epoch=epoch, loss=1)
            trial.report(loss=1)
            trial.report(epoch=3, other=1)
            trial.report(epoch=2, loss=1)
            trial.report(epoch=4, loss="good", other=object())
            trial.report(epoch=5.0, loss=2, other=[])
            return ()
        """,
    )
    bench.open()
    assert bench.run(bench.order()).error == ""
    assert bench.steps() == [2, 3, 2, 4, 5]
    texts = [fact.text for fact in bench.of(events.Warned)]
    assert texts == [
        "a report with epoch = 0 was dropped: it counts from 1",
        "epoch = 2 after 3: kept, but not judged; count epoch upwards",
        "epoch = 3 came without the objective 'loss' (only other): it is never judged",
        "loss = 'good' (str) is not a number: left out",
        "returned a tuple, neither a number nor a mapping: left out",
    ]


def test_a_log_of_garbage_becomes_plain_text(bench):
    bench.write(
        "train.py",
        """
        import os
        def train(trial):
            os.write(1, b"x" * 3_000_000 + b"\\n")
            os.write(1, b"\\x1b]0;title\\x07\\x1b[31mred\\x1b[0m \\xff\\xfe \\x9b5n bar\\r50%\\r100%\\n\\x00\\x08")
            raise ValueError("\\x1b[2Jhidden\\x07")
        """,
    )
    bench.open()
    end = bench.run(bench.order())
    assert end.error == "ValueError: hidden"
    assert len(end.tail) <= 2000
    assert "100%" in end.tail
    assert "50%" not in end.tail
    assert all(character.isprintable() or character == "\n" for character in end.tail)


def test_a_hundred_that_crash_at_once(bench):
    bench.write(
        "train.py",
        "import os\ndef train(trial):\n    trial.report(epoch=1, loss=1)\n    os.kill(os.getpid(), 11)\n",
    )
    bench.open()
    bench.run(*(bench.order(trial) for trial in range(100)))
    assert all(bench.exits(trial)[0].signal == signal.SIGSEGV for trial in range(100))
    assert all(bench.steps(trial) == [1] for trial in range(100))


def test_the_targets_traceback_shows_before_any_trial(bench):
    bench.write("train.py", "import helper\n")
    bench.write("helper.py", "def f():\n    raise RuntimeError('not today')\nf()\n")
    with pytest.raises(TargetError) as raised:
        bench.open()
    text = str(raised.value)
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("RuntimeError: not today")
    assert text.count("File") == 3
    assert 'train.py", line 1' in text


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def train(\n", "SyntaxError"),
        ("import sys\nsys.exit(4)\n", "SystemExit: 4"),
        ("import os\nos.kill(os.getpid(), 11)\n", "SIGSEGV"),
        ("x = 1\n", "AttributeError"),
        ("train = 1\n", "is a int, not a function"),
    ],
)
def test_an_import_that_fails_in_other_ways(bench, code, words):
    bench.write("train.py", code)
    with pytest.raises(TargetError, match=words):
        bench.open()


def test_closing_while_the_import_hangs_waits_for_nothing(bench):
    bench.write(
        "train.py",
        "import time, pathlib\npathlib.Path(__file__).with_name('there').write_text('1\\n')\ntime.sleep(600)\n",
    )

    bench.prepare()

    async def open_and_close():
        opening = asyncio.ensure_future(bench.executor.open())
        while not (bench.folder / "there").exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.01)
        await bench.executor.close()
        return await asyncio.gather(opening, return_exceptions=True)

    (failed,) = bench.runner.run(open_and_close())
    assert isinstance(failed, TargetError)


SAMPLERS = """
import os, time
def train(trial): pass
def width(random, config): return random.choice([1, 2, 4]) * config["layers"]
def twice(random, config): return (2 * config["width"], float(random.random()))
def numpy_like(random, config):
    class Number:
        def item(self): return 7
    return Number()
def wrong(random, config): return object()
def raises(random, config): raise KeyError("depth")
def dies(random, config): os._exit(3)
def crashes(random, config): os.kill(os.getpid(), 11)
"""


def test_samplers_see_the_configuration_so_far_and_depend_on_the_seed_alone(bench):
    bench.write("train.py", SAMPLERS)
    bench.open()
    targets = {"width": "train.py:width", "pair": "train.py:twice", "n": "train.py:numpy_like"}

    async def sample(seed):
        return await bench.executor.sample(targets, seed, {"layers": 3})

    first, again, other = (bench.runner.run(sample(seed)) for seed in ("0/1", "0/1", "0/2"))
    assert first == again != other
    assert list(first) == ["width", "pair", "n"]
    assert first["pair"][0] == 2 * first["width"]
    assert first["n"] == 7


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong", r"x \(train.py:wrong\): returned a value of type object"),
        ("raises", "KeyError: 'depth'"),
        ("dies", "exit status 3"),
        ("crashes", "signal 11"),
        ("missing", "missing"),
    ],
)
def test_a_sampler_that_fails_is_told_of(bench, name, words):
    bench.write("train.py", SAMPLERS)
    bench.open()
    with pytest.raises(SampleError, match=words):
        bench.runner.run(bench.executor.sample({"x": f"train.py:{name}"}, "0", {}))
    assert bench.run(bench.order()).error == ""


def test_a_log_that_cannot_be_written_costs_a_warning(bench):
    bench.write(
        "train.py", "def train(trial):\n    print('lost')\n    trial.report(epoch=1, loss=1)\n"
    )
    bench.open()
    (bench.study / "trials/0000/output.log").mkdir(parents=True)
    assert bench.run(bench.order()).error == ""
    assert "what it prints is lost" in bench.of(events.Warned)[0].text
