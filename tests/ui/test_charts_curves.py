"""Curves in little memory: a step that is reported again replaces what was reported."""

from __future__ import annotations

import math
import tracemalloc

from hypothesis import given, strategies as st
from searches import curve

from tuitune.store.reader import Report
from tuitune.ui.state.snapshot import POINTS, Curves


def report(trial: int, step: int, value: float | None, attempt: int = 1) -> Report:
    return Report(0, 0.0, trial, attempt, step, value, {})


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.floats(0, 1)), max_size=40))
def test_the_newest_word_on_a_step_and_all_after_it_stands(said):
    curves, expected = Curves(), {}
    for trial, step, value in said:
        curves.add(report(trial, step, value))
        known = expected.setdefault(trial, {})
        for later in [s for s in known if s >= step]:
            del known[later]
        known[step] = value
    for trial in range(4):
        steps, values = curves.points(trial)
        assert dict(zip(steps, values, strict=True)) == expected.get(trial, {})
        assert list(steps) == sorted(steps)


def test_what_was_loaded_is_not_changed_by_what_comes_later():
    curves, loaded = Curves(), {1: curve([3.0, 2.0]), 2: curve([5.0, 4.0])}
    curves.load(loaded)
    before = curves.stamp(1), curves.stamp(2)
    curves.add(report(1, 2, 9.0))
    assert list(curves.points(1).values) == [3.0, 9.0]
    assert list(curves.points(2).values) == [5.0, 4.0]
    assert list(curves.points(2).steps) == [1, 2]
    assert list(loaded[1].values) == [3.0, 2.0]
    assert curves.stamp(1) != before[0]
    assert curves.stamp(2) == before[1]


def test_a_missing_value_is_nan_and_an_unknown_trial_has_no_points():
    curves = Curves()
    curves.add(report(0, 1, None))
    assert math.isnan(curves.points(0).values[0])
    assert len(curves.points(7).steps) == 0


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    curves = Curves()
    for step in range(1, 10 * POINTS + 1):
        curves.add(report(0, step, float(step)))
    steps, values = curves.points(0)
    assert POINTS <= len(steps) < 2 * POINTS
    assert (steps[0], steps[-1]) == (1, 10 * POINTS)
    assert list(values) == [float(step) for step in steps]


def test_two_hundred_thousand_reports_take_little_memory():
    loaded = {trial: curve([1.0 / step for step in range(1, 21)]) for trial in range(10_000)}
    tracemalloc.start()
    try:
        curves = Curves()
        curves.load(loaded)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(curves) == 10_000
    assert taken < 5_000_000
