"""Where the rungs are, and which trial belongs to which bracket."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace
from pruning_reference import Brackets
from pruning_world import made

from tuitune.core.pruning.pruner import PrunerState, Report
from tuitune.core.spec import PruningSpec

LATE = 10**7


def asha(low=1, high=81, reduction=3.0, brackets=1):
    return PruningSpec("asha", min=low, max=high, reduction=reduction, brackets=brackets)


def hyperband(low=1, high=81, reduction=3.0):
    return PruningSpec("hyperband", min=low, max=high, reduction=reduction)


def all_steps(pruning):
    return list(made(pruning).plan.steps)


@pytest.mark.parametrize(
    ("low", "high", "reduction", "steps"),
    [
        (1, 27, 3, (1, 3, 9)),
        (1, 28, 3, (1, 3, 9, 27)),
        (1, 81, 3, (1, 3, 9, 27)),
        (1, 1000, 10, (1, 10, 100)),
        (2, 30, 2, (2, 4, 8, 16)),
        (1, 10, 1.5, (1, 2, 3, 5, 8)),
        (1, 6, 1.1, (1, 2, 3, 4, 5)),
        (4, 4, 3, ()),
        (5, 4, 3, ()),
        (3, 4, 3, (3,)),
    ],
)
def test_rungs_are_whole_numbers_below_the_maximum_merged(low, high, reduction, steps):
    pruning = asha(low, high, reduction)
    assert all_steps(pruning) == [steps]
    assert made(pruning).plan.unfilled({}, 0) == steps


def test_hyperbands_brackets_each_start_one_rung_higher():
    assert all_steps(hyperband()) == [(1, 3, 9, 27), (3, 9, 27), (9, 27), (27,), ()]
    assert all_steps(hyperband(high=100)) == [
        (1, 4, 11, 33),
        (4, 11, 33),
        (11, 33),
        (33,),
        (),
    ]
    assert all_steps(hyperband(low=2, high=5)) == [()]


def test_hyperbands_last_bracket_is_never_cut_whatever_the_maximum():
    """Li et al. 2018: R = 100, eta = 2; bracket 6 is cut at 100 / 64, 100 / 32, ..., 50."""
    steps = all_steps(hyperband(high=100, reduction=2.0))
    assert steps[0] == (2, 3, 6, 13, 25, 50)
    assert steps[-1] == ()
    assert [len(rungs) for rungs in steps] == [6, 5, 4, 3, 2, 1, 0]


def test_a_study_that_was_begun_when_hyperband_counted_from_the_minimum_keeps_its_rungs():
    assert all_steps(replace(hyperband(high=100), anchor="min")) == [
        (1, 3, 9, 27, 81),
        (3, 9, 27, 81),
        (9, 27, 81),
        (27, 81),
        (81,),
    ]
    assert all_steps(replace(hyperband(), anchor="min")) == all_steps(hyperband())


def test_ashas_rungs_count_from_the_minimum_always():
    for anchor in ("min", "max"):
        assert all_steps(replace(asha(high=100, brackets=2), anchor=anchor)) == [
            (1, 3, 9, 27, 81),
            (3, 9, 27, 81),
        ]


def test_asha_takes_the_first_of_them_and_no_more_than_there_are():
    assert all_steps(asha(brackets=2)) == [(1, 3, 9, 27), (3, 9, 27)]
    assert all_steps(asha(brackets=99)) == all_steps(hyperband())


def test_a_cycle_deals_each_bracket_its_configurations_of_the_paper():
    cycle = [made(hyperband()).plan.bracket_of(trial) for trial in range(143)]
    assert [cycle.count(bracket) for bracket in range(5)] == [81, 34, 15, 8, 5]
    assert cycle == [made(hyperband()).plan.bracket_of(143 * 7 + trial) for trial in range(143)]
    two = [made(asha(brackets=2)).plan.bracket_of(trial) for trial in range(115)]
    assert [two.count(0), two.count(1)] == [81, 34]


@given(
    st.integers(1, 5),
    st.integers(1, 200),
    st.sampled_from([1.5, 2.0, 2.5, 3.0, 3.3, 4.0, 10.0]),
    st.integers(0, 5),
    st.sampled_from(["min", "max"]),
)
def test_brackets_are_the_references(low, more, reduction, brackets, anchor):
    pruning = replace(hyperband(low, low + more, reduction), anchor=anchor)
    if brackets:
        pruning = asha(low, low + more, reduction, brackets)
    reference = Brackets(pruning)
    assert all_steps(pruning) == [tuple(rungs) for rungs in reference.rungs]
    reference.of(150)
    assert [made(pruning).plan.bracket_of(trial) for trial in range(151)] == reference.dealt


def test_a_late_trial_of_a_long_cycle_has_its_bracket_too():
    pruning = hyperband(1, 10**5, 3.0)
    near = [made(pruning).plan.bracket_of(trial) for trial in range(3000)]
    assert made(pruning).plan.bracket_of(LATE) in range(11)
    assert near == [made(pruning).plan.bracket_of(trial) for trial in range(3000)]


def test_reach_is_the_highest_rung_passed_in_the_trials_own_bracket():
    pruning = hyperband()
    assert [made(pruning).plan.bracket_of(trial) for trial in (0, 1, 3)] == [0, 1, 2]
    assert [made(pruning).plan.reach(0, step) for step in (0, 1, 2, 3, 26, 27, 81)] == [
        *(0, 1, 1, 3, 9, 27, 27)
    ]
    assert [made(pruning).plan.reach(1, step) for step in (1, 3)] == [0, 3]
    assert [made(pruning).plan.reach(3, step) for step in (8, 9)] == [0, 9]


@pytest.mark.parametrize("method", ["none", "median"])
def test_without_rungs_there_is_one_bracket_that_judges_and_keeps_nothing_at_rungs(method):
    pruning = PruningSpec(method, max=9)
    pruner = made(pruning)
    state = PrunerState(memory=pruner.memory())
    assert all_steps(pruning) == [()]
    assert pruner.plan.unfilled(state.filled, 3) == ()
    assert made(pruning).plan.reach(3, 5) == 0
    pruner.enter(state, 3, 5, 0.5, "go")
    pruner.enter(state, 3, 9, 0.5, "complete")
    pruner.fail(state, 4)
    assert pruner.promotion(state, {3, 4}) is None
    assert state == PrunerState(memory=pruner.memory())


def test_a_study_without_pruning_judges_and_remembers_nothing():
    pruner, state = made(PruningSpec(max=9)), PrunerState()
    for step in range(1, 9):
        pruner.observe(state, 0, step, float("nan"))
        assert pruner.judge(state, Report(0, step, float("nan"), True), ()) is None
    pruner.complete(state, 0)
    assert state == PrunerState(memory=pruner.memory())
    assert pruner.judged_from is None


@pytest.mark.parametrize("method", ["asha", "hyperband"])
@pytest.mark.parametrize("wrong", [{}, {"max": 9, "reduction": 1}, {"max": 9, "min": 0}])
def test_rungs_without_an_end_are_refused(method, wrong):
    with pytest.raises(ValueError, match=r"\[pruning\]"):
        made(PruningSpec(method, **wrong))


@pytest.mark.parametrize(
    ("method", "style", "can_save", "chosen"),
    [
        ("asha", "auto", True, "promote"),
        ("asha", "auto", False, "stop"),
        ("hyperband", "auto", True, "promote"),
        ("hyperband", "auto", False, "stop"),
        ("asha", "promote", False, "promote"),
        ("hyperband", "stop", True, "stop"),
        ("median", "auto", True, "stop"),
        ("median", "stop", True, "stop"),
    ],
)
def test_the_style_follows_the_file_else_what_trials_can_do(method, style, can_save, chosen):
    found, why = made(PruningSpec(method, max=9, style=style)).style(can_save=can_save)
    assert found == chosen
    assert why


@pytest.mark.parametrize("pruning", [asha(), PruningSpec("median", max=9)])
def test_two_studies_do_not_share_their_state(pruning):
    pruner = made(pruning)
    one, other = (PrunerState(memory=pruner.memory()) for _ in range(2))
    pruner.enter(one, 0, 1, 0.5, "pause")
    pruner.observe(one, 0, 1, 0.5)
    assert one != other
    assert other == PrunerState(filled={}, memory=type(other.memory)())
