"""The grid's order: what any prefix of it has covered, and each configuration once."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core.search.grid import bisection_levels
from tuitune.core.search.registry import make_searcher
from tuitune.core.space import (
    Choice,
    Fixed,
    FloatRange,
    IntRange,
    PowerRange,
    Sampled,
    SearchSpace,
    grid_axis,
    grid_size,
    key,
)
from tuitune.core.spec import SearchSpec
from tuitune.messages.reasons import reason_words


def go_through(space, levels=5, limit=None):
    """Every proposal of a grid in turn."""
    searcher, tried, found = (
        make_searcher(space, SearchSpec("grid", options={"levels": levels})),
        set(),
        [],
    )
    while (limit is None or len(found) < limit) and (
        proposal := searcher.propose(len(found), tried)
    ):
        tried.add(key(proposal.config))
        found.append(proposal)
    return found


def configs(space, levels=5, limit=None):
    return [proposal.config for proposal in go_through(space, levels, limit)]


def brute_force(space, levels):
    """Every combination of the axes, the inactive taken out, the same ones merged."""
    axes = [grid_axis(parameter, levels) for parameter in space.parameters]
    found = set()
    for combination in itertools.product(*axes):
        config = {p.name: v for p, v in zip(space.parameters, combination, strict=True)}
        while gone := [
            p.name for p in space.parameters if p.name in config and not space.is_active(p, config)
        ]:
            config = {name: value for name, value in config.items() if name not in gone}
        found.add(key(config))
    return found


def cube(dimensions):
    return SearchSpace(tuple(FloatRange(f"x{i}", 0.0, 1.0) for i in range(dimensions)))


conditional = SearchSpace(
    (
        FloatRange("momentum", 0.5, 0.9, when={"optimizer": ("sgd",)}),
        Choice("optimizer", ("sgd", "adam", "lbfgs")),
        FloatRange("lr", 1e-4, 1e-1, log=True),
        Choice("nesterov", (True, False), when={"optimizer": ("sgd",)}),
        Choice("damping", (1, 2), ordered=True, when={"nesterov": (False,), "optimizer": ("sgd",)}),
        Fixed("epochs", 3),
        Fixed("history", 10, when={"optimizer": ("lbfgs", "adam")}),
        IntRange("layers", 1, 4),
        IntRange("width", 5, 7, when={"layers": (3, 4)}),
    )
)


def test_both_ends_of_every_axis_come_first_then_the_middles():
    space = SearchSpace((FloatRange("lr", 1e-4, 1.0, log=True), FloatRange("x", 0.0, 1.0)))
    order = [(c["lr"], c["x"]) for c in configs(space)]
    assert set(order[:2]) in ({(1e-4, 0.0), (1.0, 1.0)}, {(1e-4, 1.0), (1.0, 0.0)})
    assert set(order[:4]) == set(itertools.product((1e-4, 1.0), (0.0, 1.0)))
    assert set(order[:9]) == set(itertools.product((1e-4, 1e-2, 1.0), (0.0, 0.5, 1.0)))
    assert len(order) == len(set(order)) == 25


@pytest.mark.parametrize("dimensions", range(1, 9))
def test_every_axis_has_seen_both_ends_after_two_points_and_every_corner_after_all_corners(
    dimensions,
):
    order = [tuple(c.values()) for c in configs(cube(dimensions), limit=2**dimensions)]
    assert set(order) == set(itertools.product((0.0, 1.0), repeat=dimensions))
    for axis in range(dimensions):
        assert {point[axis] for point in order[:2]} == {0.0, 1.0}


@pytest.mark.parametrize("dimensions", [2, 3, 4])
def test_any_prefix_shares_itself_out_between_an_axis_values(dimensions):
    """Of the values of its level that an axis has, none runs far ahead of the others."""
    order = [tuple(c.values()) for c in configs(cube(dimensions), limit=2**dimensions)]
    for length in range(1, len(order) + 1):
        for axis in range(dimensions):
            ends = [point[axis] for point in order[:length]]
            assert abs(ends.count(0.0) - ends.count(1.0)) <= 1


@pytest.mark.parametrize(("values", "dimensions", "within"), [(2, 8, 24), (3, 5, 60), (5, 4, 200)])
def test_any_two_axes_meet_all_their_combinations_early(values, dimensions, within):
    """By chance it takes some 15, 35 and 120 of the 256, 243 and 625 points."""
    letters = tuple("abcde"[:values])
    space = SearchSpace(tuple(Choice(f"x{i}", letters) for i in range(dimensions)))
    order = configs(space, limit=within)
    for one, other in itertools.combinations([p.name for p in space.parameters], 2):
        assert len({(c[one], c[other]) for c in order}) == values**2


@given(st.integers(1, 6), st.integers(1, 3), st.integers(2, 9))
@settings(max_examples=40)
def test_every_prefix_is_as_fine_as_it_can_be(dimensions, size_cap, levels):
    """Nothing of a level comes before all that is coarser."""
    dimensions = min(dimensions, size_cap)
    axis = dict(
        zip(grid_axis(FloatRange("x", 0.0, 1.0), levels), bisection_levels(levels), strict=True)
    )
    fineness = [max(axis[v] for v in c.values()) for c in configs(cube(dimensions), levels)]
    assert fineness == sorted(fineness)
    assert len(fineness) == levels**dimensions


def test_the_larger_the_prefix_the_smaller_the_widest_gap_of_each_axis():
    order = configs(SearchSpace((IntRange("n", 0, 64),)))
    for levels in range(7):
        seen = sorted(c["n"] for c in order[: 2**levels + 1])
        assert max(b - a for a, b in itertools.pairwise(seen)) == 64 // 2**levels


def test_unordered_choices_are_all_seen_on_the_coarsest_level():
    space = SearchSpace((Choice("c", tuple("abcdef")), FloatRange("x", 0.0, 1.0)))
    found = go_through(space)
    assert {p.config["c"] for p in found[:12]} == set("abcdef")
    assert all(reason_words(p.why).endswith("level 0") for p in found[:12])
    assert {p.config["c"] for p in found[:8]} > set("ab")


def test_ordered_choices_are_gone_through_like_numbers():
    space = SearchSpace((Choice("batch", (2, 4, 8, 16, 32), ordered=True),))
    order = [c["batch"] for c in configs(space)]
    assert (set(order[:2]), order[2], set(order[3:])) == ({2, 32}, 8, {4, 16})


def test_every_configuration_once_also_with_conditions():
    found = [key(c) for c in configs(conditional, 4)]
    assert len(found) == len(set(found)) == grid_size(conditional, 4)
    assert set(found) == brute_force(conditional, 4)


def test_inactive_parameters_are_absent_and_the_files_order_is_kept():
    for config in configs(conditional, 3):
        assert list(config) == [p.name for p in conditional.parameters if p.name in config]
        assert not conditional.problems(config, partial=False)


def test_with_conditions_too_an_early_stop_has_seen_each_branch_and_each_end():
    found = go_through(conditional, 5)
    early = [
        proposal.config for proposal in found if reason_words(proposal.why).endswith("level 0")
    ]
    assert early == [proposal.config for proposal in found[: len(early)]]
    assert len(early) < len(found) / 5
    assert {c["optimizer"] for c in early} == {"sgd", "adam", "lbfgs"}
    assert {c["lr"] for c in early} >= {1e-4, 1e-1}
    assert {c.get("momentum") for c in early} == {None, 0.5, 0.9}
    assert {c["layers"] for c in early} == {1, 4}


names = "abcdef"


@st.composite
def spaces(draw):
    """Small spaces of every kind of axis, with conditions on earlier or later parameters."""
    parameters = []
    count = draw(st.integers(1, 5))
    for index in range(count):
        name, when = names[index], {}
        for parent in parameters:
            if isinstance(parent, Choice | IntRange) and draw(st.integers(0, 2)) == 0:
                possible = parent.values if isinstance(parent, Choice) else (parent.low,)
                when[parent.name] = tuple(
                    draw(st.lists(st.sampled_from(possible), min_size=1, max_size=2, unique=True))
                )
        kind = draw(st.integers(0, 4))
        parameters.append(
            [
                lambda n, w: Choice(n, ("p", "q", "r"), when=w),
                lambda n, w: Choice(n, (True, False), when=w),
                lambda n, w: IntRange(n, 2, 4, when=w),
                lambda n, w: FloatRange(n, 0.0, 1.0, when=w),
                lambda n, w: PowerRange(n, 2, 8, when=w),
            ][kind](name, when)
        )
    return SearchSpace(tuple(draw(st.permutations(parameters))))


@given(spaces(), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_any_grid_is_gone_through_once_and_wholly(space, levels):
    found = [key(c) for c in configs(space, levels)]
    assert len(found) == len(set(found)) == grid_size(space, levels)
    assert set(found) == brute_force(space, levels)


def test_an_interrupted_grid_goes_on_where_it_stopped():
    whole = go_through(conditional, 3)
    tried = {key(proposal.config) for proposal in whole[:100]}
    searcher = make_searcher(conditional, SearchSpec("grid", options={"levels": 3}))
    assert searcher.propose(100, tried) == whole[100]
    assert searcher.propose(100, set()) == whole[0]  # and remembers nothing of it


def test_configurations_tried_otherwise_are_left_out():
    first, second, third = go_through(cube(2))[:3]
    searcher = make_searcher(cube(2), SearchSpec("grid"))
    assert searcher.propose(1, {key(second.config)}) == first
    assert searcher.propose(2, {key(first.config), key(second.config)}) == third


def test_the_words_count_from_one():
    found = go_through(cube(2), 3)
    assert reason_words(found[0].why) == "grid point 1 of 9, level 0"
    assert reason_words(found[8].why) == "grid point 9 of 9, level 1"
    assert {proposal.origin for proposal in found} == {"grid"}


def test_the_seed_changes_nothing():
    one, other = (make_searcher(cube(3), SearchSpec("grid", seed=s)) for s in (0, 1))
    assert one.propose(0, set()) == other.propose(0, set())


def test_a_huge_grid_starts_without_being_built():
    space = SearchSpace(tuple(FloatRange(f"x{i}", 0.0, 1.0) for i in range(40)))
    found = go_through(space, 11, limit=50)
    assert len({key(p.config) for p in found}) == 50
    assert reason_words(found[0].why) == f"grid point 1 of {11**40}, level 0"
    for axis in space.parameters:
        assert {p.config[axis.name] for p in found[:2]} == {0.0, 1.0}


def test_many_conditional_branches_are_counted_and_not_searched_for():
    """Two children of each of 16 flags, declared after all flags: 4^16 combinations and more."""
    flags = tuple(Choice(f"flag{i}", (True, False)) for i in range(16))
    children = tuple(
        FloatRange(f"child{i}", 0.0, 1.0, when={f"flag{i}": (True,)}) for i in range(16)
    )
    space = SearchSpace((*flags, *children))
    found = go_through(space, 5, limit=40)
    assert len({key(p.config) for p in found}) == 40
    assert reason_words(found[0].why).startswith(f"grid point 1 of {6**16},")


def test_a_grid_of_fixed_values_is_one_point():
    assert configs(SearchSpace((Fixed("a", 1), Fixed("b", [1, 2])))) == [{"a": 1, "b": [1, 2]}]


def test_one_level_is_the_middle():
    assert configs(SearchSpace((FloatRange("x", 1e-4, 1.0, log=True),)), 1) == [{"x": 0.01}]


def test_values_that_cannot_be_hashed_may_decide_conditions():
    space = SearchSpace(
        (
            Choice("betas", ([0.9, 0.99], [0.9, 0.999])),
            IntRange("n", 1, 2, when={"betas": ([0.9, 0.99],)}),
        )
    )
    assert {json.dumps(c) for c in configs(space)} == {
        '{"betas": [0.9, 0.99], "n": 1}',
        '{"betas": [0.9, 0.99], "n": 2}',
        '{"betas": [0.9, 0.999]}',
    }


def test_a_sampled_parameter_has_no_grid():
    space = SearchSpace((Sampled("l2", "train.py:draw"),))
    with pytest.raises(ValueError, match="l2"):
        make_searcher(space, SearchSpec("grid"))


@pytest.mark.parametrize(
    ("count", "levels"),
    [
        (1, (0,)),
        (2, (0, 0)),
        (3, (0, 1, 0)),
        (4, (0, 1, 2, 0)),
        (5, (0, 2, 1, 2, 0)),
        (9, (0, 3, 2, 3, 1, 3, 2, 3, 0)),
    ],
)
def test_levels_are_ends_middle_quarters(count, levels):
    assert bisection_levels(count) == levels
