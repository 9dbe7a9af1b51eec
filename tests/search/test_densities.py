"""The densities of tpe and bohb beside sums over their kernels, one by one."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import kstest, truncnorm

from tuitune.core.search.tpe.density import Density, columns, density, log_belief
from tuitune.core.space import Choice, FloatRange, IntRange, SearchSpace

NAN = math.nan
UNITS = st.floats(0, 1)
EVEN = (np.arange(4000) + 0.5) / 4000  # over the unit interval


def kernels(counts, draw, most=5):
    """Points: numbers in [0, 1], categories, and some that a parameter does not exist in."""
    cells = [
        (UNITS if not count else st.integers(0, count - 1).map(float)) | st.just(NAN)
        for count in counts
    ]
    rows = draw(st.lists(st.tuples(*cells), max_size=most))
    return np.array(rows, dtype=float).reshape(len(rows), len(counts))


@st.composite
def made(draw):
    counts = draw(st.lists(st.sampled_from([0, 0, 2, 3, 7]), min_size=1, max_size=3))
    return density(kernels(counts, draw), np.array(counts)), counts


def of_number(centre, width, at):
    """A normal density that is cut off at 0 and 1, by scipy."""
    return truncnorm((0 - centre) / width, (1 - centre) / width, centre, width).pdf(at)


def by_sum(found: Density, at):
    """The mean over all kernels, and the flat one, of the product over parameters."""
    total = 0.0
    for kernel in [*found.points, [NAN] * len(found.categories)]:
        product = 1.0
        for axis, count in enumerate(found.categories):
            width = found.widths[axis]
            if math.isnan(at[axis]):
                continue
            if math.isnan(kernel[axis]):
                product *= 1 / max(count, 1)
            elif count:
                same = kernel[axis] == at[axis]
                product *= 1 - width if same else width / max(count - 1, 1)
            else:
                product *= of_number(kernel[axis], width, at[axis])
        total += product
    return total / (len(found.points) + 1)


@settings(max_examples=60)
@given(made(), st.data())
def test_the_density_is_the_mean_of_its_kernels(pair, data):
    found, counts = pair
    at = kernels(counts, data.draw)
    expected = [by_sum(found, row) for row in at]
    assert np.exp(found.log_at(at)) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40)
@given(st.lists(UNITS | st.just(NAN), max_size=6))
def test_over_a_number_it_sums_to_one(centres):
    found = density(np.array(centres, dtype=float).reshape(-1, 1), np.array([0]))
    assert np.exp(found.log_at(EVEN[:, None])).mean() == pytest.approx(1.0, abs=1e-3)


@settings(max_examples=40)
@given(st.integers(2, 8).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n - 1)))))
def test_over_categories_it_sums_to_one_and_none_is_impossible(pair):
    count, seen = pair
    found = density(np.array(seen, dtype=float).reshape(-1, 1), np.array([count]))
    shares = np.exp(found.log_at(np.arange(count, dtype=float)[:, None]))
    assert shares.sum() == pytest.approx(1.0)
    assert (shares > 0).all()
    if seen:
        times = Counter(seen)
        assert times[int(np.argmax(shares))] == max(times.values())


@settings(max_examples=30)
@given(made(), st.randoms(use_true_random=False))
def test_the_order_of_kernels_makes_no_difference(pair, random):
    found, counts = pair
    order = random.sample(range(len(found.points)), len(found.points))
    shuffled = density(found.points[order], np.array(counts))
    at = np.array([[random.random() if not n else random.randrange(n) for n in counts]])
    assert found.log_at(at) == pytest.approx(shuffled.log_at(at))


def test_bandwidths_shrink_with_the_number_of_points_and_less_so_in_more_dimensions():
    few, many = (density(np.full((n, 1), 0.5), np.array([0])).widths[0] for n in (1, 31))
    assert few / many == pytest.approx(16 ** (1 / 5))
    flat, wide = (density(np.full((31, d), 0.5), np.zeros(d, dtype=int)).widths for d in (1, 6))
    assert wide[0] > flat[0]
    leaving = [density(np.zeros((n, 1)), np.array([4])).widths[0] for n in (0, 1, 10, 10_000)]
    assert leaving == pytest.approx([3 / 4, 3 / 5, 3 / 14, 1e-3])


# --- draws ----------------------------------------------------------------------------------------


def test_numbers_are_drawn_from_the_density():
    found = density(np.array([[0.05], [0.9], [NAN]]), np.array([0]))
    drawn = found.draw(4000, np.random.default_rng(1))[:, 0]
    assert ((drawn >= 0) & (drawn <= 1)).all()
    shares = np.cumsum(np.exp(found.log_at(EVEN[:, None]))) / len(EVEN)
    assert kstest(np.interp(drawn, EVEN, shares), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("count", [1, 2, 5])
def test_categories_are_drawn_from_the_density(count):
    found = density(np.array([[0.0], [0.0], [NAN]]), np.array([count]))
    drawn = Counter(found.draw(4000, np.random.default_rng(2))[:, 0].tolist())
    shares = np.exp(found.log_at(np.arange(count, dtype=float)[:, None]))
    for category, share in enumerate(shares):
        error = 5 * math.sqrt(4000 * share * (1 - share)) + 1
        assert abs(drawn[category] - 4000 * share) <= error


def test_parameters_of_one_draw_are_from_the_same_kernel():
    found = density(np.array([[0.1, 0.9], [0.9, 0.1]] * 40), np.array([0, 0]))
    drawn = found.draw(2000, np.random.default_rng(3))
    assert np.corrcoef(drawn.T)[0, 1] < -0.6


# --- configurations as rows -----------------------------------------------------------------------

SPACE = SearchSpace(
    (
        Choice("opt", ("sgd", "adam", "lion")),
        FloatRange("momentum", 0.0, 1.0, when={"opt": ("sgd",)}),
        Choice("width", (8, 16, 32), ordered=True),
        IntRange("layers", 1, 4),
    )
)


@given(st.lists(UNITS, min_size=4, max_size=4))
def test_a_configuration_is_a_row_and_its_point_the_same_configuration(point):
    config = SPACE.configuration(point)
    cells = columns(SPACE)
    assert cells.categories.tolist() == [3, 0, 0, 0]
    row = cells.encode([config])
    assert math.isnan(row[0, 1]) == ("momentum" not in config)
    (again,) = cells.points(np.nan_to_num(row, nan=0.5))
    assert SPACE.configuration(again) == pytest.approx(config)


def test_no_configurations_are_no_rows():
    assert columns(SPACE).encode([]).shape == (0, 4)


# --- beliefs --------------------------------------------------------------------------------------


def beliefs(parameter, values):
    return log_belief([parameter], [{"x": value} for value in values]).tolist()


def test_what_is_likely_is_believed_most_and_nothing_is_impossible():
    likely = FloatRange("x", 0.0, 1.0, likely=(0.4, 0.6))
    found = beliefs(likely, [0.5, 0.4, 0.6, 0.3, 0.0])
    assert found == pytest.approx([0.0, -0.5, -0.5, -2.0, -6.0])
    single = FloatRange("x", 0.0, 1.0, likely=(0.5,))
    assert beliefs(single, [0.5, 0.55, 0.9]) == pytest.approx([0.0, -0.5, -6.0])
    assert beliefs(Choice("x", ("a", "b"), likely=("b",)), ["a", "b"]) == [-6.0, 0.0]


def test_weights_count_beside_the_heaviest():
    weighted = Choice("x", ("a", "b", "c"), weights=(1.0, 4.0, 1e-9))
    assert beliefs(weighted, "abc") == pytest.approx([math.log(0.25), 0.0, -6.0])


@given(st.floats(-2, 3), st.floats(0.05, 2), st.floats(0, 1), st.floats(0, 1))
def test_a_normal_belief_falls_with_the_square_of_the_distance(mean, deviation, one, other):
    parameter = FloatRange("x", 0.0, 1.0, normal=(mean, deviation))
    exact = [max(-0.5 * ((value - mean) / deviation) ** 2, -6.0) for value in (one, other)]
    assert beliefs(parameter, [one, other]) == pytest.approx(exact, abs=1e-6)


def test_beliefs_add_up_over_those_that_exist_and_are_none_without_priors():
    both = [FloatRange("a", 0.0, 1.0, likely=(0.4, 0.6)), Choice("b", (1, 2), likely=(1,))]
    plain = FloatRange("c", 0.0, 1.0)
    configs = [{"a": 0.4, "b": 2, "c": 0.1}, {"b": 2, "c": 0.1}, {"c": 0.3}]
    assert log_belief([*both, plain], configs).tolist() == pytest.approx([-6.5, -6.0, 0.0])
    assert log_belief([plain], configs).tolist() == [0.0, 0.0, 0.0]
