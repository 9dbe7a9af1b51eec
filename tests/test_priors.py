"""Quantiles of the user's beliefs beside distributions of scipy, and the axes of grids."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import truncnorm

from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled
from tuitune.core.space.parameters import from_unit, levels, to_unit, value_at
from tuitune.core.space.priors import (
    grid_axis,
    has_prior,
    likely_of,
    likely_units,
    middle,
    normal_quantile,
    normal_units,
    quantile,
)

SHARES = st.floats(0, 1)
INNER = st.floats(0.01, 0.99)
EVENLY = [(number + 0.5) / 2000 for number in range(2000)]  # shares


@settings(max_examples=50)
@given(st.floats(-1, 2), st.floats(0.02, 3), INNER)
def test_a_truncated_normal_quantile_is_scipys(mean, deviation, share):
    ends = (0 - mean) / deviation, (1 - mean) / deviation
    if max(abs(ends[0]), abs(ends[1])) > 30 or ends[0] > 7 or ends[1] < -7:
        return  # beyond what is computed
    expected = truncnorm(*ends, mean, deviation).ppf(share)
    assert normal_quantile(mean, deviation, share) == pytest.approx(expected, abs=1e-5)


@given(st.floats(-50, 50), st.floats(1e-6, 100), SHARES, SHARES)
def test_quantiles_rise_from_end_to_end_whatever_the_distribution(mean, deviation, one, other):
    low, high = sorted((one, other))
    found = [normal_quantile(mean, deviation, share) for share in (0.0, low, high, 1.0)]
    assert found[0] == 0.0
    assert found[-1] == 1.0
    assert all(0.0 <= u <= 1.0 for u in found)
    assert found[1] <= found[2] + 1e-9


@given(st.floats(0.05, 2), INNER)
def test_a_distribution_and_its_mirror_image_have_mirrored_quantiles(deviation, share):
    one = normal_quantile(0.3, deviation, share)
    other = normal_quantile(0.7, deviation, 1 - share)
    assert one == pytest.approx(1 - other, abs=1e-6)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), SHARES, SHARES)
def test_weights_are_the_shares_of_values(weights, one, other):
    values = tuple(range(len(weights)))
    choice = Choice("x", values, weights=tuple(weights))
    low, high = sorted((one, other))
    assert quantile(choice, low) <= quantile(choice, high) + 1e-12
    some = EVENLY[::10]
    drawn = Counter(from_unit(choice, quantile(choice, share)) for share in some)
    for value, weight in zip(values, weights, strict=True):
        assert drawn[value] / len(some) == pytest.approx(weight / sum(weights), abs=0.011)


def drawn(parameter):
    return [from_unit(parameter, quantile(parameter, share)) for share in EVENLY]


def mean_of(values):
    return sum(values) / len(values)


def deviation_of(values):
    return math.sqrt(mean_of([(value - mean_of(values)) ** 2 for value in values]))


def test_draws_have_the_mean_and_the_deviation_that_the_file_gives():
    wide = FloatRange("x", -10.0, 30.0, normal=(12.0, 3.0))
    assert mean_of(drawn(wide)) == pytest.approx(12.0, abs=0.05)
    assert deviation_of(drawn(wide)) == pytest.approx(3.0, abs=0.05)
    stepped = FloatRange("x", -10.0, 30.0, step=0.5, normal=(12.0, 3.0))
    assert mean_of(drawn(stepped)) == pytest.approx(12.0, abs=0.05)
    whole = IntRange("x", -10, 30, normal=(12.0, 3.0))
    assert mean_of(drawn(whole)) == pytest.approx(12.0, abs=0.05)
    assert deviation_of(drawn(whole)) == pytest.approx(math.sqrt(9 + 1 / 12), abs=0.05)


def test_draws_of_a_lognormal_have_its_median():
    log = FloatRange("x", 1e-6, 1e2, log=True, normal=(math.log(1e-2), 1.0))
    logs = [math.log(value) for value in drawn(log)]
    assert mean_of(logs) == pytest.approx(math.log(1e-2), abs=0.02)
    assert deviation_of(logs) == pytest.approx(1.0, abs=0.02)
    stepped = IntRange("x", 1, 4000, log=True, normal=(math.log(60), 0.5))
    assert sorted(drawn(stepped))[1000] == pytest.approx(60, abs=2)


@given(st.floats(-3, 3), st.floats(0.1, 3))
def test_units_of_a_normal_distribution_are_places_of_its_values(mean, deviation):
    parameter = FloatRange("x", -4.0, 4.0, normal=(mean, deviation))
    at, width = normal_units(parameter)
    assert at == pytest.approx(to_unit(parameter, mean))
    assert at + width / 2 == pytest.approx((mean + deviation / 2 + 4) / 8)


def test_who_has_no_prior_is_drawn_evenly():
    for parameter in (
        FloatRange("x", 0.0, 1.0, likely=(0.5,)),
        IntRange("x", 1, 9),
        PowerRange("x", 1, 8),
        Choice("x", (1, 2)),
    ):
        assert not has_prior(parameter)
        assert [quantile(parameter, share) for share in (0.0, 0.3, 1.0)] == [0.0, 0.3, 1.0]
        assert middle(parameter) == 0.5
    assert likely_of(Fixed("x", 1)) == likely_of(Sampled("x", "a.py:f")) == ()


def test_the_middle_is_the_median_or_the_heaviest_value():
    assert middle(FloatRange("x", 0.0, 10.0, normal=(2.0, 1.0))) == pytest.approx(0.2, abs=0.01)
    heavy = Choice("x", ("a", "b", "c", "d"), weights=(1.0, 1.0, 5.0, 1.0))
    assert from_unit(heavy, middle(heavy)) == "c"
    ordered = Choice("x", (1, 2, 3), ordered=True, weights=(4.0, 1.0, 1.0))
    assert middle(ordered) == quantile(ordered, 0.5)
    assert from_unit(ordered, middle(ordered)) == 1


@given(st.floats(0.1, 10), st.floats(0, 1), st.floats(0, 1))
def test_likely_ends_rise_as_places(low, one, other):
    parameter = FloatRange("x", low, low * 100, log=True)
    ends = tuple(sorted(from_unit(parameter, u) for u in (one, other)))
    units = likely_units(FloatRange("x", low, low * 100, log=True, likely=ends))
    assert list(units) == sorted(units)
    assert [from_unit(parameter, u) for u in units] == pytest.approx(list(ends))


def test_likely_choices_are_in_the_middle_of_their_cells():
    assert likely_units(Choice("x", "abcd", likely=("d", "a"))) == (0.875, 0.125)


# --- grids ----------------------------------------------------------------------------------------

RANGES = st.sampled_from(
    [
        FloatRange("x", -1.0, 3.0),
        FloatRange("x", 1e-5, 1e-1, log=True),
        FloatRange("x", -4.0, 4.0, normal=(0.5, 1.0)),
        FloatRange("x", 1e-4, 1.0, log=True, normal=(-4.0, 1.0)),
    ]
)


@given(RANGES, st.integers(1, 12))
def test_a_grid_has_as_many_values_as_asked_rising_and_evenly_spread(parameter, count):
    axis = grid_axis(parameter, count)
    assert len(axis) == count
    assert list(axis) == sorted(axis)
    assert all(parameter.low <= value <= parameter.high for value in axis)
    if parameter.normal is None and count > 1:
        assert (axis[0], axis[-1]) == (parameter.low, parameter.high)
        places = [to_unit(parameter, value) for value in axis]
        steps = [b - a for a, b in pairwise(places)]
        assert steps == pytest.approx([1 / (count - 1)] * (count - 1), abs=1e-6)


@given(st.integers(1, 12))
def test_a_grid_of_a_normal_distribution_has_equal_shares_between_its_values(count):
    parameter = FloatRange("x", -50.0, 50.0, normal=(3.0, 2.0))
    axis = grid_axis(parameter, count)
    shares = [0.5 * math.erfc(-(value - 3.0) / 2.0 / math.sqrt(2)) for value in axis]
    assert shares == pytest.approx([(n + 0.5) / count for n in range(count)], abs=1e-6)


@given(st.integers(2, 9))
def test_of_countable_values_a_grid_has_all(count):
    for parameter in (
        IntRange("x", 3, 17, step=4),
        PowerRange("x", 0.125, 8.0),
        Choice("x", ("b", "a")),
        IntRange("x", 1, 9, log=True, normal=(1.0, 1.0)),
        Fixed("x", [1]),
    ):
        every = [value_at(parameter, index) for index in range(levels(parameter))]
        assert list(grid_axis(parameter, count)) == every
