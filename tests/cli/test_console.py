"""A study never waits for whoever reads what it prints, and prints whatever it has to say."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from workshop import Workshop, wait_until

from tuitune.cli.console import Outlet
from tuitune.messages.as_json import as_json

ENDLESS = """
import time

def train(trial):
    for step in range(1, 4):
        time.sleep(0.01)
        trial.report(loss=trial.config["x"] + 1 / step)
"""
CHOICE = """
def train(trial):
    trial.report(loss=len(trial.config["word"]))
"""
FULL = 1 << 20  # bytes, more than a pipe holds


def fill(descriptor: int) -> int:
    """Write until the pipe takes no more; how much that was."""
    os.set_blocking(descriptor, False)
    filled = 0
    try:
        while filled < FULL:
            filled += os.write(descriptor, b"\n" * 4096)
    except BlockingIOError:
        return filled
    finally:
        os.set_blocking(descriptor, True)
    raise AssertionError("the pipe has no end")


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    fill(writer)
    yield reader, writer
    for end in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(end)


@pytest.fixture
def stopped_terminal() -> Iterator[tuple[int, int]]:
    """A terminal on which somebody has pressed Ctrl-S."""
    parent, child = pty.openpty()
    os.write(parent, b"\x13")
    yield parent, child
    for end in (parent, child):
        os.close(end)


def start(workshop: Workshop, output: int, *words: object) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        workshop.command(*words),
        cwd=workshop.path,
        env=workshop.environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    workshop.started.append(process)
    return process


def ended(workshop: Workshop) -> int:
    if not (workshop.folder() / "trials").exists():
        return 0
    return sum(trial["state"] == "COMPLETE" for trial in workshop.trials())


@pytest.mark.parametrize("where", ["full_pipe", "stopped_terminal"])
@pytest.mark.parametrize("form", ["--no-ui", "--json"])
def test_a_study_goes_on_and_stops_where_nobody_reads(
    workshop: Workshop, where: str, form: str, request: pytest.FixtureRequest
):
    _, output = request.getfixturevalue(where)
    file = workshop.study(ENDLESS, trials=100_000)
    engine = start(workshop, output, file, form)
    wait_until(lambda: ended(workshop) > 20, "trial 20")
    stopped = workshop.run("stop", "study")
    assert stopped.returncode == 0, stopped.stderr
    assert "stopping" in stopped.stdout
    assert engine.wait(60) == 130


def test_a_signal_is_heeded_where_nobody_reads(workshop: Workshop, full_pipe: tuple[int, int]):
    engine = start(workshop, full_pipe[1], workshop.study(ENDLESS, trials=100_000), "--no-ui")
    wait_until(lambda: ended(workshop) > 5, "trial 5")
    engine.send_signal(signal.SIGTERM)
    assert engine.wait(60) == 130
    assert workshop.show()["state"] == "interrupted"


def test_a_late_reader_gets_every_line(workshop: Workshop, full_pipe: tuple[int, int]):
    reader, writer = full_pipe
    code = ENDLESS.replace("range(1, 4)", "range(1, 400)").replace("time.sleep(0.01)", "pass")
    engine = start(workshop, writer, workshop.study(code, trials=4), "--json")
    wait_until(lambda: ended(workshop) == 4, "the last trial")
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        lines = [json.loads(line) for line in pipe.read().splitlines() if line]
    os.dup2(os.open(os.devnull, os.O_RDONLY), reader)  # for the fixture to close
    assert engine.wait(60) == 0
    kinds = [line["event"] for line in lines]
    assert kinds.count("reported") == 4 * 399
    assert kinds[-2:] == ["finished", "summary"]


def outlet(writer: int, most: int) -> tuple[Outlet, TextIO]:
    stream = os.fdopen(writer, "w", closefd=False)
    return Outlet(stream, lambda lines: f"({lines} missing)\n", most), stream


def test_lines_beyond_its_bound_are_counted_where_they_are_missing():
    reader, writer = os.pipe()
    filled = fill(writer)
    stuck, _ = outlet(writer, 4096)
    for number in range(1000):
        stuck.write(f"line {number:4}\n")  # 10 bytes
    assert stuck.drain(0.2) > 0
    found: list[bytes] = []

    def read() -> None:
        with os.fdopen(reader, "rb") as pipe:
            found.append(pipe.read())

    reading = threading.Thread(target=read)
    reading.start()
    stuck.write("")
    assert stuck.drain(30) == 0
    stuck.write("last\n")
    assert stuck.drain(30) == 0
    os.close(writer)
    reading.join(30)
    *lines, last = found[0][filled:].decode().splitlines()
    number = missing = 0
    for line in lines:
        if line.startswith("line"):
            assert line == f"line {number:4}"
            number += 1
        else:
            gap = int(line.removeprefix("(").removesuffix(" missing)"))
            number, missing = number + gap, missing + gap
    assert (number, last) == (1000, "last")
    assert 0 < missing < 600


def test_a_slow_terminal_gets_the_newest_live_line_alone():
    reader, writer = os.pipe()
    filled = fill(writer)
    stuck, _ = outlet(writer, FULL)
    stuck.write("line\n")
    for number in range(1000):
        stuck.repaint(f"live {number:9}")
    while filled:
        filled -= len(os.read(reader, filled))
    shown = b""
    while len(shown) < 19:
        shown += os.read(reader, 4096)
    assert shown == b"line\nlive       999"
    os.close(reader)
    os.close(writer)


def test_nothing_is_kept_for_a_reader_that_has_gone():
    reader, writer = os.pipe()
    os.close(reader)
    deaf, _ = outlet(writer, FULL)
    deaf.write("line\n" * 99)
    assert deaf.drain(30) == 0
    os.close(writer)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_what_the_terminal_can_not_show_is_escaped(workshop: Workshop, encoding: str):
    space = 'word = ["中é"]\n'
    file = workshop.study(CHOICE, trials=1)
    text = file.read_text().replace("x = { low = 0.0, high = 1.0 }", space)
    file.write_text(text, encoding="utf-8")
    environment = {**workshop.environment, "PYTHONIOENCODING": encoding}

    def say(*words: object) -> str:
        done = workshop.call(workshop.command(*words), env=environment, encoding=encoding)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    assert "\\u4e2d" in say("check", file)
    assert "\\u4e2d" in say(file, "--no-ui")
    lines = [json.loads(line) for line in say(file, "--json", "--new").splitlines()]
    assert lines[-1]["best"]["config"] == {"word": "中é"}
    shown = json.loads(say("show", "study-2", "--json"))
    assert shown["best"]["config"] == {"word": "中é"}
    assert "\\u4e2d" in say("show", "study-2")
    assert "\\u4e2d" in say("export", "study-2")
    assert json.loads(say("export", "study-2", "--to", "json"))[0]["word"] == "中é"


def test_an_exported_file_is_utf_8_whatever_the_terminal_is(workshop: Workshop):
    file = workshop.study(CHOICE, trials=1)
    text = file.read_text().replace("x = { low = 0.0, high = 1.0 }", 'word = ["中"]')
    file.write_text(text, encoding="utf-8")
    assert workshop.run(file, "--no-ui").returncode == 0
    environment = {**workshop.environment, "LC_ALL": "C", "PYTHONUTF8": "0"}
    environment["PYTHONCOERCECLOCALE"] = "0"
    done = workshop.run("export", "study", "-o", "out.csv", env=environment)
    assert done.returncode == 0, done.stderr
    written = (workshop.path / "out.csv").read_text(encoding="utf-8")
    assert next(csv.DictReader(io.StringIO(written)))["word"] == "中"


def test_a_folder_whose_name_is_no_text_is_printed(workshop: Workshop):
    file = workshop.study(ENDLESS, trials=1)
    runs = Path(os.fsdecode(os.fsencode(workshop.path) + b"/r\xff"))
    done = workshop.run(file, "--no-ui", "--runs", runs)
    assert done.returncode == 0, done.stderr
    assert "r\\udcff/study" in done.stdout
    as_lines = workshop.run(file, "--json", "--runs", runs, "--trials", "2")
    assert as_lines.returncode == 0, as_lines.stderr


def test_half_a_character_is_still_json():
    said = {"a\udc80": ["\ud800", 1.5, float("nan")], "b": "中😀"}
    assert json.loads(as_json(said)) == {"a\\udc80": ["\\ud800", 1.5, None], "b": "中😀"}
    assert json.loads(as_json({"b": "中😀"}, ascii_only=True)) == {"b": "中😀"}
    assert as_json({"b": "中😀"}, ascii_only=True).isascii()


FAILING = """
import sys

from tuitune.__main__ import main
from tuitune.cli.progress import Lines

def failing(self, facts):
    raise RuntimeError("no screen")

Lines.__call__ = failing
main()
"""


def test_a_watcher_that_fails_is_told_of_once_and_the_study_goes_on(workshop: Workshop):
    script = workshop.write("failing.py", FAILING)
    file = workshop.study(ENDLESS, trials=4)
    done = workshop.call([sys.executable, str(script), str(file), "--no-ui"])
    assert done.returncode == 0, done.stderr
    assert workshop.show()["counts"]["COMPLETE"] == 4
    (words,) = done.stderr.splitlines()
    assert "RuntimeError: no screen; the study goes on" in words
    log = (workshop.folder() / "engine.log").read_text()
    assert log.count("Traceback") == 1
    assert "raise RuntimeError" in log


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [
        ["ls"],
        ["show", "study"],
        ["show", "study", "--json"],
        ["export", "study"],
        ["check", "study.toml"],
        ["doctor"],
        ["--help"],
        ["show", "--help"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_a_full_output_is_told_in_words(workshop: Workshop, words: list[str], unbuffered: str):
    assert workshop.run(workshop.study(ENDLESS, trials=1), "--no-ui").returncode == 0
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            workshop.command(*words),
            cwd=workshop.path,
            env={**workshop.environment, "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stderr == "the output can't be written: No space left on device\n"
    assert done.returncode == 1


@pytest.mark.parametrize("form", ["--no-ui", "--json"])
def test_a_run_whose_lines_are_lost_says_so(workshop: Workshop, form: str):
    file = workshop.study(ENDLESS, trials=2)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            workshop.command(file, form),
            cwd=workshop.path,
            env=workshop.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0
    assert "lines of the output are lost: the disk" in done.stderr
    assert workshop.show()["state"] == "finished"
