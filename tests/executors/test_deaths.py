"""What is left when the zygote, or the engine itself, is killed; and when the code changes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from workshop import gone

import tuitune
from tuitune.core import events

LONG = """
import os, signal, subprocess, time
def train(trial):
    trial.report(epoch=1, loss=trial.attempt)
    if trial.config.get("short"):
        return
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(600)
        os._exit(0)
    os.wait()
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    trial.report(epoch=2, loss=0)
    time.sleep(600)
"""


def test_the_trials_of_a_killed_zygote_are_lost_and_a_new_one_takes_over(bench):
    bench.write("train.py", LONG)
    bench.open()
    bench.launch(bench.order(0), bench.order(1))
    bench.until(lambda: all(len(bench.steps(trial)) == 2 for trial in (0, 1)))
    before = bench.living()
    assert len(before) == 7  # a zygote, and of each trial: itself, a daemon, a program
    os.kill(bench.zygotes()[0], signal.SIGKILL)
    bench.until(lambda: bench.exits(0) and bench.exits(1))
    assert not bench.living() & before
    assert all(bench.exits(trial)[0].lost for trial in (0, 1))
    end = bench.run(bench.order(0, 2, config={"short": True}))
    assert (end.error, end.lost) == ("", False)
    assert bench.values(0) == [1.0, 0.0, 2.0]


def test_what_an_earlier_attempt_has_printed_is_no_reason_for_the_death_of_a_later_one(bench):
    bench.write(
        "train.py",
        """
        import os
        def train(trial):
            if trial.attempt == 0:
                raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
            print("line of attempt 1", flush=True)
            os._exit(3)
        """,
    )
    bench.open()
    first, second = (bench.run(bench.order(attempt=attempt)) for attempt in (0, 1))
    assert first.oom
    assert second.error == "exit status 3: line of attempt 1"
    assert second.tail == "line of attempt 1"
    assert not second.oom
    assert re.search(r"CUDA out of memory.*\nline of attempt 1\n$", bench.log())


def test_a_zygote_that_always_dies_is_not_tried_for_ever(bench):
    bench.write(
        "train.py",
        "import os\ndef train(trial):\n    os.kill(os.getppid(), 9)\n    trial.report(epoch=1, loss=1)\n",
    )
    bench.open()
    lost = [bench.run(bench.order(0, attempt)).lost for attempt in range(1, 6)]
    assert lost == [True, True, False, False, False]


def test_closing_kills_and_tells_of_all_that_ran(bench):
    bench.write("train.py", LONG)
    bench.open()
    bench.launch(bench.order())
    bench.until(lambda: len(bench.steps()) == 2)
    bench.runner.run(bench.executor.close())
    assert bench.exits()[0].lost
    assert not bench.living()
    assert not bench.socket.exists()


ENGINE = """
import asyncio, sys, time
from tuitune.core import events
from tuitune.executors.base import Plan
from tuitune.executors.local.executor import LocalExecutor
from tuitune.trial.wire import Order
async def main(target, folder, study, socket):
    def sink(facts):
        for fact in facts:
            print(type(fact).__name__, fact.trial, getattr(fact, "step", ""), flush=True)
    command = None if target else ("sh", "-c", "(setsid sleep 600 &) ; echo 'tuitune {\\"epoch\\": 2}'; sleep 600")
    executor = LocalExecutor(Plan(target or None, folder, study, socket), sink, time.time)
    await executor.open()
    for trial in range(2):
        executor.launch(Order(trial, 1, {}, 0, f"trials/{trial}", "loss", resource="epoch", command=command))
    await asyncio.sleep(600)
asyncio.run(main(*sys.argv[1:]))
"""


def engine(bench, target):
    bench.write("engine.py", ENGINE)
    arguments = [sys.executable, "engine.py", target, bench.folder, bench.study, bench.socket]
    return subprocess.Popen(
        [str(word) for word in arguments],
        cwd=bench.folder,
        env={**os.environ, "PYTHONPATH": str(Path(tuitune.__file__).parents[1])},
        stdout=subprocess.PIPE,
        text=True,
    )


def everything_dies_with(bench, process):
    try:
        reached = set()
        for line in process.stdout:
            kind, trial, step = line.split(" ")
            if kind == "Reported" and step == "2\n":
                reached.add(trial)
            if len(reached) == 2:
                break
        bench.until(lambda: len(bench.living()) >= 7)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    bench.until(lambda: not bench.living())


def test_nothing_outlives_an_engine_that_is_killed(bench):
    bench.write("train.py", LONG)
    everything_dies_with(bench, engine(bench, "train.py:train"))


def test_no_command_outlives_an_engine_that_is_killed(bench):
    everything_dies_with(bench, engine(bench, ""))


def test_nothing_outlives_an_engine_that_is_killed_while_the_target_is_imported(bench):
    bench.write(
        "train.py",
        "import time, pathlib\npathlib.Path(__file__).with_name('there').write_text('1\\n')\ntime.sleep(600)\n",
    )
    process = engine(bench, "train.py:train")
    bench.file("there")
    process.kill()
    process.wait()
    process.stdout.close()
    bench.until(lambda: not bench.living())


def test_changed_code_is_run_by_a_new_zygote_while_the_old_one_ends_its_trials(bench):
    bench.write("helper.py", "WORD = 'old'\n")
    code = """
    import time
    from helper import WORD
    def train(trial):
        trial.report(epoch=1, loss=0)
        while trial.config.get("wait") and not (trial.folder / "go").exists():
            time.sleep(0.01)
        print(WORD)
    """
    bench.write("train.py", code)
    bench.open()
    bench.launch(bench.order(0, config={"wait": True}))
    bench.until(lambda: bench.steps(0))
    old = bench.zygotes()
    bench.write("helper.py", "WORD = 'brand new'\n")
    bench.run(bench.order(1))
    assert len(bench.zygotes()) == 2
    (bench.study / "trials/0000/go").touch()
    bench.until(lambda: bench.exits(0))
    assert (bench.log(0), bench.log(1), bench.exits(0)[0].error) == ("old\n", "brand new\n", "")
    bench.until(lambda: len(bench.zygotes()) == 1)
    assert bench.zygotes() != old
    codes = [bench.of(events.Started, trial)[0].code for trial in (0, 1)]
    assert codes[0] != codes[1]
    now = bench.zygotes()
    (bench.folder / "helper.py").touch()
    bench.run(bench.order(2))
    assert bench.zygotes() == now  # the same text is the same code
    assert bench.of(events.Started, 2)[0].code == codes[1]


def test_a_target_that_starts_threads_runs_afresh_and_is_told_of_once(bench):
    bench.write(
        "train.py",
        """
        import random, threading
        stop = threading.Event()
        def watch():
            stop.wait()
        threading.Thread(target=watch, daemon=True, name="\\033[2Jlooks\\n on").start()
        def train(trial):
            print(random.random(), threading.active_count())
            trial.report(epoch=1, loss=trial.config["x"])
            if trial.number == 2:
                raise ValueError("bad")
        def sampled(generator, config):
            return generator.random()
        """,
    )
    bench.open()
    bench.run(*(bench.order(trial, config={"x": trial}, seed=4) for trial in (0, 1)))
    assert [bench.values(trial) for trial in (0, 1)] == [[0.0], [1.0]]
    assert bench.log(0) == bench.log(1)
    assert bench.run(bench.order(2, config={"x": 2})).error == "ValueError: bad"
    warnings = [fact.text for fact in bench.facts if isinstance(fact, events.Warned)]
    (warning,) = warnings
    assert re.match(r"each trial imports all again, in about \S+ s: the import starts ", warning)
    assert "the thread looks on of train, which" in warning
    assert "let the function that trains do that" in warning
    assert 0 <= bench.runner.run(bench.executor.sample({"x": "train.py:sampled"}, "0", {}))["x"] < 1


def test_an_import_that_touches_cuda_keeps_no_gpu_for_the_study(bench, shims):
    libcuda = shims["new"] / "libcuda.so.1"
    bench.write(
        "train.py",
        f"""
        import ctypes, os
        CUDA = ctypes.CDLL({str(libcuda)!r})
        CUDA.cuInit(0)
        os.environ["SET_BY_THE_IMPORT"] = "yes"
        KEPT = open("/dev/zero")
        def train(trial):
            trial.report(epoch=1, loss=trial.config["x"])
            print(os.environ["SET_BY_THE_IMPORT"])
        """,
    )
    bench.open()
    (zygote,) = bench.zygotes()
    maps = Path(f"/proc/{zygote}/maps").read_text()
    assert libcuda.name not in maps
    kept = {str(file.readlink()) for file in Path(f"/proc/{zygote}/fd").iterdir()}
    assert "/dev/zero" not in kept
    bench.run(bench.order(0, config={"x": 3.0}))
    assert (bench.values(0), bench.log(0)) == ([3.0], "yes\n")
    (warning,) = [fact.text for fact in bench.facts if isinstance(fact, events.Warned)]
    assert "the import initialises CUDA, which a forked process can't share" in warning


def test_a_helper_that_the_import_started_lives_as_long_as_the_zygote(bench):
    bench.write(
        "train.py",
        """
        import os, subprocess
        HELPER = subprocess.Popen(["sleep", "600"])
        def train(trial):
            print(HELPER.pid)
            os.kill(os.getpid(), 9)
        """,
    )
    bench.open()
    bench.run(bench.order())
    pid = int(bench.log())
    assert not gone(pid)
    bench.close()
    assert gone(pid)


def test_a_folder_in_git_names_its_commit(bench):
    def git(*words):
        settings = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        subprocess.run(
            ["git", *settings, *words], cwd=bench.folder, check=True, capture_output=True
        )

    bench.write("train.py", "def train(trial):\n    pass\n")
    git("init")
    git("add", "train.py")
    git("commit", "-m", "first")
    bench.open()
    bench.run(bench.order(0))
    first = bench.of(events.Started, 0)[0]
    bench.write("train.py", "def train(trial):\n    print(1)\n")
    bench.run(bench.order(1))
    second = bench.of(events.Started, 1)[0]
    assert len(first.commit) == 40
    assert (first.dirty, second.commit, second.dirty) == (False, first.commit, True)
