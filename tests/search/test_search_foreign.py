"""What a trial of another study comes to in this one: its configuration, and its curve."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from tuitune.core.pruning.registry import pruner_kind
from tuitune.core.search.proposal import History, Past, identity
from tuitune.core.search.registry import make_model
from tuitune.core.search.transfer import Earlier, UnfitError, fitted, past_of
from tuitune.core.space import (
    Choice,
    Fixed,
    FloatRange,
    IntRange,
    PowerRange,
    Sampled,
    SearchSpace,
)
from tuitune.core.space.parameters import levels, value_at
from tuitune.core.spec import Objective, PruningSpec, SearchSpec

LOSS = Objective("loss", "min")
RUNGS = (1, 3, 9)
SPACE = SearchSpace(
    (
        FloatRange("momentum", 0.0, 1.0, when={"optimizer": ("sgd",)}),
        FloatRange("lr", 1e-4, 1.0, log=True),
        FloatRange("decay", 0.0, 0.3, step=0.05),
        IntRange("layers", 1, 9, step=2),
        PowerRange("width", 4, 64),
        Choice("optimizer", ("sgd", "adam")),
        Fixed("epochs", 3),
        Sampled("seed", "t.py:f"),
    )
)
WHOLE = {
    "momentum": 0.5,
    "lr": 0.01,
    "decay": 0.1,
    "layers": 3,
    "width": 16,
    "optimizer": "sgd",
    "epochs": 3,
    "seed": 7,
}


def test_what_fits_stays_as_it_is_in_this_files_order():
    found, lacking = fitted(SPACE, dict(reversed(WHOLE.items())))
    assert found == WHOLE
    assert list(found) == list(WHOLE)
    assert not lacking


def test_numbers_go_to_the_nearest_value_and_strangers_are_left_out():
    found, _ = fitted(SPACE, {**WHOLE, "decay": 0.11, "width": 15.0, "layers": 3.4, "other": 1})
    assert (found["decay"], found["width"], found["layers"]) == (0.1, 16, 3)
    assert "other" not in found


NUMBERED = [
    IntRange("x", 1, 20, step=4),
    IntRange("x", -7, 9, step=3),
    IntRange("x", 2**60, 2**60 + 90, step=9),
    IntRange("x", 3, 90, log=True, step=7),
    FloatRange("x", -0.5, 2.0, step=0.25),
    FloatRange("x", 0.1, 0.75, log=True, step=0.1),
]


@given(st.sampled_from(NUMBERED), st.floats(0, 1), st.booleans())
def test_of_all_values_the_nearest_is_taken(parameter, share, whole):
    """A tie may go either way."""
    asked = parameter.low + share * (parameter.high - parameter.low)
    asked = min(max(round(asked), parameter.low), parameter.high) if whole else asked
    there = [value_at(parameter, index) for index in range(levels(parameter))]
    found, _ = fitted(SearchSpace((parameter,)), {"x": asked})
    assert found["x"] in there
    assert abs(found["x"] - asked) <= min(abs(value - asked) for value in there) * (1 + 1e-9)


def test_what_is_lacking_stands_in_the_middle():
    found, lacking = fitted(SPACE, {"optimizer": "adam", "momentum": 0.9})
    assert lacking == ["lr", "decay", "layers", "width"]
    assert found["lr"] == pytest.approx(0.01)
    assert "momentum" not in found  # it does not exist beside adam
    assert not SPACE.problems(found, partial=False)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lr": 2.0}, "lr is from 0.0001 to 1.0 here"),
        ({"lr": "fast"}, "lr is a number here"),
        ({"lr": math.nan}, "lr is from 0.0001 to 1.0 here"),
        ({"optimizer": "lion"}, 'optimizer is never "lion" here'),
        ({"epochs": 4}, "epochs is always 3 here"),
    ],
)
def test_what_has_no_place_is_told(changed, words):
    with pytest.raises(UnfitError) as told:
        fitted(SPACE, {**WHOLE, **changed})
    assert str(told.value) == words


@given(st.dictionaries(st.sampled_from(list(WHOLE)), st.integers(-5, 70) | st.floats(0, 2)))
def test_whatever_fits_is_a_configuration_of_this_space(config):
    try:
        found, _ = fitted(SPACE, config)
    except UnfitError:
        return
    assert not SPACE.problems(found, partial=False)


def past(state, value, points, objective=LOSS, rungs=RUNGS):
    step = points[-1][0] if points else 0
    earlier = Earlier(0, {"x": 1}, state, step, value, points)
    return past_of(earlier, objective, rungs)


def test_a_curve_is_read_at_the_rungs_of_its_own_study():
    points = [(at, 10.0 - at) for at in range(1, 6)]
    found = past("PRUNED", 5.0, points)
    assert (found.curve, found.state) == (((1, 9.0), (3, 7.0)), "ended")
    assert past("PRUNED", 5.0, [(4, 6.0)]).curve == ((3, 6.0),)  # one, sparse
    longer = past("COMPLETE", 1.0, [(at, float(at)) for at in range(1, 28)])
    assert longer.curve == ((1, 1.0), (3, 3.0), (9, 9.0))  # beyond the maximum nothing counts


def test_the_best_so_far_counts_where_the_study_says_so():
    best = Objective("loss", "min", "best")
    points = [(1, 2.0), (2, 1.0), (3, 5.0), (4, None), (9, 4.0)]
    assert past("COMPLETE", 1.0, points, best).curve == ((1, 2.0), (3, 1.0), (9, 1.0))


def test_without_rungs_complete_trials_count_by_their_end():
    points = [(100, 3.0), (200, 2.0)]
    assert past("COMPLETE", 2.0, points, rungs=()).curve == ((1, 2.0),)
    assert past("KILLED", 2.0, points, rungs=()) is None


def test_failures_are_kept_and_what_tells_nothing_is_not():
    assert past("FAILED", None, []).state == "failed"
    assert past("COMPLETE", None, [(1, None)]).state == "failed"  # it diverged
    assert past("KILLED", None, []) is None
    assert past("RUNNING", 2.0, [(1, 2.0)]).state == "ended"


@pytest.mark.parametrize(
    ("pruning", "found"),
    [
        (PruningSpec("none"), ()),
        (PruningSpec("none", max=9), ()),
        (PruningSpec("asha", min=1, max=27), (1, 3, 9, 27)),
        (PruningSpec("asha", min=1, max=27, brackets=3), (1, 3, 9, 27)),
        (PruningSpec("hyperband", min=2, max=50), (6, 17, 50)),
        (PruningSpec("median", min=4, max=40), (4, 12, 36, 40)),
    ],
)
def test_milestones_are_the_rungs_and_the_maximum(pruning, found):
    assert pruner_kind(pruning).make(pruning, "min").milestones == found


def test_pruned_trials_of_an_earlier_study_count_by_how_far_they_came():
    """Also in a study without rungs: the order is by the rung, then by the value there."""
    space = SearchSpace((FloatRange("x", 0.0, 1.0),))
    ends = [(0.9, ((1, 0.1),)), (0.5, ((1, 0.5), (3, 0.4), (9, 0.3)))]
    ends += [(0.7, ((1, 0.2), (3, 0.35))), (0.6, ((1, 0.3), (3, 0.3)))]
    foreign = tuple(Past(n, {"x": x}, curve, "ended") for n, (x, curve) in enumerate(ends))
    for method in ("bayes", "tpe"):
        model = make_model(space, SearchSpec(method), "min", ())
        asked, tried = [], set()
        for trial in range(4):
            proposal = model.propose(trial, History((), foreign), tried)
            tried.add(identity(space, proposal.config))
            asked.append(proposal.config["x"])
        assert [x for x in asked if x in {0.5, 0.6, 0.7}] == pytest.approx([0.5, 0.6, 0.7])
