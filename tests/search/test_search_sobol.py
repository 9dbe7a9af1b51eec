"""Sobol's sequence against SciPy's, and what scrambling must keep."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import qmc

from tuitune.core.search.registry import make_searcher
from tuitune.core.search.sobol import BITS, JOE_KUO, plain_sobol, scrambled_sobol
from tuitune.core.space import Choice, FloatRange, IntRange, SearchSpace, key
from tuitune.core.spec import SearchSpec
from tuitune.messages.reasons import reason_words

DIMENSIONS = len(JOE_KUO)


def cube(dimensions):
    return SearchSpace(tuple(FloatRange(f"x{i}", 0.0, 1.0) for i in range(dimensions)))


def elementary_boxes(points, splits):
    """How many points lie in each box of the grid with 2^split cells along each axis."""
    counts = {}
    for point in points:
        box = tuple(int(x * 2**split) for x, split in zip(point, splits, strict=True))
        counts[box] = counts.get(box, 0) + 1
    return counts


def test_unscrambled_points_are_scipys():
    ours = plain_sobol(DIMENSIONS)
    theirs = qmc.Sobol(DIMENSIONS, scramble=False).random(512)
    assert DIMENSIONS >= 64
    assert [ours.point(index) for index in range(512)] == theirs.tolist()


@pytest.mark.parametrize("index", [1023, 4096, 65_535, 100_000])
def test_far_points_are_scipys_too(index):
    theirs = qmc.Sobol(DIMENSIONS, scramble=False)
    theirs.fast_forward(index)
    assert plain_sobol(DIMENSIONS).point(index) == theirs.random(1)[0].tolist()


@given(st.integers(), st.integers(1, 8))
def test_scrambled_powers_of_two_put_one_point_in_each_slice_of_each_axis(seed, power):
    sequence = scrambled_sobol(DIMENSIONS, seed)
    points = [sequence.point(index) for index in range(2**power)]
    for axis in range(DIMENSIONS):
        assert sorted(int(point[axis] * 2**power) for point in points) == list(range(2**power))


@given(st.integers(), st.integers(0, 6))
def test_the_first_two_axes_put_one_point_in_every_elementary_box(seed, split):
    sequence = scrambled_sobol(2, seed)
    counts = elementary_boxes([sequence.point(i) for i in range(64)], (split, 6 - split))
    assert set(counts.values()) == {1}
    assert len(counts) == 64


@given(st.integers(), st.integers(0, 3))
def test_later_blocks_of_a_power_of_two_are_as_balanced(seed, block):
    sequence = scrambled_sobol(2, seed)
    points = [sequence.point(block * 16 + i) for i in range(16)]
    assert set(elementary_boxes(points, (2, 2)).values()) == {1}


def test_seeds_give_different_points_and_the_first_is_no_corner():
    firsts = {tuple(scrambled_sobol(4, seed).point(0)) for seed in range(50)}
    assert len(firsts) == 50
    assert all(0 <= x < 1 for point in firsts for x in point)
    mean = sum(point[0] for point in firsts) / 50
    assert 0.3 < mean < 0.7


def test_points_are_written_in_whole_bits():
    point = scrambled_sobol(5, 1).point(77)
    assert all((x * 2**BITS).is_integer() for x in point)


def test_axes_beyond_the_table_are_uniform_seeded_and_their_own():
    space = cube(DIMENSIONS + 3)
    one, again = (make_searcher(space, SearchSpec("sobol", seed=3)) for _ in range(2))
    other = make_searcher(space, SearchSpec("sobol", seed=4))
    tail = f"x{DIMENSIONS + 2}"
    drawn = [one.propose(trial, set()).config[tail] for trial in range(200)]
    assert drawn == [again.propose(trial, set()).config[tail] for trial in range(200)]
    assert drawn != [other.propose(trial, set()).config[tail] for trial in range(200)]
    assert len(set(drawn)) == 200
    assert 0.4 < sum(drawn) / 200 < 0.6


def test_trial_n_gets_point_n_whatever_was_asked_before():
    searcher = make_searcher(cube(3), SearchSpec("sobol", seed=9))
    forward = [searcher.propose(trial, set()) for trial in range(20)]
    fresh = make_searcher(cube(3), SearchSpec("sobol", seed=9))
    assert [fresh.propose(trial, set()) for trial in reversed(range(20))] == forward[::-1]
    assert reason_words(forward[12].why) == "Sobol point 12"
    assert forward[12].origin == "sobol"


@settings(max_examples=30)
@given(st.integers(0, 2**40))
def test_a_finite_space_of_powers_of_two_is_gone_through_without_a_detour(seed):
    """32 cells of an elementary grid: the first 32 points already are the whole space."""
    space = SearchSpace(
        (IntRange("a", 0, 7), Choice("b", ("p", "q", "r", "s"))),
    )
    searcher, tried = make_searcher(space, SearchSpec("sobol", seed=seed)), set()
    for trial in range(32):
        proposal = searcher.propose(trial, tried)
        assert reason_words(proposal.why) == f"Sobol point {trial}"
        tried.add(key(proposal.config))
    assert len(tried) == 32
    assert searcher.propose(32, tried) is None
