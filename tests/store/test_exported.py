"""Rows of trials as an export has them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from msgspec.structs import replace
from stored_study import finished

from tuitune.store.exported import exported, trial_records


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_export_names_the_node_of_a_trial(form):
    rows = [replace(finished(0), node="gpu-07", device="gpu-07, GPU 3"), finished(1)]
    text = exported(rows, ["lr", "width"], form)
    found = json.loads(text) if form == "json" else [*csv.DictReader(io.StringIO(text))]
    assert [one["node"] for one in found] == ["gpu-07", ""]
    assert [one["node"] for one in trial_records(rows, ["lr"])] == ["gpu-07", ""]
