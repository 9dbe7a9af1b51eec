"""Studies in other tools: a destination of an installed package gets all of a study, whatever goes wrong."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from installed import python_with, toy_package
from workshop import Workshop, wait_until

from tuitune.exporters.registry import DESTINATIONS, place_of
from tuitune.studyfile.hints import LOGS

# A file of JSON lines; while there is a file "down" beside it, it is out of reach.
TOY = """
import json, os
from pathlib import Path
from tuitune.exporters.registry import DestinationKind


class Lines:
    def __init__(self, source, where):
        self.path = Path(where)
        if self.path.with_name("down").exists():
            self.path.with_name("refused").touch()
            raise ConnectionError("nobody answers")
        self.lines = []

    def reached(self):
        if not self.path.exists():
            return 0
        return json.loads(self.path.read_text().splitlines()[-1])[1]

    def begin(self, trial):
        self.lines.append(["begin", trial.number])

    def report(self, reports):
        self.lines += (["report", r.trial, r.step, r.metrics["loss"]] for r in reports)

    def update(self, trial):
        self.lines.append(["update", trial.number, trial.state])

    def flush(self, reached):
        self.lines.append(["reached", reached])
        with self.path.open("a") as file:
            file.write("".join(json.dumps(line) + "\\n" for line in self.lines))
        self.lines = []

    def close(self):
        pass


LINES = DestinationKind(Lines, "{folder}/lines", "a file", is_path=True)
DEAD = DestinationKind(Lines, "{folder}/lines", "a file", "no_such_package", "no-such-package")
"""
ENTRY_POINTS = "[tuitune.destinations]\nlines = toy_lines:LINES\ndead = toy_lines:DEAD\n"
CODE = """
import time
from pathlib import Path

def train(trial):
    for _ in range(3):
        trial.report(loss=trial.config["x"])
    while trial.number == 2 and not Path("go").exists():
        time.sleep(0.01)
    trial.report(loss=0.5)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return python_with(
        tmp_path_factory.mktemp("toy") / "venv",
        toy_package("toy_lines", ENTRY_POINTS, toy_lines=TOY),
    )


@pytest.fixture
def call(workshop: Workshop, python: str):
    """The command line where the package is installed."""

    def run(*words: object):
        return workshop.call([python, *workshop.command(*words)[1:]])

    return run


def lines(path: Path) -> list[list[Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def check_whole(found: list[list[Any]], trials: int) -> None:
    """Each report of each trial is there once, between its begin and its end."""
    counts = Counter(tuple(line[:3]) for line in found if line[0] == "report")
    assert counts == {("report", n, step): 1 for n in range(trials) for step in range(1, 5)}
    for number in range(trials):
        own = [line for line in found if line[0] != "reached" and line[1] == number]
        assert own[0] == ["begin", number]
        assert own[-1] == ["update", number, "COMPLETE"]


def test_the_study_file_knows_the_tools_of_the_registry():
    assert tuple(DESTINATIONS) == LOGS


def test_a_place_is_the_default_one_a_path_or_an_address(monkeypatch: pytest.MonkeyPatch):
    folder, base = Path("/runs/digits"), Path("/studies")
    assert place_of("tensorboard", "", folder, base).where == "/runs/digits/tensorboard"
    assert place_of("tensorboard", "logs", folder, base).where == "/studies/logs"
    assert place_of("optuna", "sqlite:///o.db", folder, base).where == "sqlite:///o.db"
    assert place_of("mlflow", "", folder, base).where == "sqlite:////runs/digits/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://here:5000")
    assert place_of("mlflow", "", folder, base).where == "http://here:5000"
    assert place_of("wandb", "", folder, base).where == "digits"


def test_an_export_adds_what_is_missing(workshop: Workshop, call):
    (workshop.path / "go").touch()
    file = workshop.study(CODE)
    assert call(file, "--no-ui").returncode == 0
    where = workshop.folder() / "lines"
    done = call("export", "study", "--to", "lines")
    assert (done.stdout, done.stderr) == (f"study: written to lines: {where}\n", "")
    check_whole(lines(where), 3)
    assert call(file, "--no-ui", "--trials", 5).returncode == 0
    for _ in range(2):
        assert call("export", "study", "--to", "lines").returncode == 0
        check_whole(lines(where), 5)
    elsewhere = call("export", "study", "--to", "lines", "-o", "more")
    assert elsewhere.returncode == 0
    check_whole(lines(workshop.path / "more"), 5)


def test_what_an_export_refuses_is_said(workshop: Workshop, call):
    (workshop.path / "go").touch()
    assert call(workshop.study(CODE), "--no-ui").returncode == 0
    cases = {
        (
            "--to",
            "lins",
        ): 'there is no "lins"; there are csv, json, html, tensorboard, wandb, mlflow, optuna, dead (installed), lines (installed)',
        (
            "--to",
            "lines",
            "--what",
            "trials",
        ): "--what trials: only for --to csv and --to json; leave it out",
        (
            "--to",
            "dead",
        ): "dead: no_such_package is not installed where tuitune is; pip install no-such-package",
    }
    for words, said in cases.items():
        refused = call("export", "study", *words)
        assert (refused.returncode, refused.stderr) == (2, f"{said}\n")
    (workshop.path / "down").touch()
    refused = call("export", "study", "--to", "lines", "-o", "more")
    assert refused.stderr == f"lines: {workshop.path}/more: ConnectionError: nobody answers\n"


def test_a_running_study_is_written_and_what_was_out_of_reach_is_made_up_for(
    workshop: Workshop, call, python: str
):
    (workshop.path / "down").touch()
    file = workshop.study(CODE, '[log]\nto = ["lines"]\nlines = "live"\n')
    assert "logs to: lines" in call("check", file).stdout
    process = workshop.start(file, "--no-ui", python=python)
    wait_until((workshop.path / "refused").exists, "the first try")
    (workshop.path / "down").unlink()
    live = workshop.path / "live"
    wait_until(lambda: ["report", 2, 3] in [line[:3] for line in lines(live)], "trial 2's reports")
    assert ["update", 2, "COMPLETE"] not in lines(live)
    twice = call("export", "study", "--to", "lines", "-o", live)
    assert twice.stderr == "lines: study: another process writes it, as the engine does for [log]\n"
    (workshop.path / "go").touch()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    check_whole(lines(live), 3)
    assert "ConnectionError: nobody answers; the study goes on, and this is tried again" in output
    assert "[log] lines: gets the study again, all of it" in output


def test_a_study_is_done_without_its_tool_and_says_what_to_do(workshop: Workshop, call):
    for name in ("go", "down"):
        (workshop.path / name).touch()
    done = call(workshop.study(CODE, '[log]\nto = ["lines"]\nlines = "live"\n'), "--no-ui")
    assert done.returncode == 0, done.stderr
    live = workshop.path / "live"
    mend = f"tuitune export study --to lines -o {live}"
    said = f"[log] lines: did not get all of the study: exit status 1; `{mend}` writes the rest"
    assert said in done.stdout
    (workshop.path / "down").unlink()
    assert call(*mend.split()[1:]).returncode == 0
    check_whole(lines(live), 3)


def test_after_a_kill_the_next_engine_writes_what_was_missing(workshop: Workshop, python: str):
    file = workshop.study(CODE, '[log]\nto = ["lines"]\n')
    process = workshop.start(file, "--no-ui", python=python)
    where = workshop.folder() / "lines"
    wait_until(lambda: ["update", 0, "COMPLETE"] in lines(where), "trial 0")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (workshop.path / "go").touch()
    again = workshop.start(file, "--no-ui", python=python)
    output, _ = again.communicate(timeout=60)
    assert again.returncode == 0, output
    found = lines(where)
    assert {tuple(line) for line in found if line[0] == "update" and line[2] == "COMPLETE"} == {
        ("update", number, "COMPLETE") for number in range(3)
    }
    assert {tuple(line[1:3]) for line in found if line[0] == "report"} >= {
        (number, step) for number in range(3) for step in range(1, 5)
    }


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            'to = "lines"',
            '[log] to = "lines": is to be a list of names; write to = ["tensorboard"]',
        ),
        (
            'to = ["tensorbord"]',
            '"tensorbord" is not a tool that studies can be written to; did you mean tensorboard?',
        ),
        (
            'mlflow = "http://x"',
            '[log] mlflow = "http://x": has no effect, as it is not in `to`; add it there',
        ),
        (
            'to = ["dead"]',
            "dead: no_such_package is not installed where tuitune is; pip install no-such-package, or take it out of `to`",
        ),
    ],
)
def test_mistakes_in_the_table_are_said(workshop: Workshop, call, log: str, said: str):
    refused = call("check", workshop.study(CODE, f"[log]\n{log}\n"))
    assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
