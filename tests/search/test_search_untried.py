"""What every method owes: the same answer to the same question, and nothing twice by chance."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core.search.proposal import identity
from tuitune.core.search.registry import make_searcher
from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, Sampled, SearchSpace, key
from tuitune.core.spec import SearchSpec
from tuitune.messages.reasons import reason_words

METHODS = ["random", "sobol", "grid"]

mixed = SearchSpace(
    (
        FloatRange("lr", 1e-4, 1e-1, log=True),
        Choice("optimizer", ("sgd", "adam")),
        FloatRange("momentum", 0.5, 0.99, when={"optimizer": ("sgd",)}),
        IntRange("layers", 1, 100, log=True),
        Fixed("seed", 7),
    )
)
finite = SearchSpace(
    (
        Choice("optimizer", ("sgd", "adam", "lbfgs")),
        IntRange("layers", 1, 9, log=True),
        IntRange("warmup", 0, 4, when={"optimizer": ("sgd",)}),
        Choice("nesterov", (True, False), when={"optimizer": ("sgd",), "layers": (1, 2)}),
    )
)
# Half of the cube is one configuration, and the other half shares 60 of them.
lopsided = SearchSpace((Choice("a", ("one", "many")), IntRange("b", 1, 60, when={"a": ("many",)})))


def propose_all(space, spec, tried=None):
    searcher, tried, found = make_searcher(space, spec), set(tried or ()), []
    while proposal := searcher.propose(len(found), tried):
        assert not space.problems(proposal.config, partial=False)
        identical = identity(space, proposal.config)
        assert identical not in tried
        tried.add(identical)
        found.append(proposal)
    return found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("space", [finite, lopsided])
@pytest.mark.parametrize("seed", range(3))
def test_a_finite_space_is_exhausted_exactly(method, space, seed):
    found = propose_all(space, SearchSpec(method, seed=seed))
    assert {key(p.config) for p in found} == {key(c) for c in space.configurations()}
    assert len(found) == space.size


@pytest.mark.parametrize("method", METHODS)
def test_what_was_tried_by_others_is_not_proposed_and_exhausts_too(method):
    every = [key(c) for c in finite.configurations()]
    found = propose_all(finite, SearchSpec(method), tried=every[::2])
    assert {key(p.config) for p in found} == set(every[1::2])


@pytest.mark.parametrize("method", METHODS)
def test_tried_ones_from_outside_the_space_exhaust_nothing(method):
    strangers = {f"stranger {number}" for number in range(1000)}
    found = propose_all(finite, SearchSpec(method), tried=strangers)
    assert len(found) == finite.size


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 2**70), trial=st.integers(0, 5000), known=st.sets(st.integers(0, 80)))
@settings(max_examples=25, deadline=None)
def test_the_same_question_gets_the_same_answer(method, seed, trial, known):
    every = [key(c) for c in finite.configurations()]
    tried = {every[number % len(every)] for number in known}
    spec = SearchSpec(method, seed=seed)
    used = make_searcher(finite, spec)
    for earlier in range(3):
        used.propose(earlier, set())
    answer = used.propose(trial, tried)
    assert answer == make_searcher(finite, spec).propose(trial, tried)
    if answer is not None:
        assert key(answer.config) not in tried


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_seeds_and_trials_draw_apart(method):
    drawn = {
        key(make_searcher(mixed, SearchSpec(method, seed=seed)).propose(trial, set()).config)
        for seed in range(5)
        for trial in range(20)
    }
    assert len(drawn) == 100


def test_random_draws_are_uniform_in_the_cube():
    searcher = make_searcher(mixed, SearchSpec("random"))
    points = [mixed.point(searcher.propose(trial, set()).config) for trial in range(1000)]
    for axis in (0, 1, 3):
        mean = sum(point[axis] for point in points) / 1000
        assert 0.45 < mean < 0.55
    low = sum(point[0] < 0.25 for point in points)
    assert 190 < low < 310


def test_the_words_say_where_a_configuration_comes_from():
    spec = SearchSpec("random")
    proposal = make_searcher(mixed, spec).propose(4, set())
    assert (proposal.origin, reason_words(proposal.why)) == ("random", "random draw 4")
    searcher = make_searcher(lopsided, SearchSpec("sobol"))
    first = searcher.propose(0, set())
    second = searcher.propose(0, {key(first.config)})
    assert second.origin == "sobol"
    assert reason_words(second.why) == "random draw 0, as Sobol point 0 was tried before"


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_an_endless_space_with_a_small_branch_leaves_it_once_it_was_tried(method):
    space = SearchSpace(
        (Choice("a", ("one", "many")), FloatRange("b", 0.0, 1.0, when={"a": ("many",)}))
    )
    searcher, tried = make_searcher(space, SearchSpec(method)), set()
    for trial in range(100):
        proposal = searcher.propose(trial, tried)
        assert key(proposal.config) not in tried
        tried.add(key(proposal.config))


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_what_is_yet_to_be_sampled_is_never_a_repetition(method):
    space = SearchSpace((Choice("a", (1, 2)), Sampled("l2", "train.py:draw")))
    searcher, tried = make_searcher(space, SearchSpec(method)), set()
    for trial in range(20):
        config = searcher.propose(trial, tried).config
        assert set(config) == {"a"}
        tried.add(identity(space, config))
    assert len(tried) == 2


def test_a_sampled_parameter_that_is_inactive_makes_nothing_new():
    space = SearchSpace(
        (Choice("a", ("x", "y")), Sampled("l2", "train.py:draw", when={"a": ("x",)}))
    )
    searcher = make_searcher(space, SearchSpec("random"))
    tried = {identity(space, {"a": "x", "l2": 0.3}), identity(space, {"a": "y"})}
    assert {searcher.propose(t, tried).config["a"] for t in range(30)} == {"x"}


@pytest.mark.parametrize("method", METHODS)
def test_a_space_of_fixed_values_is_one_configuration(method):
    space = SearchSpace((Fixed("a", 1), Fixed("b", [1, {"c": 2}])))
    assert [p.config for p in propose_all(space, SearchSpec(method))] == [
        {"a": 1, "b": [1, {"c": 2}]}
    ]


@pytest.mark.parametrize("method", METHODS)
def test_no_parameters_at_all_is_one_configuration(method):
    assert [p.config for p in propose_all(SearchSpace(()), SearchSpec(method))] == [{}]


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_a_large_space_that_is_nearly_all_tried_gives_its_rest(method):
    space = SearchSpace((IntRange("a", 1, 3000),))
    rest = {17, 1400, 2999}
    tried = {key({"a": number}) for number in range(1, 3001)} - {key({"a": n}) for n in rest}
    found = propose_all(space, SearchSpec(method), tried)
    assert {p.config["a"] for p in found} == rest


class Everything:
    """Whatever is asked for was tried before."""

    def __contains__(self, identity):
        return True

    def __len__(self):
        return 10**6


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_an_endless_space_is_never_exhausted(method):
    proposal = make_searcher(mixed, SearchSpec(method)).propose(3, Everything())
    assert not mixed.problems(proposal.config, partial=False)
