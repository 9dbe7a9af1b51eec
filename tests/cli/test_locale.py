"""A locale that is not UTF-8: what is written and read as text is the same as anywhere else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop, wait_until

import tuitune

CODE = """
import os

def train(trial):
    print(os.environ.get("LC_ALL"), flush=True)
    trial.report(loss=1.0)
"""
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
CALL = re.compile(r"\.(?:read_text|write_text)\(.*|(?<!os)\.open\(\"[arwx]t?\".*|(?<!\.)\bopen\(.*")


def study(workshop: Workshop, more: str = "", trials: int = 2) -> Path:
    file = workshop.study(CODE, more, trials=trials)
    grid = file.read_text().replace("{ low = 0.0, high = 1.0 }", '["中", "é", "ß", "ø"]')
    file.write_text(grid.replace('"random"', '"grid"'), encoding="utf-8")
    return file


@pytest.fixture
def ascii_workshop(workshop: Workshop) -> dict[str, Any]:
    return {"env": {**workshop.environment, **ASCII}}


def test_a_study_with_other_letters_runs_and_is_read_anywhere(
    workshop: Workshop, ascii_workshop: dict[str, Any]
):
    done = workshop.run(study(workshop), "--no-ui", **ascii_workshop)
    assert done.returncode == 0, done.stderr
    folder = workshop.folder()
    assert '"中"' in (folder / "study.toml").read_text(encoding="utf-8")
    configs = [json.loads(file.read_bytes()) for file in folder.glob("trials/*/config.json")]
    assert {config["x"] for config in configs} <= {"中", "é", "ß", "ø"}
    logs = [(folder / f"trials/000{number}/output.log").read_text() for number in (0, 1)]
    assert logs == ["C\n", "C\n"]
    for words in (["show", "study"], ["export", "study"], ["ls"], ["simulate", "study"]):
        done = workshop.run(*words, **ascii_workshop)
        assert (done.returncode, done.stderr) == (0, ""), words
    utf8 = {**workshop.environment, "PYTHONUTF8": "1"}
    assert "study" in workshop.run("ls", env=utf8).stdout


def test_code_that_breaks_meanwhile_is_logged_with_all_its_letters(
    workshop: Workshop, ascii_workshop: dict[str, Any]
):
    file = study(workshop, trials=4)
    code = workshop.path / "study_train.py"
    waits = CODE + "    import time, pathlib\n    while not pathlib.Path('go').exists():\n"
    code.write_text(waits + "        time.sleep(0.01)\n")
    engine = workshop.start(file, "--no-ui", **ascii_workshop)
    logs = [workshop.folder() / f"trials/000{number}/output.log" for number in (0, 1)]
    wait_until(lambda: all(log.exists() and log.read_text() for log in logs), "two trials")
    code.write_text("raise ValueError('中')\n", encoding="utf-8")
    (workshop.path / "go").touch()
    log = workshop.folder() / "engine.log"
    wait_until(lambda: "ValueError: 中" in log.read_text(encoding="utf-8"), "the words")
    code.write_text(CODE)
    output, _ = engine.communicate(timeout=60)
    assert engine.returncode == 0
    assert "train.py: ValueError: \\u4e2d (line 1)" in output


def test_a_name_that_this_locale_has_no_letters_for_is_told_in_words(
    workshop: Workshop, ascii_workshop: dict[str, Any]
):
    done = workshop.run(study(workshop, '[study]\nname = "名"\n'), "--no-ui", **ascii_workshop)
    assert done.returncode == 2
    assert "set LC_ALL=C.UTF-8, or [study] name" in done.stderr
    assert "Traceback" not in done.stderr
    file = study(workshop)
    file.rename(file.with_name("名.toml"))
    done = workshop.run("名.toml", "--no-ui", **ascii_workshop)
    assert done.returncode == 2
    assert "its name is the study's" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_file_is_opened_as_text_in_the_locale_s_encoding():
    package = Path(tuitune.__file__).parent
    found = [
        f"{file.relative_to(package)}: {line.strip()}"
        for file in package.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if CALL.search(line)
        and not any(word in line for word in ("def ", "encoding=", '"rb"', '"xb"'))
    ]
    assert found == []
