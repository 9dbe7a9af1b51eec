"""Tables of a study as CSV and JSON: whatever stands in them is read back by other programs."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace
from stored_study import finished

from tuitune.core.search.importance import Importance, ParameterImportance
from tuitune.store.exported import (
    exported,
    exported_importance,
    importance_record,
    metric_names,
    report_records,
    usage_record,
    write_reports,
)
from tuitune.store.reader import Report

ODD = "a\r\n\"b\",'c'\t;\r=1+1 é界\x00\u2028"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.lists(texts.filter(bool), min_size=1, max_size=4, unique=True)
values = st.none() | st.booleans() | st.integers() | st.floats() | texts
FIRST, LAST = ("trial", "state", "value", "step"), ("gpu_hours", "energy_wh", "node")
OWN = ("trial", "attempt", "step", "time")


def read(text: str) -> list[dict[str, str]]:
    """As a program that keeps line ends reads it; each row has as many cells as the head."""
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert all(len(row) == len(head) for row in rows)
    assert len(set(head)) == len(head)
    return [dict(zip(head, row, strict=True)) for row in rows]


def as_cell(value: Any) -> str:
    """What a cell has to hold for this value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else repr(value)


@settings(max_examples=40)
@given(st.data())
def test_trials_come_back_from_csv_whatever_their_parameters_are_called_and_are(data) -> None:
    known = data.draw(names)
    configs = data.draw(
        st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(known, values)), max_size=4)
    )
    rows = [replace(finished(n), config=config) for n, config in enumerate(configs)]
    found = read(exported(rows, known, "csv"))
    assert len(found) == len(rows)
    for row, config in zip(found, configs, strict=True):
        own = list(row)[len(FIRST) : len(FIRST) + len(known)]
        assert [row[name] for name in own] == [as_cell(config.get(name)) for name in known]


@settings(max_examples=40)
@given(st.data(), st.booleans())
def test_trials_come_back_from_json_in_numbers_and_null(data, ascii_only: bool) -> None:
    known = data.draw(names)
    config = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(known, values)))
    text = exported([replace(finished(3), config=config)], known, "json", ascii_only=ascii_only)
    (row,) = json.loads(text, parse_constant=pytest.fail)
    own = list(row)[len(FIRST) : len(FIRST) + len(known)]
    for column, name in zip(own, known, strict=True):
        value = config.get(name)
        is_odd = isinstance(value, float) and not math.isfinite(value)
        assert row[column] == (None if is_odd else value)
    assert (row["trial"], row["state"], row["step"]) == (3, "COMPLETE", 3)
    assert not ascii_only or text.isascii()


@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n", "\r\r\n"])
def test_line_ends_within_a_cell_do_not_end_its_row(ending: str) -> None:
    error = f"Traceback{ending}ValueError{ending}"
    config = {"lr": ending, "width": f"a{ending}"}
    rows = [replace(finished(0), error=error, config=config), finished(1)]
    text = exported(rows, ["lr", "width"], "csv")
    first, second = read(text)
    assert (first["error"], first["lr"], first["width"]) == (error, ending, f"a{ending}")
    assert second["trial"] == "1"
    assert text.endswith(",\n")
    assert not text.endswith("\r\n")


def test_a_parameter_with_the_name_of_a_column_gets_another_one() -> None:
    config = {"state": "x", "config.state": "y", "value": 2, "node": "n", "lr": 0.1}
    (row,) = read(exported([replace(finished(0), config=config)], list(config), "csv"))
    assert row["state"] == "COMPLETE"
    assert row["config.state"] == "y"  # which is a parameter of its own
    assert row["config.config.state"] == "x"
    assert (row["config.value"], row["config.node"], row["node"], row["lr"]) == (
        "2",
        "n",
        "",
        "0.1",
    )


def test_lists_and_tables_in_a_cell_are_json() -> None:
    config = {"lr": [0.9, None], "width": {"a": ODD, "b": [True]}}
    (row,) = read(exported([replace(finished(0), config=config)], list(config), "csv"))
    assert {name: json.loads(row[name]) for name in config} == config


def test_a_study_without_trials_has_a_head_alone() -> None:
    text = exported([], ["lr"], "csv")
    assert read(text) == []
    assert text.startswith("trial,state,value,step,lr,started,")
    assert json.loads(exported([], ["lr"], "json")) == []


# --- GPU time and energy -----------------------------------------------------------------------


def test_what_trials_used_is_summed_and_unknown_energy_is_not_zero() -> None:
    one = replace(finished(0), gpu_seconds=1800.0, energy=3600.0)
    other = replace(finished(1), gpu_seconds=5400.0)
    assert usage_record(one) == {"gpu_hours": 0.5, "energy_wh": 1.0}
    assert usage_record(other) == {"gpu_hours": 1.5, "energy_wh": None}
    assert usage_record(one, other) == {"gpu_hours": 2.0, "energy_wh": 1.0}
    assert usage_record() == {"gpu_hours": 0, "energy_wh": None}
    assert usage_record(replace(one, energy=0.0)) == {"gpu_hours": 0.5, "energy_wh": 0.0}


# --- reports -----------------------------------------------------------------------------------

metrics = st.dictionaries(texts.filter(bool), st.floats(), max_size=3)
reports = st.lists(metrics, max_size=6).map(
    lambda found: [Report(n + 1, 0.5 * n, n % 3, 0, n, None, m) for n, m in enumerate(found)]
)


def written(found: list[Report], form: Any, **more: Any) -> str:
    out = io.StringIO()
    write_reports(lambda: iter(found), form, out, **more)
    return out.getvalue()


@settings(max_examples=40)
@given(reports)
def test_reports_come_back_from_csv_with_all_their_metrics(found: list[Report]) -> None:
    rows = read(written(found, "csv"))
    every = metric_names(found)
    assert len(rows) == len(found)
    for row, report in zip(rows, found, strict=True):
        assert list(row)[: len(OWN)] == list(OWN)
        assert [row[name] for name in OWN] == [
            str(value) for value in (report.trial, report.attempt, report.step, report.time)
        ]
        cells = list(row.values())[len(OWN) :]
        assert cells == [as_cell(report.metrics.get(name)) for name in every]


@settings(max_examples=40)
@given(reports, st.booleans())
def test_reports_come_back_from_json_without_what_they_lack(found, ascii_only: bool) -> None:
    text = written(found, "json", ascii_only=ascii_only)
    rows = json.loads(text, parse_constant=pytest.fail)
    named = bool(metric_names(found))
    assert len(rows) == (len(found) if found else 0)
    assert text.endswith("\n")
    assert not ascii_only or text.isascii()
    for row, report in zip(rows, found, strict=True):
        assert [row[name] for name in OWN] == [
            report.trial,
            report.attempt,
            report.step,
            report.time,
        ]
        assert len(row) == len(OWN) + len(report.metrics)
        own = [value for name, value in row.items() if name not in OWN]
        known = [value if math.isfinite(value) else None for value in report.metrics.values()]
        assert sorted(own, key=repr) == sorted(known, key=repr)
    assert named or all(len(row) == len(OWN) for row in rows)


def test_metrics_are_in_the_order_of_their_first_reports() -> None:
    found = [
        Report(1, 0.0, 0, 0, 1, None, {"loss": 1.0}),
        Report(2, 0.0, 0, 0, 2, None, {"accuracy": 0.5, "loss": 0.9}),
        Report(3, 0.0, 0, 0, 3, None, {"b": 0.0, "time": 7.0}),
    ]
    assert metric_names(found) == ["loss", "accuracy", "b", "time"]
    *_, last = report_records(found, metric_names(found))
    assert last == {
        "trial": 0, "attempt": 0, "step": 3, "time": 0.0,
        "loss": None, "accuracy": None, "b": 0.0, "metrics.time": 7.0,
    }  # fmt: skip


# --- importance --------------------------------------------------------------------------------


def test_importance_is_listed_from_the_most_to_the_least() -> None:
    parameters = (
        ParameterImportance("a\r", 0.1, 9),
        ParameterImportance(ODD, 0.7, 8),
        ParameterImportance("c", -0.2, 7),
    )
    found = Importance(12, 9, parameters, 0.5, 0.6, 100)
    rows = read(exported_importance(found, "csv"))
    assert [row["parameter"] for row in rows] == [ODD, "a\r", "c"]
    assert [float(row["importance"]) for row in rows] == [0.7, 0.1, -0.2]
    assert json.loads(exported_importance(found, "json")) == importance_record(found)
    assert importance_record(found)["why"] is None


def test_importance_that_is_not_known_says_why() -> None:
    found = Importance(3, why="needs 8 finished trials, has 3")
    record = json.loads(exported_importance(found, "json"))
    assert (record["why"], record["parameters"]) == ("needs 8 finished trials, has 3", [])
    assert exported_importance(found, "csv").strip() == ""
