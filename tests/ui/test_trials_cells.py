"""Numbers as short as their column, curves as a few dots."""

from __future__ import annotations

import math
from array import array
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from tuitune.core.space.parameters import FloatRange, IntRange
from tuitune.store.curves import Curve
from tuitune.ui.table import cells
from tuitune.ui.table.cells import heights, sampled, sparkline


def curve(*values):
    return Curve(array("q", range(1, len(values) + 1)), array("d", values))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0.0, "0.0000"),
        (0.0712, "0.0712"),
        (0.00312, "3.12e-3"),
        (-12.3456, "-12.35"),
        (1234.5, "1234"),
        (99999.0, "99999"),
        (1.5e7, "1.50e7"),
        (1e-300, "1.00e-300"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_metrics(value, shown):
    assert cells.metric(value) == shown


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e99, max_value=1e99))
def test_a_metric_fits_its_column_and_keeps_its_first_figures(value):
    if abs(value) < 1e-99:
        return
    shown = cells.metric(value)
    assert len(shown) <= cells.METRIC_WIDTH + 1
    assert math.isclose(float(shown), value, rel_tol=6e-3)


@pytest.mark.parametrize(
    ("parameter", "value", "shown"),
    [
        (FloatRange("lr", 1e-5, 1e-1, log=True), 0.1, "1.00e-1"),
        (FloatRange("dropout", 0.0, 0.5), 0.25, "0.250"),
        (FloatRange("scale", 0.0, 50.0), 12.0, "12.00"),
        (FloatRange("weight", 0.0, 1e-3), 5e-4, "5.00e-4"),
        (FloatRange("huge", 0.0, 1e9), 5e8, "5.00e8"),
        (IntRange("layers", 1, 6), 4, "4"),
        (IntRange("big", 1, 10**12), 123_456_789, "1.23e8"),
    ],
)
def test_parameters(parameter, value, shown):
    assert cells.parameter(value, cells.form_of(parameter)) == shown


def test_what_is_no_number_is_spelt_as_in_the_study_file():
    assert cells.parameter("adamw") == "adamw"
    assert cells.parameter(value=True) == "true"
    assert cells.parameter([0.9, "x"]) == '[0.9, "x"]'


def test_counts_and_times():
    assert [cells.count(n) for n in (0, 99_999, 100_000, 2 * 10**9)] == [
        "0",
        "99999",
        "100k",
        "2000M",
    ]
    assert [cells.elapsed(s) for s in (4, 599, 600, 3599, 7500)] == [
        "4s",
        "9m59s",
        "10m",
        "59m",
        "2h05m",
    ]


def test_a_falling_curve_falls_and_a_rising_one_rises():
    assert sparkline(curve(4, 3, 2, 1), 4, ascii_only=True) == "'-._"
    assert sparkline(curve(1, 2, 3, 4), 4, ascii_only=True) == "_.-'"
    assert sparkline(curve(3, 2, 1, 1), 2, ascii_only=False) == "⠑⣄"


def test_a_short_curve_is_short_and_none_is_blank():
    assert len(sparkline(curve(2, 1), 6, ascii_only=False).rstrip()) == 1
    assert sparkline(curve(), 6, ascii_only=False) == " " * 6


def test_what_stays_is_level_and_what_is_no_number_a_gap():
    assert sparkline(curve(1, 1, math.nan, 1), 4, ascii_only=True) == ".. ."
    assert sparkline(curve(math.nan, math.inf), 2, ascii_only=True) == "  "


def test_one_diverged_value_leaves_the_others_their_shape():
    values = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 1e6]
    assert len(set(heights(values, 4)[:-1])) >= 3


def test_decades_are_seen_on_a_log_scale():
    assert heights([1000.0, 100.0, 10.0, 1.0], 4) == [3, 2, 1, 0]


@given(st.lists(st.floats(), max_size=60), st.integers(1, 12), st.booleans())
def test_a_sparkline_is_as_wide_as_it_should_be(values, width, ascii_only):
    shown = sparkline(curve(*values), width, ascii_only=ascii_only)
    assert len(shown) == width
    assert not ascii_only or shown.isascii()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60))
def test_levels_rise_with_values(values):
    levels = heights(values, 4)
    pairs = sorted(zip(values, levels, strict=True))
    assert all(0 <= level <= 3 for level in levels)
    assert all(a[1] <= b[1] for a, b in pairwise(pairs))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 16))
def test_the_newest_value_is_always_among_those_drawn(values, most):
    drawn = sampled(values, most)
    assert len(drawn) == min(most, len(values))
    assert drawn[-1] == values[-1]


def test_a_column_of_metrics_has_one_form_by_the_size_of_the_best():
    for best, values, shown in (
        (0.0712, [0.0712, 1.5, 0.5], ["0.0712", "1.5000", "0.5000"]),
        (0.9889, [1.0, 0.1], ["1.0000", "0.1000"]),
        (42.424242, [42.424242, 9.5], ["42.42", "9.50"]),
        (3.2e-5, [3.2e-5, 0.5], ["3.20e-5", "5.00e-1"]),
        (1234.5, [1234.5, 99999.4], ["1234", "99999"]),
    ):
        form = cells.metric_form(best)
        assert [cells.metric(value, form) for value in values] == shown
    assert cells.metric(1e9, cells.metric_form(0.5)) == "1.00e9"  # too wide for its column


@pytest.mark.parametrize(
    ("best", "form"),
    [
        (None, ".4f"), (0.0, ".4f"), (math.inf, ".4f"), (math.nan, ".4f"),
        (0.00999, "e"), (0.01, ".4f"), (1.0, ".4f"), (-1.0, ".4f"), (1.001, ".3f"), (2.0, ".3f"),
        (9.99, ".3f"), (10.0, ".2f"), (-42.0, ".2f"), (100.0, ".1f"), (1000.0, ".0f"),
        (999999.0, ".0f"), (1e6, "e"), (-1e9, "e"),
    ],
)  # fmt: skip
def test_the_form_of_a_metric_goes_by_the_size_of_the_best(best, form):
    assert cells.metric_form(best) == form


def test_an_hour_is_told_to_the_minute_and_less_than_ten_minutes_to_the_second():
    assert [cells.elapsed(seconds) for seconds in (600.9, 3599.9, 3600.0, 3660.0)] == [
        "10m", "59m", "1h00m", "1h01m",
    ]  # fmt: skip
