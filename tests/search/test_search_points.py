"""The points that a study file gives are tried first, as they are given."""

from __future__ import annotations

import pytest

from tuitune.core.search.proposal import identity
from tuitune.core.search.registry import make_searcher
from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, Sampled, SearchSpace, key
from tuitune.core.spec import SearchSpec
from tuitune.messages.reasons import reason_words

METHODS = ["random", "sobol", "grid"]

space = SearchSpace(
    (
        FloatRange("momentum", 0.5, 0.99, when={"optimizer": ("sgd",)}),
        FloatRange("lr", 1e-4, 1e-1, log=True),
        Choice("optimizer", ("sgd", "adam")),
        Fixed("epochs", 3),
        IntRange("layers", 1, 6),
    )
)
whole = {"momentum": 0.777, "lr": 0.0123, "optimizer": "sgd", "epochs": 3, "layers": 2}


def run(where, spec, trials):
    searcher, tried, found = make_searcher(where, spec), set(), []
    for trial in range(trials):
        proposal = searcher.propose(trial, tried)
        if proposal is None:
            break
        tried.add(identity(where, proposal.config))
        found.append(proposal)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_whole_points_come_first_and_untouched(method):
    points = (whole, {"lr": 0.05, "optimizer": "adam", "layers": 6})
    found = run(space, SearchSpec(method, points=points), 4)
    assert [p.config for p in found[:2]] == [whole, {**points[1], "epochs": 3}]
    assert [p.origin for p in found] == ["point", "point", method, method]
    assert [reason_words(p.why) for p in found[:2]] == ["given point 0", "given point 1"]


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_missing_keys_are_what_the_method_has_for_that_trial(method):
    points = ({"lr": 0.01},)
    bare = make_searcher(space, SearchSpec(method, seed=5)).propose(0, set())
    given = run(space, SearchSpec(method, seed=5, points=points), 1)[0]
    assert given.config == {**bare.config, "lr": 0.01}
    filled = [name for name in bare.config if name not in ("lr", "epochs")]
    assert (
        reason_words(given.why)
        == f"given point 0, {', '.join(filled)} filled in by {reason_words(bare.why)}"
    )


def test_a_given_parent_decides_what_is_filled_in():
    points = tuple({"optimizer": choice} for choice in ("sgd", "adam") * 4)
    for proposal, point in zip(
        run(space, SearchSpec("sobol", points=points), 8), points, strict=True
    ):
        assert proposal.config["optimizer"] == point["optimizer"]
        assert ("momentum" in proposal.config) == (point["optimizer"] == "sgd")
        assert not space.problems(proposal.config, partial=False)
        assert list(proposal.config) == [
            p.name for p in space.parameters if p.name in proposal.config
        ]


def test_a_grid_fills_in_its_own_values():
    proposal = run(space, SearchSpec("grid", points=({"layers": 3},), options={"levels": 3}), 1)[0]
    assert proposal.config["lr"] in (1e-4, 1e-1)
    assert reason_words(proposal.why).endswith("filled in by grid point 1 of 72, level 0")


def test_empty_points_are_the_methods_own_to_the_last_digit():
    given = run(space, SearchSpec("sobol", seed=2, points=({},) * 50), 50)
    bare = run(space, SearchSpec("sobol", seed=2), 50)
    assert [p.config for p in given] == [p.config for p in bare]
    assert {p.origin for p in given} == {"point"}


def test_a_point_given_twice_is_tried_once():
    points = (whole, whole, {"lr": 0.05, "optimizer": "adam", "layers": 6})
    found = run(space, SearchSpec("sobol", points=points), 3)
    assert [reason_words(p.why) for p in found] == [
        "given point 0",
        "given point 2",
        "Sobol point 2",
    ]


def test_values_get_the_type_of_the_file():
    where = SearchSpace((FloatRange("x", 0.0, 2.0), Choice("batch", (2, 4))))
    found = run(where, SearchSpec("sobol", points=({"x": 1, "batch": 4.0},)), 1)[0]
    assert key(found.config) == key({"x": 1.0, "batch": 4})


@pytest.mark.parametrize("method", METHODS)
def test_points_given_while_the_study_is_under_way_come_next(method):
    searcher = make_searcher(space, SearchSpec(method, points=({"layers": 1},)))
    tried = set()
    for trial in range(10):
        tried.add(key(searcher.propose(trial, tried).config))
    points = ({"layers": 1}, whole, {"layers": 5, "lr": 0.07})
    longer = make_searcher(space, SearchSpec(method, points=points))
    found = []
    for trial in range(10, 13):
        found.append(longer.propose(trial, tried))
        tried.add(key(found[-1].config))
    assert found[0].config == whole
    assert found[1].config["lr"] == 0.07
    assert [p.origin for p in found] == ["point", "point", method]


@pytest.mark.parametrize("method", METHODS)
def test_a_finite_space_with_points_is_still_gone_through_exactly_once(method):
    where = SearchSpace(
        (Choice("a", ("x", "y")), IntRange("b", 1, 5), IntRange("c", 1, 2, when={"a": ("x",)}))
    )
    points = ({"b": 3}, {"a": "y", "b": 5}, {"a": "x", "b": 1, "c": 2}, {"b": 3})
    found = run(where, SearchSpec(method, points=points), 100)
    assert len(found) == where.size == 15
    assert {key(p.config) for p in found} == {key(c) for c in where.configurations()}


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_given_values_of_sampled_parameters_are_kept(method):
    where = SearchSpace((IntRange("b", 1, 2), Sampled("l2", "train.py:draw")))
    points = ({"l2": 0.1, "b": 1}, {"b": 1, "l2": 0.2}, {"l2": 0.3})
    found = run(where, SearchSpec(method, points=points), 5)
    assert [p.config.get("l2") for p in found] == [0.1, 0.2, 0.3, None, None]
    assert list(found[1].config) == ["b", "l2"]
    assert [p.origin for p in found] == ["point"] * 3 + [method] * 2


def test_more_points_than_the_grid_has():
    where = SearchSpace((IntRange("b", 1, 2), Choice("a", ("x", "y"))))
    points = tuple({"b": 1} for _ in range(9))
    found = run(where, SearchSpec("grid", points=points), 20)
    assert {key(p.config) for p in found} == {key(c) for c in where.configurations()}
    assert len(found) == 4
