"""The rate at which trials settle, and the time that is left."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tuitune.core.study.forecast import LEAST, WINDOW, Forecast


def settled(*times: float, opened: float = 0.0) -> Forecast:
    forecast = Forecast()
    forecast.begin(opened, ())
    for trial, time in enumerate(times):
        forecast.note(trial, settled=True, now=time)
    return forecast


def test_too_few_tell_nothing():
    few = settled(*range(1, LEAST))
    assert few.rate(10.0) is None
    assert few.remaining(10.0, 9, 5.0) is None
    assert Forecast().rate(10.0) is None


def test_trials_left_take_as_long_as_those_that_have_settled():
    forecast = settled(10.0, 20.0, 30.0, 40.0)
    assert forecast.rate(40.0) == pytest.approx(0.1)
    assert forecast.remaining(40.0, 10, None) == pytest.approx(60.0)
    assert forecast.remaining(80.0, 10, None) == pytest.approx(120.0)  # nothing has come since


@pytest.mark.parametrize(("time_left", "seconds"), [(None, 60.0), (25.0, 25.0), (-1.0, 0.0)])
def test_the_time_limit_may_come_first(time_left, seconds):
    forecast = settled(10.0, 20.0, 30.0, 40.0)
    assert forecast.remaining(40.0, 10, time_left) == pytest.approx(seconds)


def test_more_than_all_leave_nothing_to_wait_for():
    assert settled(1.0, 2.0, 3.0).remaining(3.0, 2, None) == 0.0


def test_what_settled_before_the_engine_opened_the_study_makes_no_rate():
    forecast = Forecast()
    forecast.begin(1000.0, [(n, 10.0 * n) for n in range(50)] + [(50, 1010.0), (51, 1020.0)])
    assert forecast.rate(1020.0) is None
    forecast.note(52, settled=True, now=1030.0)
    assert forecast.rate(1030.0) == pytest.approx(0.1)
    assert forecast.remaining(1030.0, 63, None) == pytest.approx(100.0)


def test_one_that_goes_on_counts_no_more_and_twice_told_is_once():
    forecast = settled(10.0, 20.0, 30.0, 40.0)
    forecast.note(3, settled=True, now=45.0)
    assert forecast.rate(50.0) == pytest.approx(4 / 50)
    forecast.note(3, settled=False, now=50.0)
    assert forecast.rate(50.0) == pytest.approx(3 / 50)


@given(st.lists(st.floats(0.001, 1e3), min_size=LEAST, max_size=3 * WINDOW), st.floats(0, 1e6))
def test_the_rate_is_that_of_the_newest(gaps, after):
    times = [sum(gaps[: n + 1]) for n in range(len(gaps))]
    forecast = settled(*times)
    now = times[-1] + after
    newest = times[-WINDOW:]
    since = newest[0] if len(times) >= WINDOW else 0.0
    gained = len(newest) - (len(times) >= WINDOW)
    assert forecast.rate(now) == pytest.approx(gained / (now - since))
