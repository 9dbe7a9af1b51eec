"""Seconds a unit of resource, and the order of trials, beside their definitions."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from tuitune.core.events import TrialState
from tuitune.core.paces import Times, ends, start_of, usual
from tuitune.core.pruning.pruner import PruningSpec
from tuitune.core.search.proposal import SearchSpec
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, StudySpec, TrialSpec
from tuitune.core.study.ranking import Ranking, best_of, loss, merit

SECONDS = st.floats(0.01, 1e4)
UNITS = st.integers(1, 50)


@st.composite
def exact(draw, start):
    """A trial that takes so long to start, and then always the same a unit."""
    pace, first, more = draw(st.floats(0.1, 100)), draw(UNITS), draw(st.integers(0, 50))
    return pace, Times(first, start + pace * first, more, pace * more)


@given(SECONDS.flatmap(lambda start: st.tuples(st.just(start), st.lists(exact(start), min_size=1))))
def test_a_steady_trials_pace_is_found_whether_it_has_reported_once_or_more_often(made):
    start, trials = made
    known = [times for _, times in trials]
    found = start_of(known)
    if not any(times.more_units for times in known):
        assert found == 0.0
        return
    assert found == pytest.approx(start, rel=1e-6)
    for pace, times in trials:
        if times.more_units or pace * times.first_units > 0.06 * times.first_seconds:
            assert times.pace(found) == pytest.approx(pace, rel=1e-4)


@given(UNITS, SECONDS, st.floats(0, 1e6))
def test_a_start_never_takes_all_of_a_first_report(units, seconds, start):
    found = Times(units, seconds).pace(start)
    assert found >= 0.05 * seconds / units * (1 - 1e-9)
    assert found <= seconds / units


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=60))
def test_ends_leave_a_tenth_out_at_either_side(values):
    low, high = ends(values)
    apart = max(1, len(values) // 10)
    assert low <= high or len(values) < 3
    assert sum(value < low for value in values) <= apart <= sum(value <= low for value in values)
    assert sum(value > high for value in values) <= apart <= sum(value >= high for value in values)
    assert (low, high) == ends(values[::-1])


@given(st.lists(st.floats(0.1, 1000), min_size=1, max_size=30))
def test_paces_are_told_where_they_differ_threefold_from_six_trials_on(paces):
    trials = [Times(1, 5.0 + pace, 10, 10 * pace) for pace in paces]
    found = usual(trials)
    if len(paces) < 6:
        assert found is None
        return
    low, high = ends(paces)
    if 2.999 * low < high < 3.001 * low:
        return  # by the last digit
    assert (found is not None) == (high >= 3 * low)
    if found is not None:
        assert found == (pytest.approx(5.0), pytest.approx(statistics.median(paces)))


def test_what_takes_no_time_does_not_differ():
    assert usual([Times(1, 0.0, 10, 0.0)] * 9) is None
    assert usual([Times(1, 0.0, 10, 0.0)] * 4 + [Times(1, 9.0, 10, 90.0)] * 4) is None


# --- the order of trials --------------------------------------------------------------------------

VALUES = st.none() | st.sampled_from([-2.0, 0.0, 0.5, 0.5, 1.0, 7.0, math.inf, -math.inf, math.nan])


def spec(mode="min", method="asha"):
    return StudySpec(
        name="toy",
        objective=Objective("loss", mode),
        trial=TrialSpec(target="toy.py:train"),
        space=SearchSpace((FloatRange("x", 0.0, 1.0),)),
        search=SearchSpec("random"),
        pruning=PruningSpec(method, min=1, max=27),
        limits=Limits(),
        file="/studies/toy.toml",
    )


@st.composite
def standings(draw):
    count = draw(st.integers(0, 8))
    steps = st.none() | st.integers(1, 27)
    return [
        Ranking(number, draw(st.sampled_from(list(TrialState))), draw(steps), draw(VALUES))
        for number in range(count)
    ]


def worse(value, mode):
    """Sorts values, the best first; what is not a number is last."""
    if value is None or not math.isfinite(value):
        return (1, 0.0)
    return (0, value if mode == "min" else -value)


def rung_of(step):
    """The highest of asha's rungs that a step has reached."""
    return max((rung for rung in (0, 1, 3, 9) if rung <= (step or 0)), default=0)


@given(standings(), st.sampled_from(["min", "max"]))
def test_the_best_trial_is_the_best_complete_one_else_that_which_came_furthest(rows, mode):
    study = spec(mode)
    known = [row for row in rows if row.value is not None and not math.isnan(row.value)]
    done = [row for row in known if row.state == TrialState.COMPLETE]
    number, partial = best_of(study, rows)
    assert partial == (bool(known) and not done)
    if not known:
        assert number is None
        return
    best = next(row for row in known if row.number == number)
    for row in done or known:
        mine, theirs = (
            (0 if done else -rung_of(one.step), worse(one.value, mode), one.number)
            for one in (best, row)
        )
        assert mine <= theirs


@given(standings(), st.randoms(use_true_random=False))
def test_the_best_trial_does_not_depend_on_the_order_of_rows(rows, random):
    assert best_of(spec(), rows) == best_of(spec(), random.sample(rows, len(rows)))


@given(standings())
def test_a_maximum_is_the_minimum_of_what_is_mirrored(rows):
    mirrored = [row._replace(value=None if row.value is None else -row.value) for row in rows]
    assert best_of(spec("min"), rows) == best_of(spec("max"), mirrored)


class Row(Ranking):
    """With its rung."""

    @property
    def rung(self):
        return self.step


@given(standings(), st.sampled_from(["min", "max"]))
def test_by_merit_complete_ones_come_first_then_the_furthest_then_the_best(rows, mode):
    objective = Objective("loss", mode)
    ordered = sorted((Row(*row) for row in rows), key=lambda row: merit(row, objective))
    complete = [row.state == TrialState.COMPLETE for row in ordered]
    assert complete == sorted(complete, reverse=True)
    for one, other in pairwise(ordered):
        if (one.state == TrialState.COMPLETE) != (other.state == TrialState.COMPLETE):
            continue
        rungs = [-1 if row.rung is None else row.rung for row in (one, other)]
        assert rungs[0] >= rungs[1]
        if rungs[0] == rungs[1]:
            assert worse(one.value, mode) <= worse(other.value, mode)


@given(VALUES, VALUES)
def test_losses_order_values_as_the_objective_does(one, other):
    for mode in ("min", "max"):
        objective = Objective("loss", mode)
        left, right = loss(one, objective), loss(other, objective)
        assert (left < right) == (worse(one, mode) < worse(other, mode))
        assert not math.isnan(left)
