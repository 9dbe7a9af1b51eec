"""The commands that print a stored study: their counts, and the importance of parameters."""

from __future__ import annotations

import csv
import json
import math
import time
from pathlib import Path

import pytest
from called import call
from stored_study import finished, store

from tuitune.cli.one_trial import trial_lines
from tuitune.cli.studies import StudyFolder
from tuitune.cli.summary import print_result, result_in
from tuitune.core import events as ev
from tuitune.store.rows import StudyRow, TrialRow


def write(folder: Path, *rows: TrialRow) -> None:
    journal = store(folder)
    journal.write([], rows, StudyRow(finished=True, complete=True))
    journal.close()


def test_show_and_export_have_the_importance_that_the_app_shows(tmp_path: Path):
    write(tmp_path, *(finished(number) for number in range(40)))
    lines = call("show", tmp_path).stdout.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("importance of parameters"))
    assert "by 40 trials: R2 " in lines[at]
    assert [line.split()[0] for line in lines[at + 1 : at + 3]] == ["lr", "width"]

    shown = json.loads(call("show", tmp_path, "--json").stdout)["importance"]
    assert [one["parameter"] for one in shown["parameters"]] == ["lr", "width"]
    assert shown["parameters"][0]["importance"] > 1
    written = call("export", tmp_path, "--table", "importance", "--to", "json").stdout
    assert json.loads(written) == shown
    table = list(
        csv.DictReader(call("export", tmp_path, "--table", "importance").stdout.splitlines())
    )
    assert [row["parameter"] for row in table] == ["lr", "width"]
    assert float(table[0]["importance"]) == shown["parameters"][0]["importance"]


def test_too_few_trials_have_no_importance_and_export_says_so(tmp_path: Path):
    write(tmp_path, finished(0))
    assert "importance" not in call("show", tmp_path).stdout
    assert json.loads(call("show", tmp_path, "--json").stdout)["importance"] is None
    refused = call("export", tmp_path, "--table", "importance")
    assert (refused.exit_code, "needs 8 finished trials" in refused.stderr) == (2, True)


def failed(number: int) -> TrialRow:
    return TrialRow(
        number, "FAILED", {"lr": 0.5, "width": 2}, "hand", attempt=2, started=1e9, ended=1e9 + 100,
        error="ValueError: no\n  such \x1b[31mfile", note="2 failures", node="gpu-07",
        gpu_seconds=7200.0, energy=3600.0,
    )  # fmt: skip


def test_show_tells_all_of_the_trials_that_are_named(tmp_path: Path):
    study = tmp_path / "digits"
    write(study, finished(0), finished(1), failed(2))
    checkpoint = study / "trials" / "0001" / "checkpoints" / "00000003"
    checkpoint.mkdir(parents=True)
    (study / "trials" / "0001" / "output.log").touch()
    shown = call("show", study, "#1", "2")
    assert shown.exit_code == 0
    first, second = shown.stdout.split("\n\n")
    assert first.splitlines() == [
        "digits #1: complete, loss 0.618 at report 3",
        "  lr = 0.618",
        "  width = 8",
        "proposed by: sobol: point",
        f"checkpoint: {checkpoint}",
        f"log: {study}/trials/0001/output.log",
        "decisions: tuitune show digits --why 1",
    ]
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1e9))
    assert second.splitlines() == [
        "digits #2: failed",
        "  lr = 0.5",
        "  width = 2",
        "proposed by: hand",
        f"started: {began}, 1m40s, 2 attempts",
        "on: gpu-07",
        "GPUs: 2 GPU-hours, 1 Wh",
        "decisions: tuitune show digits --why 2",
        "ValueError: no",
        "  such  [31mfile",
    ]
    named = json.loads(call("show", study, "2", "0", "--json").stdout)["trials"]
    assert [trial["trial"] for trial in named] == [2, 0]


def test_the_time_of_a_trial_that_is_paused_is_not_told(tmp_path: Path):
    write(tmp_path, TrialRow(0, "PAUSED", {"lr": 0.5}, "hand", started=1e9))
    study = StudyFolder(tmp_path)
    lines = trial_lines(study, study.reader.trials()[0], engine_gone=False)
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(1e9))
    assert f"started: {began}" in ["".join(text for text, _ in line) for line in lines]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("7",), "digits: no trial #7: it has #0 to #0"),
        (("x",), "'x' is not the number of a trial"),
        (("0", "--top", "3"), "with trials go neither --why nor --top nor --failed"),
    ],
)
def test_trials_that_can_not_be_shown_are_refused(tmp_path: Path, words, message):
    write(tmp_path / "digits", finished(0))
    refused = call("show", tmp_path / "digits", *words)
    assert (refused.exit_code, message in refused.stderr) == (2, True)


def test_a_study_that_is_not_there_is_said_once(tmp_path: Path):
    refused = call("set", "nowhere", "devices.clear=all", "--runs", tmp_path)
    assert (refused.exit_code, refused.stderr.count("no such study")) == (2, 1)


def test_a_study_without_trials_has_none_to_try_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write(tmp_path)
    assert print_result(result_in(StudyFolder(tmp_path))) == 1
    assert capsys.readouterr().out.endswith("no trial has reported a number for loss\n")


def test_the_first_line_of_a_study_counts_trials_as_its_table_shows_them(tmp_path: Path):
    held = TrialRow(0, "PAUSED", {}, at_rung=True, waiting_for="rung")
    frozen = TrialRow(1, "PAUSED", {}, waiting_for="user", activity="frozen", paused_by_user=True)
    write(tmp_path, held, frozen, TrialRow(2, "RUNNING", {}))
    found = call("show", tmp_path).stdout  # no engine runs it: nothing is frozen
    assert "1 held, 1 paused, 1 lost of " in found
    assert [line.split()[1] for line in found.splitlines()[-3:]] == ["held", "paused", "lost"]


def test_reports_are_exported_with_all_their_metrics(tmp_path: Path):
    journal = store(tmp_path)
    facts = [
        ev.Reported(1.5, 0, 0, 1, {"loss": 0.5}),
        ev.Reported(2.5, 1, 0, 1, {"loss": math.nan, "step": 3.0}),
    ]
    journal.write(facts, [finished(0), finished(1)])
    journal.close()
    assert call("export", tmp_path, "--what", "reports").stdout.splitlines() == [
        "trial,attempt,step,time,loss,metrics.step",
        "0,0,1,1.5,0.5,",
        "1,0,1,2.5,nan,3.0",
    ]
    written = json.loads(call("export", tmp_path, "--what", "reports", "--to", "json").stdout)
    assert written[0] == {"trial": 0, "attempt": 0, "step": 1, "time": 1.5, "loss": 0.5}
    assert (written[1]["loss"], written[1]["metrics.step"]) == (None, 3.0)


def test_a_study_without_reports_exports_none(tmp_path: Path):
    write(tmp_path)
    assert call("export", tmp_path, "--what", "reports").stdout == "trial,attempt,step,time\n"
    assert call("export", tmp_path, "--what", "reports", "--to", "json").stdout == "[]\n"
