"""The commands that print a stored study: their counts, and the importance of parameters."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tuitune.cli.main import commands
from tuitune.store.journal import Journal
from tuitune.store.rows import StudyRow, TrialRow

STUDY = """
[objective]
metric = "loss"
mode = "min"
[trial]
command = ["true"]
[space]
lr = { low = 0.1, high = 1.0 }
width = { low = 1, high = 64 }
"""


def trial(number: int) -> TrialRow:
    lr = 0.1 + 0.9 * (number * 0.618 % 1)
    config = {"lr": lr, "width": 1 + number * 7 % 64}
    return TrialRow(number, "COMPLETE", config, "sobol", "point", value=lr, step=3, ended=9.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def write(folder: Path, *rows: TrialRow) -> None:
    journal = Journal.open(folder / "study.db", "loss")
    journal.write([], rows, StudyRow(finished=True, complete=True))
    journal.close()


def call(*words: object) -> Result:
    return CliRunner().invoke(commands, [str(word) for word in words])


def test_show_and_export_have_the_importance_that_the_app_shows(folder: Path):
    write(folder, *(trial(number) for number in range(40)))
    lines = call("show", folder).stdout.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("importance of parameters"))
    assert "by 40 trials: R2 " in lines[at]
    assert [line.split()[0] for line in lines[at + 1 : at + 3]] == ["lr", "width"]

    shown = json.loads(call("show", folder, "--json").stdout)["importance"]
    assert [one["parameter"] for one in shown["parameters"]] == ["lr", "width"]
    assert shown["parameters"][0]["importance"] > 1
    written = call("export", folder, "--table", "importance", "--to", "json").stdout
    assert json.loads(written) == shown
    table = list(
        csv.DictReader(call("export", folder, "--table", "importance").stdout.splitlines())
    )
    assert [row["parameter"] for row in table] == ["lr", "width"]
    assert float(table[0]["importance"]) == shown["parameters"][0]["importance"]


def test_too_few_trials_have_no_importance_and_export_says_so(folder: Path):
    write(folder, trial(0))
    assert "importance" not in call("show", folder).stdout
    assert json.loads(call("show", folder, "--json").stdout)["importance"] is None
    refused = call("export", folder, "--table", "importance")
    assert (refused.exit_code, "needs 8 finished trials" in refused.stderr) == (2, True)


def test_the_first_line_of_a_study_counts_trials_as_its_table_shows_them(folder: Path):
    held = TrialRow(0, "PAUSED", {}, at_rung=True, waiting_for="rung")
    frozen = TrialRow(1, "PAUSED", {}, waiting_for="user", activity="frozen", paused_by_user=True)
    write(folder, held, frozen, TrialRow(2, "RUNNING", {}))
    found = call("show", folder).stdout  # no engine runs it: nothing is frozen
    assert "1 held, 1 paused, 1 lost of " in found
    assert [line.split()[1] for line in found.splitlines()[-3:]] == ["held", "paused", "lost"]
