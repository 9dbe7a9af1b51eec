"""Signals that come before there is a study that could be stopped: words, and no crash."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from workshop import Workshop, hear_signals, wait_until

from tuitune.store.reader import Reader

ROOT = Path(__file__).parents[2]
CODE = """
import time
open("importing", "w").close()
time.sleep({seconds})

def train(trial):
    trial.report(loss=trial.config["x"])
    time.sleep(0.1)
"""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


def holds_back(pid: int) -> bool:
    """Whether Python has come as far as our first line. The C library blocks all for moments."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    blocked = next(int(line.split()[1], 16) for line in lines if line.startswith("SigBlk"))
    return blocked == sum(1 << (number - 1) for number in ENDING)


@pytest.mark.parametrize("number", ENDING)
def test_while_the_engine_itself_is_imported(workshop: Workshop, number: signal.Signals):
    file = workshop.study(CODE.format(seconds=0))
    cold = replace(workshop, warm=None)  # a process that has imported nothing
    engine = cold.start(file, "--no-ui")
    wait_until(lambda: holds_back(engine.pid), "its first line")
    engine.send_signal(number)
    out, _ = engine.communicate(timeout=60)
    assert engine.returncode == 130, out
    assert out == "stopped before its training code was imported\n"
    assert not workshop.folder().exists()


@pytest.mark.parametrize("number", ENDING)
def test_while_the_training_code_is_imported(workshop: Workshop, number: signal.Signals):
    file = workshop.study(CODE.format(seconds=600))
    engine = workshop.start(file, "--no-ui")
    wait_until((workshop.path / "importing").exists, "the import")
    engine.send_signal(number)
    out, _ = engine.communicate(timeout=60)
    assert engine.returncode == 130, out
    assert out.splitlines()[-1] == "stopped before its training code was imported"
    assert workshop.left_over() == []


BEGIN = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tuitune.cli import launch
from tuitune.cli.run_request import RunRequest
started = launch._spawn
def spawn(*words):
    engine = started(*words)
    engine.send_signal({{number}})  # it is a Python that starts
    print(engine.wait(), flush=True)
    return engine
launch._spawn = spawn
launch.begin_engine(RunRequest(Path("study.toml"), Path("runs").absolute()))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_engine_without_a_terminal_at_its_very_start(workshop: Workshop, number: signal.Signals):
    workshop.study(CODE.format(seconds=0))
    done = workshop.call(
        [sys.executable, "-c", BEGIN.replace("{number}", str(int(number)))],
        preexec_fn=hear_signals,
    )
    assert done.stdout == "130\n", done.stderr
    log = (workshop.folder() / "engine.log").read_text()
    assert log == "stopped before its training code was imported\n"


def test_a_program_that_follows_can_be_interrupted(workshop: Workshop):
    file = workshop.study(CODE.format(seconds=0), trials=1000)
    engine = workshop.start(file, "--no-ui")
    wait_until((workshop.folder() / "trials").exists, "the study")
    follower = workshop.start(file, "--no-ui")
    first = follower.stdout.readline()
    assert "an engine runs it already; following it" in first
    follower.send_signal(signal.SIGINT)
    assert follower.wait(30) == 130
    assert engine.poll() is None
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(60) == 130


def test_nohup_is_respected(workshop: Workshop):
    file = workshop.study(CODE.format(seconds=0), trials=3)
    engine = subprocess.Popen(
        ["nohup", *workshop.command(file, "--no-ui")],
        cwd=workshop.path,
        env=workshop.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: holds_back(engine.pid), "its first line")
    engine.send_signal(signal.SIGHUP)
    assert b"3 complete" in engine.communicate(timeout=60)[0]
    assert engine.returncode == 0


def test_while_a_finished_study_is_held_for_a_request(workshop: Workshop):
    file = workshop.study(CODE.format(seconds=0), trials=1)
    assert workshop.run(file, "--no-ui").returncode == 0
    words = ("engine", file, "--folder", workshop.folder(), "--startup", 2, "--hold")
    engine = workshop.start(*words)
    wait_until(lambda: workshop.engine() == engine.pid, "its claim")
    wait_until(lambda: phase(workshop) == "running", "the import")
    engine.send_signal(signal.SIGINT)
    out, _ = engine.communicate(timeout=60)
    assert engine.returncode == 130, out
    assert out.splitlines()[-1] == "stopped before it was asked for more"
    assert [trial["state"] for trial in workshop.trials()] == ["COMPLETE"]


def phase(workshop: Workshop) -> str:
    reader = Reader.open(workshop.folder() / "study.db")
    try:
        found = reader.engine()
        return "" if found is None else found.phase
    finally:
        reader.close()
