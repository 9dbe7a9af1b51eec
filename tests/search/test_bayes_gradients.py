"""Every slope of the model in closed form agrees with finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm

from tuitune.core.search.bayes.acquisition import (
    Beliefs,
    log_expected_improvement,
    log_h,
    sloped_log_expected_improvement,
)
from tuitune.core.search.bayes.gaussian_process import (
    SlopedBelief,
    fit,
    negative_log_posterior,
    posterior,
    prior_of,
)
from tuitune.core.search.bayes.kernel import covariance, from_logs, pairs_of
from tuitune.core.search.bayes.layout import Layout

STEP = 1e-6


def problem(seed: int, rows: int, numbers: int, categories: int, levels: int):
    """Rows with numbers first, then categories, at rungs; logs of hyperparameters; outcomes."""
    random = np.random.default_rng(seed)
    layout = Layout((0,) * numbers + (3,) * categories)
    table = random.random((rows, numbers + categories))
    table[:, numbers:] = random.integers(4, size=(rows, categories))
    rungs = random.integers(levels, size=rows)
    places = numbers + categories
    lengths, gaps = random.normal(0.0, 0.7, places), random.normal(-1.0, 0.5, levels - 1)
    logs = np.array([*lengths, random.normal(0.0, 0.3), -3.0, -0.5, *gaps])
    return layout, table, rungs, logs, random.normal(size=rows)


shapes = st.tuples(
    st.integers(0, 10_000),
    st.integers(2, 12),
    st.integers(1, 4),
    st.integers(0, 2),
    st.integers(1, 4),
)


def density_problem(shape):
    """Logarithms of hyperparameters, and what else their density hangs on."""
    layout, rows, rungs, logs, outcomes = problem(*shape)
    pairs = pairs_of(layout, rows, rungs, shape[4])
    return logs, pairs, outcomes, prior_of(layout.expected, shape[4], len(outcomes))


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_the_posterior_density_slopes_as_it_changes(shape):
    logs, pairs, outcomes, prior = density_problem(shape)
    value, slopes = negative_log_posterior(logs, pairs, outcomes, prior)
    assert np.isfinite(value)
    for place in range(len(logs)):
        step = np.zeros_like(logs)
        step[place] = STEP
        above, _ = negative_log_posterior(logs + step, pairs, outcomes, prior)
        below, _ = negative_log_posterior(logs - step, pairs, outcomes, prior)
        assert slopes[place] == pytest.approx((above - below) / (2 * STEP), rel=1e-4, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_the_posterior_density_is_that_of_the_textbook(shape):
    logs, pairs, outcomes, prior = density_problem(shape)
    value, _ = negative_log_posterior(logs, pairs, outcomes, prior)
    lower = np.tril(covariance(pairs, from_logs(logs, pairs.distances.shape[1])).matrix)
    matrix = lower + np.tril(lower, -1).T
    _, log_determinant = np.linalg.slogdet(matrix)
    likelihood = 0.5 * outcomes @ np.linalg.solve(matrix, outcomes) + 0.5 * log_determinant
    off = (logs - prior.mean) / prior.spread
    assert value == pytest.approx(likelihood + 0.5 * off @ off, rel=1e-8)


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_a_belief_slopes_as_it_changes(shape):
    layout, rows, rungs, logs, outcomes = problem(*shape)
    numbers, levels = shape[2], shape[4]
    model = posterior(layout, from_logs(logs, len(layout.categories)), rows, rungs, outcomes)
    places = np.arange(numbers)
    points = problem(shape[0] + 1, 3, numbers, shape[3], levels)[1]
    mean, deviation, mean_slopes, deviation_slopes = model.sloped_belief(points, levels - 1, places)
    plain_mean, plain_deviation = model.belief(points, levels - 1)
    assert np.allclose(mean, plain_mean)
    assert np.allclose(deviation, plain_deviation)
    for place in places:
        above, below = points.copy(), points.copy()
        above[:, place] += STEP
        below[:, place] -= STEP
        up, down = model.belief(above, levels - 1), model.belief(below, levels - 1)
        assert mean_slopes[:, place] == pytest.approx(
            (up[0] - down[0]) / (2 * STEP), rel=1e-3, abs=1e-5
        )
        assert deviation_slopes[:, place] == pytest.approx(
            (up[1] - down[1]) / (2 * STEP), rel=1e-3, abs=1e-5
        )


@given(st.floats(-1e4, 1e4))
def test_log_improvement_slopes_as_it_changes(z):
    step = 1e-5 * max(1.0, abs(z))
    values, slopes = log_h(np.array([z - step, z, z + step]))
    assert np.isfinite(values).all()
    assert slopes[1] == pytest.approx((values[2] - values[0]) / (2 * step), rel=1e-3)


@given(st.floats(-12.0, 30.0))
def test_log_improvement_is_the_logarithm_of_what_the_textbook_has(z):
    value, _ = log_h(np.array([z]))
    exact = norm.pdf(z) + z * norm.cdf(z)
    assert np.exp(value[0]) == pytest.approx(exact, rel=1e-6 if z > -5 else 0.05)


def test_log_improvement_has_no_seam():
    for seam in (-1000.0, 8.0):
        values, slopes = log_h(np.array([seam - 1e-9, seam + 1e-9]))
        assert values[0] == pytest.approx(values[1], rel=1e-7)
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-4)


@given(st.floats(-5.0, 5.0), st.floats(0.01, 3.0), st.floats(-2.0, 2.0), st.floats(-5.0, 5.0))
def test_expected_improvement_slopes_by_the_chain_rule(mean, deviation, slope, best):
    def at(step):
        return log_expected_improvement(
            np.array([mean + step]), np.array([deviation + slope * step]), best
        )[0]

    belief = SlopedBelief(*(np.array(v) for v in ([mean], [deviation], [[1.0]], [[slope]])))
    value, slopes = sloped_log_expected_improvement(belief, best)
    assert value[0] == pytest.approx(at(0.0))
    step = 1e-6 * deviation
    assert slopes[0, 0] == pytest.approx(
        (at(step) - at(-step)) / (2 * step), rel=1e-2, abs=1e-3 * (1 + abs(value[0]))
    )


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.05, 0.5))
def test_beliefs_slope_as_they_change(at, middle, spread):
    beliefs = Beliefs({0: (middle, spread)}, {})
    step = 1e-6
    slope = beliefs.slopes(np.array([[at]]), np.array([0]))[0, 0]
    above = beliefs.log_prior(np.array([[at + step]]))[0]
    below = beliefs.log_prior(np.array([[at - step]]))[0]
    assert slope == pytest.approx((above - below) / (2 * step), rel=1e-3, abs=1e-4)


def test_a_fit_finds_which_place_matters():
    random = np.random.default_rng(3)
    rows = random.random((40, 3))
    outcomes = np.sin(6 * rows[:, 1])
    outcomes = (outcomes - outcomes.mean()) / outcomes.std()
    at = fit(pairs_of(Layout((0, 0, 0)), rows, np.zeros(40, dtype=int), 1), outcomes)
    assert at.lengths[1] < 0.5 * min(at.lengths[0], at.lengths[2])
    assert at.noise < 0.05


def test_single_places_are_learned_first_of_few_outcomes_only():
    random = np.random.default_rng(6)
    rows = random.random((40, 3))
    outcomes = (rows - 0.5) @ np.array([1.0, -2.0, 0.5])
    levels = np.zeros(40, dtype=int)
    layout = Layout((0, 0, 0))
    few = fit(pairs_of(layout, rows[:12], levels[:12], 1), outcomes[:12])
    assert few.additive > 0.0
    assert fit(pairs_of(layout, rows, levels, 1), outcomes).additive == 0.0
    with_rungs = fit(pairs_of(layout, rows[:12], levels[:12], 2), outcomes[:12])
    assert with_rungs.additive == 0.0


def test_a_fit_notices_which_rungs_rank_poorly():
    random = np.random.default_rng(4)
    rows = np.tile(random.random((40, 1)), (3, 1))
    rungs = np.repeat([0, 1, 2], 40)
    truth = np.sin(7 * rows[:40, 0])
    noise = np.cos(11 * rows[:40, 0])  # the first rung follows something else
    outcomes = np.concatenate([noise, truth, truth + 0.02 * random.normal(size=40)])
    at = fit(pairs_of(Layout((0,)), rows, rungs, 3), outcomes)
    assert at.gaps[0] > 3 * at.gaps[1]
    assert at.rung_correlations[0, 2] < 0.5 < at.rung_correlations[1, 2]
