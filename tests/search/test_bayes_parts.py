"""The model's parts: encoding, warps, evidence, beliefs, and what is left out where it is too much."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from msgspec.structs import replace

from tuitune.core.search.bayes.acquisition import beliefs_of
from tuitune.core.search.bayes.batch_bfgs import Enough, Start, descend
from tuitune.core.search.bayes.encoding import drawn, encoding_of
from tuitune.core.search.bayes.gaussian_process import posterior
from tuitune.core.search.bayes.kernel import Hyperparameters, covariance, cross, pairs_of, scaled
from tuitune.core.search.bayes.layout import Layout
from tuitune.core.search.bayes.observations import (
    EVERY,
    Fidelities,
    Observations,
    settled,
    target,
    thinned,
    warped,
)
from tuitune.core.search.bayes.optimize_acquisition import (
    ascend,
    everywhere,
    nearby,
    neighbours,
    points_of,
)
from tuitune.core.search.proposal import History, Past
from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled, SearchSpace

TREE = SearchSpace(
    (
        FloatRange("deep", 0.0, 1.0, when={"kind": ("b",), "size": (2, 3)}),
        Choice("kind", ("a", "b", "c")),
        IntRange("size", 1, 9, log=True),
        Choice("flavour", (True, False), when={"kind": ("a", "c")}),
        PowerRange("batch", 2, 64, when={"flavour": (True,)}),
        FloatRange("step", 0.0, 1.0, step=0.25),
        IntRange("many", 0, 100_000),
        Fixed("always", "yes"),
        FloatRange("told", 0.0, 1.0, when={"always": ("yes",)}),
        FloatRange("never", 0.0, 1.0, when={"always": ("no",)}),
    )
)
units = st.floats(0.0, 1.0, allow_subnormal=False)
points = st.lists(units, min_size=len(TREE.searched), max_size=len(TREE.searched))
RUNGS = (1, 3, 9)


# --- encoding ------------------------------------------------------------------------------------


@given(points)
def test_a_point_and_the_configuration_it_is_read_as_have_one_row(point):
    """What the acquisition scores is what is proposed: conditions, whole numbers and all."""
    encoding = encoding_of(TREE)
    row = encoding.snapped(np.array([point]))[0]
    assert encoding.row(TREE.configuration(point)) == pytest.approx(row, abs=1e-4)


@given(points)
def test_inactive_parameters_change_no_row(point):
    encoding = encoding_of(TREE)
    config = TREE.configuration(point)
    other = [u if p.name in config else 1.0 - u for p, u in zip(TREE.searched, point, strict=True)]
    assert (encoding.snapped(np.array([point])) == encoding.snapped(np.array([other]))).all()


@given(points, st.integers(0, 1000))
def test_points_of_a_row_are_read_as_it(point, seed):
    encoding = encoding_of(TREE)
    rows = encoding.snapped(np.array([point]))
    again = points_of(encoding, rows, np.random.default_rng(seed))
    assert encoding.snapped(again) == pytest.approx(rows)


@settings(max_examples=30)
@given(points, st.integers(0, 1000))
def test_neighbours_change_one_countable(point, seed):
    encoding = encoding_of(TREE)
    changed = neighbours(encoding, np.array(point), np.random.default_rng(seed), 6)
    for other in changed:
        assert sum(a != b for a, b in zip(point, other, strict=True)) == 1
        assert TREE.configuration(list(other)) is not None
    kinds = {TREE.configuration(list(other))["kind"] for other in changed}
    assert kinds == {"a", "b", "c"}


def test_moves_stay_in_the_cube():
    encoding, random = encoding_of(TREE), np.random.default_rng(0)
    start = everywhere(encoding, random, 5)
    for moved in (start, nearby(encoding, random, start, 200)):
        assert moved.min() >= 0.0
        assert moved.max() <= 1.0


def test_distances_are_the_same_both_ways():
    """The matrix product on expanded rows, and place by place."""
    random = np.random.default_rng(1)
    layout = Layout((0, 2, 0, 4))
    rows = random.random((9, 4))
    rows[:, 1] = random.integers(3, size=9)
    rows[:, 3] = random.integers(5, size=9)
    rungs = random.integers(3, size=9)
    at = Hyperparameters(np.array([0.3, 0.8, 1.2, 2.0]), 1.5, 0.01, 0.6, np.array([0.2, 0.7]))
    seen = scaled(layout, at, rows, rungs)
    whole, _ = cross(at, seen, seen)
    lower = covariance(pairs_of(layout, rows, rungs, 3), at).matrix
    below = np.tril_indices(9, -1)
    assert whole[below] == pytest.approx(lower[below])
    assert np.linalg.eigvalsh(whole).min() > -1e-9


# --- posterior -----------------------------------------------------------------------------------


def test_what_single_places_add_is_as_alike_as_the_rows():
    layout = Layout((0, 3))
    rows = np.array([[0.0, 1.0], [1.0, 1.0], [0.5, 2.0]])
    features = layout.effects(rows)
    alike = [
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
    ]  # the means of -1, 0 or 1 and 0 or 1
    assert features @ features.T == pytest.approx(np.array(alike), abs=1e-12)


def test_a_few_outcomes_teach_what_single_places_add():
    """In a corner that nothing was seen near, slopes along each place add up."""
    random = np.random.default_rng(5)
    layout = Layout((0,) * 8)
    rows = random.random((16, 8))
    levels, slopes = np.zeros(16, dtype=int), random.normal(size=8)
    outcomes = (rows - 0.5) @ slopes
    corners = np.array([slopes < 0.0, slopes > 0.0], dtype=float)
    expected = []
    for additive in (0.0, 1.0):
        at = Hyperparameters(np.full(8, 3.0), 1.0, 1e-3, additive, np.zeros(0))
        expected.append(posterior(layout, at, rows, levels, outcomes).mean(corners, 0))
    apart = np.ptp(expected, axis=1) / np.ptp((corners - 0.5) @ slopes)
    assert 0.0 < apart[0] < apart[1] < 1.2


def test_lengths_are_expected_by_the_kind_of_a_parameter():
    space = SearchSpace(
        (
            FloatRange("log", 1e-5, 1.0, log=True),
            FloatRange("plain", 0.0, 1.0),
            IntRange("layers", 1, 8),
            IntRange("width", 16, 1024, log=True),
            Choice("kind", ("a", "b")),
        )
    )
    columns = {column.parameter.name: column.expected.mean for column in encoding_of(space).columns}
    assert columns["log"] < columns["width"] < columns["kind"] <= columns["plain"]
    assert columns["layers"] < columns["width"]
    known = Layout((0, 0), (encoding_of(space).columns[0].expected,)).expected
    assert len(known) == 2
    assert known[1].spread > known[0].spread  # of a sampled parameter nothing is known


def test_believing_in_what_is_expected_moves_no_mean_and_takes_doubt():
    random = np.random.default_rng(2)
    layout, rungs = Layout((0, 0)), np.zeros(8, dtype=int)
    rows, outcomes, waiting = random.random((8, 2)), random.normal(size=8), random.random((3, 2))
    at = Hyperparameters(np.array([0.5, 0.5]), 1.0, 1e-3, 0.5, np.zeros(0))
    plain = posterior(layout, at, rows, rungs, outcomes)
    full = posterior(layout, at, np.concatenate([rows, waiting]), np.zeros(11, dtype=int), outcomes)
    told = posterior(
        layout,
        at,
        np.concatenate([rows, waiting]),
        np.zeros(11, dtype=int),
        np.concatenate([outcomes, plain.mean(waiting, 0)]),
    )
    asked = random.random((20, 2))
    for mean, other in ((full, plain), (full, told)):
        assert mean.belief(asked, 0)[0] == pytest.approx(other.belief(asked, 0)[0], abs=1e-6)
    assert full.belief(asked, 0)[1] == pytest.approx(told.belief(asked, 0)[1])
    assert (full.belief(asked, 0)[1] <= plain.belief(asked, 0)[1] + 1e-9).all()
    assert full.belief(waiting, 0)[1].max() < 0.1


# --- ascent --------------------------------------------------------------------------------------


class Hill:
    """Highest where `deep` or `told` is 0.31, `kind` is b and `size` is 3."""

    def value(self, rows):
        return self.sloped(rows, np.array([0]))[0]

    def sloped(self, rows, places):
        size = encoding_of(TREE).columns[2].centres[2]
        found = -((rows[:, 0] - 0.31) ** 2) - np.abs(rows[:, 2] - size)
        slopes = np.zeros((len(rows), len(places)))
        slopes[:, np.asarray(places) == 0] = -2.0 * (rows[:, [0]] - 0.31)
        return found - (rows[:, 1] != 1.0), slopes

    def lengths(self, places):
        return np.full(len(places), 0.5)


def test_the_ascent_reaches_the_top_of_a_mixed_space():
    encoding, random = encoding_of(TREE), np.random.default_rng(3)
    found = ascend(encoding, Hill(), everywhere(encoding, random, 30), random)
    config = TREE.configuration(list(found.points[0]))
    assert (config["kind"], config["size"]) == ("b", 3)
    assert config["deep"] == pytest.approx(0.31, abs=1e-3)
    assert (np.diff(found.values) <= 0).all()


def valley(points):
    """Lowest at (0.2, 0.3), a hundred times as steep along the second place, past a box's edge."""
    off = (points - [0.2, 0.3]) * [1.0, 10.0]
    return np.square(off).sum(axis=1), 2.0 * off * [1.0, 10.0]


@pytest.mark.parametrize(("low", "lowest"), [(0.0, (0.2, 0.3)), (0.25, (0.25, 0.3))])
def test_a_descent_ends_lowest_in_the_box_from_every_start(low, lowest):
    starts = np.random.default_rng(6).random((7, 2))
    box = np.full(2, low), np.ones(2)
    found = descend(valley, Start(starts, *box, np.array([1.0, 0.1]), 0.1), Enough(20, 1e-8, 0.0))
    assert found == pytest.approx(np.tile(lowest, (7, 1)), abs=1e-4)


# --- warps ---------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(-1e300, 1e300, allow_subnormal=False), min_size=1, max_size=30),
    st.sampled_from(["half-rank", "log"]),
)
@example([0.0, 1e170, 1e9], "half-rank")
def test_warps_keep_the_order_and_have_unit_variance(outcomes, scale):
    outcomes = np.array(outcomes)
    found = warped(outcomes, scale)
    assert np.isfinite(found.values).all()
    order = np.argsort(outcomes, kind="stable")
    assert (np.diff(found.values[order]) >= -1e-12).all()
    if np.ptp(found.values) > 0:
        assert found.values.mean() == pytest.approx(0.0, abs=1e-9)
        assert found.values.std() == pytest.approx(1.0)


@pytest.mark.parametrize("scale", ["half-rank", "log"])
def test_a_warp_can_be_read_backwards(scale):
    outcomes = np.random.default_rng(4).lognormal(size=30)
    found = warped(outcomes, scale)
    assert [found.outcome(float(v)) for v in found.values] == pytest.approx(list(outcomes))
    assert found.outcome(found.values.min() - 0.1) < outcomes.min()
    assert np.isfinite(found.outcome(99.0))


# --- evidence ------------------------------------------------------------------------------------


def seen(curve, state="ended", rungs=RUNGS, mode="min"):
    found = Fidelities(rungs, foreign=False).observations(
        History((Past(0, {}, tuple(curve), state),)), mode
    )
    return list(zip(found.levels.tolist(), found.outcomes.tolist(), strict=True))


def test_each_rung_counts_and_what_lies_between_does_not():
    assert seen([(1, 5.0), (3, 4.0), (7, 3.0)]) == [(0, 5.0), (1, 4.0)]
    assert seen([(1, 5.0)], mode="max") == [(0, -5.0)]
    assert seen([(7, 3.0)], rungs=()) == [(0, 3.0)]


@pytest.mark.parametrize(
    ("curve", "state", "levels", "failures"),
    [
        ([], "failed", [0], [True]),
        ([(1, 5.0)], "failed", [0, 1], [False, True]),
        ([(1, 5.0), (3, math.nan)], "ended", [0, 1], [False, True]),
        ([(1, 5.0), (2, math.inf)], "failed", [0, 1], [False, True]),
        ([(1, 5.0), (3, 4.0), (9, math.nan)], "failed", [0, 1, 2], [False, False, True]),
        ([], "ended", [], []),
        ([], "pending", [], []),
    ],
)
def test_a_failure_counts_at_the_rung_it_did_not_fill(curve, state, levels, failures):
    found = seen(curve, state)
    assert [level for level, _ in found] == levels
    assert [not math.isfinite(outcome) for _, outcome in found] == failures


def test_without_rungs_a_failed_trial_has_failed_whatever_it_reported():
    assert [math.isnan(outcome) for _, outcome in seen([(7, 3.0)], "failed", rungs=())] == [True]
    assert seen([(9, 3.0)], "failed") == [(2, 3.0)]  # it had reached the maximum


def test_failures_are_worse_than_all_else():
    found = Observations(np.arange(4), np.zeros(4, dtype=int), np.array([1.0, np.nan, 9.0, 2.0]))
    values, _ = found.warped("half-rank")
    assert values.argmax() == 1
    assert values[1] == pytest.approx(values[2] + 0.5)


def test_the_aim_is_the_highest_rung_with_enough_outcomes():
    levels = np.array([0] * 6 + [1] * 3 + [2] * 2)
    own = Observations(np.arange(11), levels, np.arange(11.0))
    assert target(own, 3) == 1
    assert target(own.only(np.arange(2)), 3) == 0
    assert target(Observations(np.arange(3) - 3, np.zeros(3, dtype=int), np.arange(3.0)), 3) == 0


# --- drawn values, beliefs, subsets --------------------------------------------------------------


def test_drawn_values_are_numbers_or_categories():
    parameters = [Sampled(name, "a.py:f") for name in ("wide", "narrow", "word", "flat")]
    configs = [
        {"wide": 10.0**n, "narrow": n, "word": ["x", "y"][n % 2], "flat": 1.0} for n in range(5)
    ] + [{}]
    found = drawn(parameters, configs)
    assert found.categories == (0, 0, 3, 0)
    assert found.columns[:, 0] == pytest.approx([0, 0.25, 0.5, 0.75, 1, 0.5])
    assert found.columns[:, 1] == pytest.approx([0, 0.25, 0.5, 0.75, 1, 0.5])
    assert found.columns[:, 2].tolist() == [0, 1, 0, 1, 0, 2]
    assert set(found.columns[:, 3]) == {0.5}
    assert len(found.typical) == 4


def test_beliefs_prefer_what_is_likely():
    likely = {"kind": ("b",), "told": (0.2, 0.4), "batch": (16,)}
    believing = (
        replace(p, likely=likely[p.name]) if p.name in likely else p for p in TREE.parameters
    )
    encoding = encoding_of(SearchSpace(tuple(believing)))
    beliefs = beliefs_of(encoding)
    at = {column.parameter.name: place for place, column in enumerate(encoding.columns)}
    rows = encoding.snapped(np.full((4, len(encoding.columns)), 0.5))
    rows[:, at["kind"]] = [1, 1, 0, 0]
    rows[:, at["told"]] = [0.3, 0.9, 0.3, 0.9]
    first = beliefs.log_prior(rows)
    assert first[0] > first[1] > first[3]
    assert first[0] > first[2] > first[3]
    moved = beliefs.drawn(
        encoding, np.full((50, len(encoding.columns)), 0.9), np.random.default_rng(0)
    )
    assert {TREE.configuration(list(point))["kind"] for point in moved} == {"b"}
    assert abs(np.median(moved[:, at["told"]]) - 0.3) < 0.1


@given(st.integers(1, 4000), st.integers(0, 64))
def test_what_is_fitted_to_stays_the_same_for_a_while(trials, pending):
    first = settled(trials, pending)
    assert 1 <= first <= trials
    if trials <= EVERY:
        assert first == trials
    else:
        assert first >= max(EVERY, (trials - pending) / 1.16 - 1)


def test_refits_grow_rarer():
    assert len({settled(count, 0) for count in range(1, 3001)}) < 100


def test_a_subset_keeps_the_best_and_the_newest():
    values = np.random.default_rng(5).normal(size=1000)
    kept = thinned(values, 200)
    assert len(kept) == 200
    assert (np.diff(kept) > 0).all()
    assert set(np.argsort(values)[:80]) <= set(kept)
    assert set(range(960, 1000)) <= set(kept)
    assert thinned(values[:150], 200).tolist() == list(range(150))
