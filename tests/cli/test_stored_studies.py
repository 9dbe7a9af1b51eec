"""What `show`, `best` and `ls` say of stored studies: unfinished ones, odd ones, and in which order."""

from __future__ import annotations

import json
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from called import call
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace
from stored_study import FILE, finished, store

from tuitune.cli.output import Column, table
from tuitune.core.events import Settings, TrialState
from tuitune.core.placement.hours import Window
from tuitune.store import owner
from tuitune.store.rows import StudyRow, TrialRow
from tuitune.ui.render.lines import width_of

ODD = "\x1b]0;owned\x07 [red]界\tx\r"
OVER = StudyRow(finished=True, complete=True)
SETTINGS = Settings(20, None, 1.0, None, 0, None, None, None)


@pytest.fixture(autouse=True)
def _registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def write(*rows: TrialRow, study: StudyRow = OVER, name: str = "s", file: str = FILE) -> Path:
    folder = Path("runs") / name
    journal = store(folder)
    (folder / "study.toml").write_text(file)
    journal.write([], rows or [finished(0)], study)
    journal.close()
    return folder


def shown(*words: object) -> Any:
    return json.loads(call("show", "s", "--json", *words).stdout, parse_constant=pytest.fail)


@pytest.fixture
def running() -> Iterator[Path]:
    """A study that an engine, this process, runs."""
    folder = write()
    engine = owner.claim(folder)
    yield folder
    engine.release()


def change(folder: Path, **study: Any) -> None:
    journal = store(folder)
    journal.write([], [finished(0)], StudyRow(**study))
    journal.close()


# --- JSON --------------------------------------------------------------------------------------


def test_the_json_of_a_study_has_these_keys_and_each_trial_those() -> None:
    write(finished(0), TrialRow(1, "WAITING", {}))
    found = shown()
    assert list(found) == [
        "study", "state", "nothing_starts", "counts", "best", "importance",
        "gpu_hours", "energy_wh", "checkpoint_bytes", "trials",
    ]  # fmt: skip
    assert found["best"] == {
        "trial": 0,
        "value": 0.0,
        "config": finished(0).config,
        "partial": False,
    }
    assert {state: n for state, n in found["counts"].items() if n} == {"WAITING": 1, "COMPLETE": 1}
    assert len(found["counts"]) == len(TrialState)
    for trial in found["trials"]:
        assert list(trial) == [
            "trial", "state", "waiting_for", "value", "step", "config", "origin", "why",
            "attempts", "started", "ended", "device", "node", "error", "note",
            "gpu_hours", "energy_wh",
        ]  # fmt: skip
    assert found["trials"][1]["value"] is None


def test_all_trials_are_in_the_json_by_number_and_chosen_ones_the_best_last() -> None:
    write(*(finished(number) for number in range(5)), TrialRow(5, "FAILED", {}, error="x"))
    assert [one["trial"] for one in shown()["trials"]] == [0, 1, 2, 3, 4, 5]
    values = {number: finished(number).value for number in range(5)}
    order = sorted(values, key=lambda number: -values[number])
    assert [one["trial"] for one in shown("--top", 3)["trials"]] == order[-3:]
    assert [one["trial"] for one in shown("--top", 99)["trials"]] == order
    assert [one["trial"] for one in shown("--failed")["trials"]] == [5]


def test_a_study_without_a_number_has_no_best() -> None:
    write(TrialRow(0, "FAILED", {}, error="x"), TrialRow(1, "RUNNING", {}))
    found = shown()
    assert (found["best"], found["state"]) == (None, "finished")
    lines = call("show", "s").stdout
    assert "best" not in lines
    assert "1 failed" in lines


def test_the_best_of_a_study_without_a_complete_trial_is_partial() -> None:
    write(replace(finished(1), state="PRUNED", rung=0), study=StudyRow())
    found = shown()
    assert (found["best"]["partial"], found["state"]) == (True, "interrupted")
    assert "\nbest (partial): #1, loss 0.618\n" in call("show", "s").stdout


def test_the_highest_is_the_best_where_that_is_wanted() -> None:
    write(*(finished(number) for number in range(4)), file=FILE.replace('"min"', '"max"'))
    assert shown()["best"]["trial"] == 3
    assert [one["trial"] for one in shown("--top", 2)["trials"]] == [1, 3]


# --- why nothing starts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("study", "why"),
    [
        ({}, None),
        ({"halted": "stopped by hand"}, "the study is stopping: stopped by hand"),
        ({"disk_low": True}, "the disk is too full; make room, or lower `disk_free` in [limits]"),
        ({"blocked": "no module named x"}, "no module named x"),
        ({"launching": False}, "launching is paused; `tuitune resume s` resumes it"),
        ({"halted": "stopped by hand", "finished": True}, None),
        ({"disk_low": True, "blocked": "x", "halted": "y"}, "the study is stopping: y"),
        ({"settings": SETTINGS}, None),
        ({"settings": replace(SETTINGS, gpus=1.0, max_gpus=1)}, None),
        (
            {"settings": replace(SETTINGS, gpus=2.0, max_gpus=1)},
            "[devices] max_gpus and hours: 1 GPU at most, and a trial has 2",
        ),
        ({"settings": replace(SETTINGS, gpus=0.5, max_gpus=0)}, "0 GPUs at most, and a trial has 1"),
        ({"settings": replace(SETTINGS, gpus="auto", max_gpus=0)}, "0 GPUs at most, and a trial has 1"),
        ({"settings": replace(SETTINGS, max_gpus=0)}, None),  # a trial has none
        (
            {"settings": replace(SETTINGS, gpus=1.0, hours=(Window(0, 24 * 60 - 1, 0),))},
            "0 GPUs at most until 23:59, and a trial has 1",
        ),
    ],
)  # fmt: skip
def test_why_a_running_study_starts_nothing_is_told(running: Path, study: Any, why: Any) -> None:
    change(running, **study)
    if study.get("settings", SETTINGS).hours and time.localtime()[3:5] == (23, 59):
        pytest.skip("the last minute of a day is not in its window")
    found = shown()
    assert found["state"] == "running"
    assert found["nothing_starts"] == why or (why and found["nothing_starts"].endswith(why))
    line = [
        one for one in call("show", "s").stdout.splitlines() if one.startswith("nothing starts")
    ]
    assert bool(line) is bool(why)


def test_nothing_is_said_to_start_nothing_where_no_engine_runs() -> None:
    write(study=StudyRow(halted="x", blocked="y"))
    assert shown()["nothing_starts"] is None
    assert "nothing starts" not in call("show", "s").stdout


# --- text --------------------------------------------------------------------------------------


def rows_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if re.match(r" *#\d", line)]


def test_the_table_has_those_without_a_value_first_then_the_unfinished_then_the_best() -> None:
    write(
        replace(finished(0), state="PRUNED", value=0.1),
        replace(finished(1), value=0.9),
        replace(finished(2), value=0.3),
        TrialRow(3, "FAILED", {"lr": 0.5}, error="ValueError: x"),
        replace(finished(4), value=0.3),
    )
    assert [row[0] for row in rows_of(call("show", "s").stdout)] == ["#3", "#0", "#1", "#4", "#2"]
    assert [row[0] for row in rows_of(call("show", "s", "--top", 2).stdout)] == ["#4", "#2"]


def test_times_gpus_and_steps_are_in_the_table_where_they_are_known() -> None:
    used = replace(finished(0), started=100.0, ended=190.0, gpu_seconds=7200.0, energy=3.6e6)
    write(used, TrialRow(1, "RUNNING", {"lr": 0.1}, device="cpu", started=100.0))
    text = call("show", "s").stdout
    assert "GPUs: 2 GPU-hours, 1 kWh" in text
    head = next(line for line in text.splitlines() if line.lstrip().startswith("trial"))
    assert head.split() == [
        "trial",
        "state",
        "loss",
        "lr",
        "width",
        "reports",
        "time",
        "GPU-h",
        "note",
    ]
    (first, second) = rows_of(text)
    assert first[:2] == ["#1", "lost"]  # no engine runs it
    assert first[-2:] == ["-", "0"]  # its time is not known
    assert second[-2:] == ["1m30s", "2"]


def test_a_running_trial_lasts_until_now(running: Path) -> None:
    journal = store(running)
    begun = time.time() - 3725.0
    journal.write([], [TrialRow(1, "RUNNING", {}, device="cpu", started=begun)], StudyRow())
    journal.close()
    row = next(row for row in rows_of(call("show", "s").stdout) if row[0] == "#1")
    assert row[1] == "running"
    assert "1h02m" in row


def test_nothing_of_a_trial_steers_the_terminal() -> None:
    config = {"lr": 0.5, "width": ODD}
    write(
        replace(finished(0), note=ODD, device=ODD, config=config),
        TrialRow(1, "FAILED", config, error=ODD),
        TrialRow(2, "FAILED", config, error=ODD),
        study=StudyRow(exhausted=ODD, halted=ODD, blocked=ODD),
    )
    for words in (("show", "s"), ("show", "s", "--failed"), ("ls",), ("show", "s", "--why", 0)):
        done = call(*words)
        text = done.stdout + done.stderr
        assert text
        assert text.replace("\t", "").replace("\n", "").isprintable(), words  # TOML has tabs


def test_failures_are_grouped_with_what_their_trials_share() -> None:
    def failed(number: int, width: int, error: str) -> TrialRow:
        return TrialRow(number, "FAILED", {"lr": number / 9, "width": width}, error=error)

    write(
        *(finished(number) for number in range(3)),
        failed(3, 64, "CUDA out of memory"),
        failed(4, 8, "killed"),
        failed(5, 64, "CUDA out of memory"),
    )
    text = call("show", "s", "--failed").stdout
    assert text.index("2 trials: CUDA out of memory") < text.index("1 trial: killed")
    assert "  all with width = 64\n" in text
    assert [row[0] for row in rows_of(text)] == ["#3", "#5", "#4"]
    assert "best: " not in text
    write(finished(0), name="well")
    assert "no trial has failed" in call("show", "well", "--failed").stdout


def test_one_parameter_that_trials_lack_is_a_dash() -> None:
    write(replace(finished(0), config={"lr": 0.25}), replace(finished(1), config={}))
    (first, second) = rows_of(call("show", "s").stdout)
    assert first[3:5] == ["-", "-"]
    assert second[4] == "-"


# --- best --------------------------------------------------------------------------------------


def test_the_configuration_of_a_trial_is_read_back_from_toml_and_json() -> None:
    write(finished(0), replace(finished(1), config={"lr": 1e-5, "width": 3}))
    done = call("best", "s", 1)
    assert tomllib.loads(done.stdout) == {"lr": 1e-5, "width": 3}
    assert done.stdout.splitlines()[:2] == [
        "# s #1 (complete): loss 0.618 at report 3",
        "# checkpoint: none of #1 is kept; see keep_checkpoints in [trial]",
    ]
    done = call("best", "s", "#1", "--as", "json")
    assert json.loads(done.stdout) == {"lr": 1e-5, "width": 3}
    assert done.stderr.startswith("s #1 (complete): loss 0.618 at report 3\n")
    assert call("best", "s", 1, "--as", "flags").stdout == "--lr 1e-05 --width 3\n"


def test_without_a_checkpoint_or_a_number_it_says_so() -> None:
    write(TrialRow(0, "FAILED", {"lr": 0.5}))
    refused = call("best", "s")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "s: no trial has reported a number for loss\n",
    )
    refused = call("best", "s", 0, "--checkpoint")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "s: none of #0 is kept; see keep_checkpoints in [trial]\n"


# --- ls ----------------------------------------------------------------------------------------


def test_the_list_names_each_study_with_its_state_its_progress_and_its_best(running: Path) -> None:
    write(
        *(finished(number) for number in range(3)),
        name="done",
        study=replace(OVER, settings=SETTINGS),
    )
    write(TrialRow(0, "PAUSED", {}), name="half", study=StudyRow())
    broken = Path("runs") / "broken"
    broken.mkdir()
    (broken / "study.db").write_text("no database" * 100)
    lines = {line.split()[0]: line for line in call("ls").stdout.splitlines()[1:]}
    assert set(lines) == {"s", "done", "half", "broken"}
    assert "running" in lines["s"]
    assert re.search(r"finished +3/20 .* loss 0 \(#0\)", lines["done"])
    assert re.search(r"interrupted +0/100 ", lines["half"])
    assert "unreadable" in lines["broken"]
    assert "it is damaged, or not a study's database" in lines["broken"]

    records = {one["study"]: one for one in json.loads(call("ls", "--json").stdout)}
    assert set(records) == set(lines)
    done = records["done"]
    assert (done["state"], done["done"], done["trials"]) == ("finished", 3, 20)
    assert done["best"] == {"trial": 0, "value": 0.0, "partial": False}
    assert done["folder"] == str(Path("runs", "done").absolute())
    assert records["half"]["best"] is None
    assert records["broken"]["state"] == "unreadable"
    assert "it is damaged, or not a study's database" in records["broken"]["problem"]


def test_a_list_without_studies_is_one_in_json_too() -> None:
    assert json.loads(call("ls", "--json").stdout) == []


# --- tables ------------------------------------------------------------------------------------

cells = st.text(st.sampled_from("ab 界é~"), max_size=12)


@settings(max_examples=60)
@given(st.data(), st.integers(1, 5), st.integers(0, 4), st.integers(8, 60))
def test_a_table_is_as_wide_as_its_room_unless_one_column_is_wider(
    data, count, height, width
) -> None:
    columns = [
        Column(
            data.draw(cells),
            [(data.draw(cells), "") for _ in range(height)],
            weight,
            right=data.draw(st.booleans()),
            least=data.draw(st.sampled_from([0, 3])),
        )
        for weight in range(1, count + 1)
    ]
    lines, missing = table(columns, width)
    assert len(lines) == height + 1
    assert len({width_of(line) for line in lines}) == 1
    left = count - len(missing)
    assert left >= 1
    assert missing == [column.title for column in columns[: len(missing)]]  # the least first
    widest = max(width_of(line) for line in lines)
    assert widest <= width or left == 1
    whole, none_missing = table(columns, None)
    assert none_missing == []
    assert all(width_of(line) >= widest or missing for line in whole)
