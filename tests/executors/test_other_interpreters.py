"""Targets in another interpreter than tuitune's: what it needs, and what is wrong with some."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tuitune
from tuitune.executors.local.interpreter import Interpreter, InterpreterError, ask_version
from tuitune.studyfile import StudyFileError, load

ROOT = Path(tuitune.__file__).parent
IN_TRIALS = sorted(
    [ROOT / "__init__.py"]
    + [file for room in ("trial", "zygote", "integrations") for file in (ROOT / room).rglob("*.py")]
    + [ROOT / "ipc" / f"{name}.py" for name in ("__init__", "entry", "frames", "process_tree")]
)


def candidates() -> Iterator[Path]:
    """Interpreters of other minor versions, the oldest first, as far as their names tell."""
    for minor in (10, 12, 13, 14, 15):
        if minor != sys.version_info.minor:
            yield from Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")
            yield from (Path(path, f"python3.{minor}") for path in os.get_exec_path())


@pytest.fixture(scope="module")
def other() -> Interpreter:
    for path in candidates():
        with contextlib.suppress(InterpreterError):
            return ask_version(path)
    pytest.skip("no Python of another minor version is here")


def test_what_runs_in_trials_is_written_for_python_3_10():
    for file in IN_TRIALS:
        ast.parse(file.read_text(), str(file), feature_version=(3, 10))


def test_what_runs_in_trials_is_imported_by_the_standard_library_alone(other):
    names = [
        ".".join(file.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        for file in IN_TRIALS
        if "integrations" not in file.parts  # each of those imports its framework
    ]
    code = f"import sys; sys.path.insert(0, {str(ROOT.parent)!r}); import {', '.join(names)}"
    command = [other.path, "-S", "-c", code]  # without site-packages
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


TRAIN = "def train(trial):\n    pass\n"
CODE = """
import random, subprocess, sys
from multiprocessing import get_context
def of_a_child():
    import tuitune
    print(tuitune.current)
def train(trial):
    print(*sys.version_info[:2], flush=True)
    child = get_context("spawn").Process(target=of_a_child)
    child.start()
    child.join()
    subprocess.run([sys.executable, "-c", "import tuitune; print(tuitune.Trial)"], check=True)
    for epoch in range(1, trial.max_resource + 1):
        trial.report(epoch=epoch, loss=trial.config["x"], save=lambda folder: (folder / "model").touch())
    assert child.exitcode == 0
"""
PROMOTES = """
[pruning]
method = "asha"
style = "promote"
resource = "epoch"
max = 3
"""


def test_a_study_runs_in_another_interpreter_that_has_nothing_of_it(workshop, other):
    (workshop.path / "env").symlink_to(Path(other.path).parents[1])
    file = workshop.study(CODE, f'python = "env"\n{PROMOTES}')
    checked = workshop.run("check", file)
    assert f"python: {other.version}, {workshop.path}/env/bin/python\n" in checked.stdout
    done = workshop.run(file, "--no-ui")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"COMPLETE", "PRUNED"} == {trial["state"] for trial in workshop.trials()}
    log = (workshop.folder() / "trials/0000/output.log").read_text()
    assert log.startswith(" ".join(other.version.split(".")[:2]))
    assert "imports all again" not in done.stdout
    assert not list((workshop.path / "state").rglob("*.path"))


def program(folder: Path, text: str, mode: int = 0o755) -> Path:
    file = folder / "program"
    file.write_text(text)
    file.chmod(mode)
    return file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#!/bin/sh\necho\necho tuitune: 3.8.20\n", "is Python 3.8.20, and a target needs 3.10 or"),
        ("#!/bin/sh\necho tuitune: 3.12.1; echo no ctypes >&2; exit 1\n", "a trial: no ctypes"),
        ("#!/bin/sh\necho what? >&2\n", "is not a Python interpreter: what?"),
        ("#!/nowhere/python\n", "can't be run: No such file"),
        ("no program", "can't be run: Exec format error"),
    ],
)
def test_a_program_that_can_run_no_trial_is_refused(tmp_path, text, words):
    file = program(tmp_path, text)
    with pytest.raises(InterpreterError, match=re.escape(words)):
        ask_version(file)


def test_check_and_run_refuse_such_a_program(workshop):
    program(workshop.path, "#!/bin/sh\n")
    file = workshop.study(TRAIN, 'python = "program"\n')
    for command in (("check", file), (file, "--no-ui")):
        done = workshop.run(*command)
        words = f'[trial] python = "program": {workshop.path}/program is not a Python interpreter'
        assert (done.returncode, done.stderr) == (2, f"{file}: {words}\n")
    assert not workshop.folder().exists()


def problems(workshop, code: str, more: str) -> str:
    try:
        load(workshop.study(code, more))
    except StudyFileError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("absent", "there is no {}/absent and no such program on PATH; write the folder of an env"),
        ("./absent", "there is no {}/absent; write the folder of an environment"),
        (".", "{} is a folder without bin/python; write the folder"),
        ("program", "{}/program may not be executed; `chmod +x` allows that"),
        ("~nobody-here/x", "can't be looked up"),
        ("x" * 5000, "can't be looked up"),
        (" ", "is empty"),
    ],
)
def test_a_path_that_names_no_interpreter_is_a_mistake_of_the_file(workshop, python, words):
    program(workshop.path, "", 0o644)
    found = problems(workshop, TRAIN, f'python = "{python}"\n')
    assert words.format(workshop.path) in found


def test_a_command_names_its_own_interpreter(workshop):
    file = workshop.study(TRAIN, f'python = "{sys.executable}"\n')
    text = file.read_text().replace('target = "study_train.py:train"', 'command = ["true"]')
    file.write_text(text)
    with pytest.raises(StudyFileError, match="a command begins with its own"):
        load(file)
    file.write_text(text.replace("[search]", 'y = { sample = "study_train.py:train" }\n[search]'))
    with pytest.raises(StudyFileError, match="can't be called with"):  # but samplers run in it
        load(file)


def test_code_for_a_newer_python_is_not_judged_by_this_one(workshop):
    newer = "type Number[T] = T | nothing new\n" + TRAIN
    assert "invalid syntax" in problems(workshop, newer, "")
    assert not problems(workshop, newer, f'python = "{sys.executable}"\n')
