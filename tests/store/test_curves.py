"""Curves of trials beside the reports that they are of, read one by one."""

from __future__ import annotations

import math
import sqlite3
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core import events as ev
from tuitune.store import curves
from tuitune.store.facts import to_columns
from tuitune.store.schema import TABLES

VALUES = st.sampled_from([0.5, 1.0, -2.0, math.nan, math.inf, None])


@st.composite
def reports(draw, most=25):
    """Reports of a few trials, whose later attempts may go back to earlier steps."""
    made, attempts, times = [], {}, {}
    for number in range(draw(st.integers(0, most))):
        trial = draw(st.integers(0, 2))
        attempt = attempts.setdefault(trial, 1)
        if draw(st.integers(0, 4)) == 0:
            attempt = attempts[trial] = attempt + 1
        times[trial] = times.get(trial, 0.0) + draw(st.integers(1, 50))
        value = draw(VALUES)
        metrics = {"acc": float(number)} | ({} if value is None else {"loss": value})
        step = draw(st.integers(0, 12))
        made.append(ev.Reported(times[trial], trial, attempt, step, metrics))
    return made


def database(facts):
    db = sqlite3.connect(":memory:")
    for table in TABLES:
        db.execute(table)
    _, rows = to_columns(facts, 0, "loss")
    db.executemany("INSERT INTO reports VALUES(?,?,?,?,?,?,?,?)", rows)
    return db


def expected(facts, trial):
    """A later report replaces all at its step and after it."""
    points: dict[int, float] = {}
    for fact in facts:
        if fact.trial == trial:
            points = {step: value for step, value in points.items() if step < fact.step}
            points[fact.step] = fact.metrics.get("loss", math.nan)
    return points


def as_text(points):
    return {step: repr(float(value)) for step, value in points.items()}


@given(reports())
def test_a_curve_has_the_newest_value_at_each_step_that_still_counts(facts):
    found = curves.read_all(database(facts), None, None)
    assert set(found) == {fact.trial for fact in facts}
    for trial, curve in found.items():
        assert list(curve.steps) == sorted(set(curve.steps))
        read = dict(zip(curve.steps, curve.values, strict=True))
        assert as_text(read) == as_text(expected(facts, trial))


@given(reports(), st.integers(0, 25))
def test_up_to_a_fact_a_curve_is_that_of_the_reports_until_then(facts, until):
    found = curves.read_all(database(facts), until, None)
    for trial, curve in found.items():
        read = dict(zip(curve.steps, curve.values, strict=True))
        assert as_text(read) == as_text(expected(facts[:until], trial))
    assert set(found) == {fact.trial for fact in facts[:until]}


@settings(max_examples=40)
@given(st.integers(1, 300), st.integers(2, 20))
def test_a_thinned_curve_keeps_its_ends_and_is_short(count, points):
    facts = [ev.Reported(float(n), 0, 1, n, {"loss": float(n)}) for n in range(count)]
    (curve,) = curves.read_all(database(facts), None, points).values()
    assert (curve.steps[0], curve.steps[-1]) == (0, count - 1)
    assert len(curve.steps) < 2 * points
    assert len(curve.steps) >= min(count, points)
    assert list(curve.values) == [float(step) for step in curve.steps]
    gaps = [b - a for a, b in pairwise(curve.steps)]
    # nowhere much coarser than evenly spread points, neither at the start nor at the end
    assert max(gaps, default=1) <= 8 * max(1, count / points)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 1000), min_size=3, max_size=60), st.integers(2, 10))
def test_a_curve_of_uneven_steps_stays_short_and_keeps_its_ends(gaps, points):
    steps = list(accumulate(gaps))
    facts = [ev.Reported(float(step), 0, 1, step, {"loss": 0.5}) for step in steps]
    (curve,) = curves.read_all(database(facts), None, points).values()
    assert (curve.steps[0], curve.steps[-1]) == (steps[0], steps[-1])
    assert set(curve.steps) <= set(steps)
    assert len(curve.steps) < 2 * points
    assert len(curve.steps) >= min(len(steps), points)


@given(reports())
def test_one_trials_values_are_all_of_its_reports_in_their_order(facts):
    db = database(facts)
    for trial in (0, 1, 2, 7):
        own = [fact for fact in facts if fact.trial == trial]
        found = curves.read_one(db, trial, None)
        assert [(attempt, step) for attempt, step, _ in found] == [
            (fact.attempt, fact.step) for fact in own
        ]
        for (_, _, value), fact in zip(found, own, strict=True):
            given_value = fact.metrics.get("loss", math.nan)
            assert value == (None if math.isnan(given_value) else given_value)
        other = curves.read_one(db, trial, "acc")
        assert [value for *_, value in other] == [fact.metrics["acc"] for fact in own]
        assert curves.read_one(db, trial, "loss") == found
        assert all(value is None for *_, value in curves.read_one(db, trial, "none"))


@given(reports(), st.integers(0, 25))
def test_metrics_since_a_fact_are_those_of_the_reports_after_it(facts, since):
    db = database(facts)
    numbered = list(enumerate(facts, 1))
    found = curves.read_metrics(db, 0, since)
    assert [(seq, step) for seq, step, _ in found] == [
        (seq, fact.step) for seq, fact in numbered if fact.trial == 0 and seq > since
    ]
    assert [body["acc"] for *_, body in found] == [
        fact.metrics["acc"] for seq, fact in numbered if fact.trial == 0 and seq > since
    ]


@given(reports())
def test_the_longest_pause_is_within_one_attempt(facts):
    pauses, last = [], {}
    for fact in facts:
        key = fact.trial, fact.attempt
        if key in last:
            pauses.append(fact.time - last[key])
        last[key] = fact.time
    assert curves.longest_pause(database(facts)) == (max(pauses) if pauses else None)


@given(reports())
def test_a_step_is_repeated_where_one_attempt_has_reported_it_twice(facts):
    places = [(fact.trial, fact.attempt, fact.step) for fact in facts]
    twice = {
        (trial, step) for trial, attempt, step in places if places.count((trial, attempt, step)) > 1
    }
    found = curves.repeated(database(facts))
    assert found in twice if twice else found is None


def test_names_are_those_of_the_newest_reports_once_each():
    facts = [ev.Reported(float(n), 0, 1, n, {"old": 1.0}) for n in range(3)]
    facts += [ev.Reported(float(n), 0, 1, n, {"loss": 1.0, "acc": 2.0}) for n in range(3, 103)]
    assert curves.read_names(database(facts)) == ["loss", "acc"]
    assert curves.read_names(database(facts[:5])) == ["loss", "acc", "old"]
    assert curves.read_names(database([])) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 9])
def test_of_evenly_spread_points_every_second_one_is_left_out(count):
    curve = curves.new_curve()
    for step in range(count):
        curve.add(step, float(step))
    curve.thin()
    kept = sorted({*range(0, count, 2), *([count - 1] if count else [])})
    assert list(curve.steps) == kept
    assert list(curve.values) == [float(step) for step in kept]


def test_points_are_left_out_where_they_are_densest():
    curve = curves.new_curve()
    for step in [*range(0, 40, 4), *range(40, 50)]:
        curve.add(step, 1.0)
    curve.thin()
    assert list(curve.steps) == [*range(0, 40, 4), 40, 42, 44, 46, 48, 49]
