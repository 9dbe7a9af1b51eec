"""The Gaussian process beside its formulas, written out with an inverse matrix."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core.search.bayes.gaussian_process import (
    fit,
    negative_log_posterior,
    posterior,
    prior_of,
)
from tuitune.core.search.bayes.kernel import OFFSET, Hyperparameters, pairs_of
from tuitune.core.search.bayes.layout import Layout

EXAMPLES = settings(max_examples=40)


def kernel(at, one, other):
    """k((x, s), (y, t)) of the module's docstring; x and y: places and a rung."""
    (x, s), (y, t) = one, other
    r = math.sqrt(
        sum(((a - b) / length) ** 2 for a, b, length in zip(x, y, at.lengths, strict=True))
    )
    matern = (1 + math.sqrt(5) * r + 5 / 3 * r * r) * math.exp(-math.sqrt(5) * r)
    axis = [0.0, *np.cumsum(at.gaps)]
    apart = math.exp(-abs(axis[s] - axis[t]))
    alike = sum(math.cos(math.pi * (a - b)) for a, b in zip(x, y, strict=True)) / len(x)
    return at.scale * (matern + at.additive * alike) * apart + OFFSET * (s == t)


@st.composite
def problems(draw, levels=3):
    """(hyperparameters, rows, their rungs, outcomes, rows to ask about): all apart from each other."""
    places = draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    count = draw(st.integers(2, 8))
    at = Hyperparameters(
        np.exp(random.normal(-0.5, 0.7, places)),
        float(np.exp(random.normal(0, 0.5))),
        float(np.exp(random.uniform(-6, -1))),
        float(np.exp(random.uniform(-3, 1))),
        np.exp(random.normal(-1, 0.5, levels - 1)),
    )
    rungs = random.integers(levels, size=count).astype(np.intp)
    return (
        at,
        random.random((count, places)),
        rungs,
        random.normal(size=count),
        random.random((4, places)),
    )


def matrix(at, ones, others):
    return np.array([[kernel(at, one, other) for other in others] for one in ones])


def numbers(places):
    return Layout((0,) * places)


def by_inverse(at, rows, rungs, outcomes, asked, rung):
    """(mean, deviation): Rasmussen and Williams 2006, eq. 2.25 and 2.26."""
    seen = list(zip(rows, rungs, strict=True))
    there = [(row, rung) for row in asked]
    inverse = np.linalg.inv(matrix(at, seen, seen) + at.noise * np.eye(len(seen)))
    cross = matrix(at, there, seen)
    variance = np.diag(matrix(at, there, there) - cross @ inverse @ cross.T)
    return cross @ inverse @ outcomes, np.sqrt(variance)


@EXAMPLES
@given(problems(), st.integers(0, 2))
def test_the_posterior_is_that_of_the_formula(problem, rung):
    at, rows, rungs, outcomes, asked = problem
    found = posterior(numbers(rows.shape[1]), at, rows, rungs, outcomes)
    mean, deviation = found.belief(asked, rung)
    expected = by_inverse(at, rows, rungs, outcomes, asked, rung)
    assert mean == pytest.approx(expected[0], abs=1e-6)
    assert deviation == pytest.approx(expected[1], abs=1e-6)
    assert found.mean(asked, rung) == pytest.approx(mean)


@EXAMPLES
@given(problems(), st.integers(0, 2))
def test_slopes_are_those_of_small_steps(problem, rung):
    at, rows, rungs, outcomes, asked = problem
    found = posterior(numbers(rows.shape[1]), at, rows, rungs, outcomes)
    places = np.arange(rows.shape[1])
    sloped = found.sloped_belief(asked, rung, places)
    assert sloped.mean == pytest.approx(found.mean(asked, rung))
    step = 1e-5
    for place in places:
        up, down = (asked + sign * step * np.eye(len(places))[place] for sign in (1, -1))
        (high, more), (low, less) = found.belief(up, rung), found.belief(down, rung)
        assert sloped.mean_slopes[:, place] == pytest.approx((high - low) / 2 / step, abs=2e-3)
        assert sloped.deviation_slopes[:, place] == pytest.approx(
            (more - less) / 2 / step, abs=2e-3 * max(1, 1 / sloped.deviation.min())
        )


@EXAMPLES
@given(problems(), st.integers(1, 3))
def test_rows_without_an_outcome_are_believed_to_end_as_expected(problem, more):
    at, rows, rungs, outcomes, asked = problem
    known = max(1, len(rows) - more)
    layout = numbers(rows.shape[1])
    first = posterior(layout, at, rows[:known], rungs[:known], outcomes[:known])
    both = posterior(layout, at, rows, rungs, outcomes[:known])
    assert both.mean(asked, 0) == pytest.approx(first.mean(asked, 0), abs=1e-6)
    assert (both.belief(asked, 0)[1] <= first.belief(asked, 0)[1] + 1e-7).all()


@EXAMPLES
@given(problems(), st.randoms(use_true_random=False))
def test_the_order_of_rows_makes_no_difference(problem, random):
    at, rows, rungs, outcomes, asked = problem
    order = random.sample(range(len(rows)), len(rows))
    layout = numbers(rows.shape[1])
    one = posterior(layout, at, rows, rungs, outcomes).belief(asked, 1)
    other = posterior(layout, at, rows[order], rungs[order], outcomes[order]).belief(asked, 1)
    assert one[0] == pytest.approx(other[0], abs=1e-6)
    assert one[1] == pytest.approx(other[1], abs=1e-6)


@EXAMPLES
@given(problems())
def test_the_evidence_is_that_of_the_formula(problem):
    """Up to a constant: two settings differ by as much as their exact densities do."""
    at, rows, rungs, outcomes, _ = problem
    pairs = pairs_of(numbers(rows.shape[1]), rows, rungs, 3)
    prior = prior_of(pairs.expected, 3, len(outcomes))
    seen = list(zip(rows, rungs, strict=True))

    def exact(logs):
        values = np.exp(logs)
        places = rows.shape[1]
        own = Hyperparameters(values[:places], *values[places : places + 3], values[places + 3 :])
        whole = matrix(own, seen, seen) + own.noise * np.eye(len(seen))
        _, log_determinant = np.linalg.slogdet(whole)
        off = (logs - prior.mean) / prior.spread
        return 0.5 * (outcomes @ np.linalg.solve(whole, outcomes) + log_determinant + off @ off)

    logs = np.log([*at.lengths, at.scale, at.noise, at.additive, *at.gaps])
    moved = logs + 0.1
    found = [negative_log_posterior(one, pairs, outcomes, prior)[0] for one in (logs, moved)]
    assert found[1] - found[0] == pytest.approx(exact(moved) - exact(logs), abs=1e-5)


@settings(max_examples=10)
@given(problems())
def test_the_fit_is_no_worse_than_its_start_and_within_the_bounds(problem):
    _, rows, rungs, outcomes, _ = problem
    pairs = pairs_of(numbers(rows.shape[1]), rows, rungs, 3)
    prior = prior_of(pairs.expected, 3, len(outcomes))
    at = fit(pairs, outcomes)
    additive = np.exp(prior.start[rows.shape[1] + 2])  # held there, and then left out
    assert at.additive == 0.0
    logs = np.log([*at.lengths, at.scale, at.noise, additive, *at.gaps])
    assert (logs >= prior.low - 1e-9).all()
    assert (logs <= prior.high + 1e-9).all()
    found, started = (
        negative_log_posterior(one, pairs, outcomes, prior)[0] for one in (logs, prior.start)
    )
    assert found <= started + 1e-9


@EXAMPLES
@given(problems())
def test_correlations_are_one_with_itself_and_fall_with_the_distance(problem):
    at, rows, rungs, outcomes, asked = problem
    found = posterior(numbers(rows.shape[1]), at, rows, rungs, outcomes)
    alike = found.correlations(asked, asked, 1)
    assert np.diag(alike) == pytest.approx(1.0)
    assert alike == pytest.approx(alike.T)
    exact = (matrix(at, [(r, 1) for r in asked], [(r, 1) for r in asked]) - OFFSET) / at.variance
    assert alike == pytest.approx(exact, abs=1e-9)
