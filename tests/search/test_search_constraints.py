"""Every method keeps the constraints, over spaces of all kinds of parameters."""

from __future__ import annotations

import pickle
from random import Random

import pytest
from hypothesis import assume, given, settings, strategies as st

from tuitune.core.search.bayes.model import bayes_model
from tuitune.core.search.points import BrokenError
from tuitune.core.search.proposal import AskModel, History, Past, Proposal, SearcherKind, identity
from tuitune.core.search.registry import complete, make_model, make_searcher
from tuitune.core.space import (
    Choice,
    Fixed,
    FloatRange,
    IntRange,
    PowerRange,
    SearchSpace,
    grid_axis,
    key,
)
from tuitune.core.spec import SearchSpec

PLAIN = ["random", "sobol", "grid"]

PARAMETERS = (
    IntRange("width", 16, 512, log=True, step=16),
    IntRange("layers", 1, 12),
    FloatRange("lr", 1e-4, 1e-1, log=True, normal=(-6.0, 1.0)),
    FloatRange("decay", 0.1, 1.0, log=True, step=0.1),
    Choice("optimizer", ("sgd", "adam", "lion"), weights=(1.0, 5.0, 2.0)),
    FloatRange("opt.momentum", 0.5, 0.99, when={"optimizer": ("sgd",)}),
    PowerRange("batch", 16, 256),
    Fixed("epochs", 3),
    IntRange("warmup", 0, 10, normal=(4.0, 2.0), when={"optimizer": ("sgd", "adam")}),
)
CONSTRAINTS = (
    "width * layers <= 1024",
    "opt.momentum + lr < 0.8",
    "optimizer == 'adam' or batch >= 64",
    "not (optimizer == 'lion' and layers > epochs)",
    "warmup < 2 * epochs",
    "decay in [0.1, 0.3, 0.8] or lr * batch > 0.1",
    "width % 32 == 0",
    "layers <= 3",
)


@st.composite
def spaces(draw):
    """A few of the parameters, in any order, with constraints between them that leave something."""
    chosen = draw(st.permutations(PARAMETERS).map(lambda order: order[: len(order) - 1]))
    names = {p.name for p in chosen}
    chosen = [p for p in chosen if p.when.keys() <= names]
    names = {p.name for p in chosen}
    whole = {rule.text: rule.names for rule in SearchSpace(PARAMETERS, CONSTRAINTS).rules}
    possible = [text for text, about in whole.items() if about <= names]
    assume(possible)
    texts = draw(st.lists(st.sampled_from(possible), min_size=1, max_size=4, unique=True))
    return SearchSpace(tuple(chosen), tuple(texts))


def checked(space, proposal):
    assert isinstance(proposal, Proposal)
    assert space.problems(proposal.config, partial=False) == []
    assert space.normalised(proposal.config) == proposal.config
    assert space.keeps(proposal.config)
    again = space.configuration(space.point(proposal.config))
    assert again.keys() == proposal.config.keys()
    countable = [p.name for p in space.parameters if getattr(p, "step", 1) is not None]
    assert all(again[name] == proposal.config[name] for name in countable if name in again)
    return proposal.config


@pytest.mark.parametrize("method", PLAIN)
@given(space=spaces(), seed=st.integers(0, 99))
@settings(max_examples=6, deadline=None)
def test_methods_without_a_model_keep_the_constraints(method, space, seed):
    spec = SearchSpec(method, seed=seed, options={"levels": 3})
    tried = set()
    searcher = make_searcher(space, spec)
    for trial in range(4):
        proposal = searcher.propose(trial, tried)
        if proposal is None:
            break
        assert proposal == make_searcher(space, spec).propose(trial, tried)
        config = checked(space, proposal)
        assert identity(space, config) not in tried
        tried.add(identity(space, config))


def figure(config):
    return config.get("lr", 0.01) + config.get("layers", 1) + config.get("warmup", 3) / 10


@pytest.mark.parametrize("method", ["tpe", "bohb", "bayes"])
@given(space=spaces(), seed=st.integers(0, 99))
@settings(max_examples=3, deadline=None)
def test_models_keep_the_constraints(method, space, seed):
    spec = SearchSpec(method, seed=seed)
    searcher, model = make_searcher(space, spec), make_model(space, spec, "min", ())
    tried, past = set(), []
    for trial in range(11):
        proposal = searcher.propose(trial, tried)
        if isinstance(proposal, AskModel):
            proposal = model.propose(trial, History(tuple(past)), tried)
        config = checked(space, proposal)
        tried.add(identity(space, config))
        past.append(Past(trial, config, ((1, figure(config)),), "ended"))


def test_the_grid_has_each_point_that_keeps_them_once():
    space = SearchSpace(PARAMETERS[1:2] + PARAMETERS[4:7], ("layers * batch <= 300",))
    spec = SearchSpec("grid", options={"levels": 2})
    searcher, found = make_searcher(space, spec), set()
    while proposal := searcher.propose(len(found), found):
        checked(space, proposal)
        found.add(identity(space, proposal.config))
    without = make_searcher(SearchSpace(space.parameters), spec)
    count = without.planned(0).why.size
    every = {key(c): c for c in (without.planned(n).config for n in range(count))}
    assert found == {name for name, config in every.items() if space.keeps(config)}
    assert 0 < len(found) < count


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_a_finite_space_is_exhausted_within_its_constraints(method):
    space = SearchSpace(
        (
            Choice("a", ("x", "y")),
            IntRange("b", 1, 9, when={"a": ("x",)}),
            IntRange("c", 1, 9),
            Choice("d", (1, 2)),
        ),
        ("b + c == 10", "c != 9 or a == 'x'"),
    )
    every = {key(config) for config in space.configurations()}
    assert every == {
        key(config)
        for config in SearchSpace(space.parameters).configurations()
        if space.keeps(config)
    }
    assert space.size == len(every) == 2 * (9 + 8)
    searcher, found = make_searcher(space, SearchSpec(method)), set()
    while proposal := searcher.propose(len(found), found):
        found.add(key(proposal.config))
    assert found == every


PLANE = (FloatRange("a", 0.0, 1.0), FloatRange("b", 0.0, 1.0))


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_a_needle_is_found_and_nothing_hangs(method):
    needle = SearchSpace(
        tuple(FloatRange(name, 0.0, 1.0) for name in "abc"),
        ("a < 0.002", "b > 0.998 + a / 10", "c - a < 0.01"),  # 0.000004 %
    )
    searcher, seen = make_searcher(needle, SearchSpec(method)), set()
    for trial in range(3):
        config = searcher.propose(trial, seen).config
        assert needle.keeps(config)
        seen.add(key(config))
    assert len(seen) == 3


def test_where_nothing_is_left_nothing_is_proposed(monkeypatch):
    monkeypatch.setattr("tuitune.core.space.groups.EMPTY_DRAWS", 2_000)  # for the sake of time
    monkeypatch.setattr("tuitune.core.space.groups._FIRST_DRAWS", 2_000)
    for text, why in (("a + b > 2.5", "no combination"), ("a - b == 0.1", "none of 2,000 draws")):
        nothing = SearchSpace(PLANE, (text,))
        assert nothing.groups[0].why_empty == why
        for method in ("random", "sobol"):
            assert make_searcher(nothing, SearchSpec(method)).propose(0, set()) is None


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_what_is_left_is_filled_evenly(method):
    space = SearchSpace(PLANE, ("a * b < 0.02 or (a - 0.6) * (a - 0.6) < 0.01 and b < 0.5",))
    searcher = make_searcher(space, SearchSpec(method))
    configs = [searcher.planned(n).config for n in range(600)]
    random = Random(0)
    every = ({"a": random.random(), "b": random.random()} for _ in range(20_000))
    fair = [config for config in every if space.keeps(config)]
    for low, high in ((0.0, 0.05), (0.05, 0.3), (0.3, 0.55), (0.55, 0.65), (0.65, 1.0)):
        for name in "ab":
            shares = [sum(low <= c[name] < high for c in cs) / len(cs) for cs in (configs, fair)]
            assert shares[0] == pytest.approx(shares[1], abs=0.055)
    assert searcher.planned(7) == make_searcher(space, SearchSpec(method)).planned(7)
    assert space.groups[0].share() == pytest.approx(len(fair) / 20_000, abs=0.01)


FORMULAS = (
    "a ** 2 + b < 0.4",
    "2 ** (a * b) > 1.9",
    "a / b > 3",
    "1 / (a - 0.5) > 4",
    "a - b == c / 10 or a % 0.3 < 0.1",
    "7 // (a + 0.1) > 20 and not b > a",
    "-a * b < -0.7 or c in [1, 3]",
    "s == 'x' and a > 0.9 or s != 'x' and b <= 0.1 and c >= 2",
    "c * a - b * 3 > 1 or (a + b) * (a - b) > 0.6",
    "0.2 < a * c < 0.3",
)


@given(
    texts=st.lists(st.sampled_from(FORMULAS), min_size=1, max_size=2, unique=True),
    shares=st.lists(st.tuples(*[st.floats(0, 1, exclude_max=True)] * 4), min_size=40, max_size=40),
)
@settings(max_examples=12, deadline=None)
def test_the_boxes_hold_all_that_keeps_the_constraints(texts, shares):
    parameters = (*PLANE, Choice("c", (1, 2, 3), ordered=True), Choice("s", ("x", "y")))
    for group in SearchSpace(parameters, tuple(texts)).groups:
        for point in shares:
            inside = any(
                all(
                    low <= point[at] <= high
                    for at, (low, high) in zip(group.places, box, strict=True)
                )
                for box in group.boxes.boxes
            )
            assert inside or not group.keeps(point)


def test_what_a_point_leaves_out_is_chosen_to_keep_them():
    space = SearchSpace(PARAMETERS, CONSTRAINTS[:1])
    points = ({"width": 512}, {"layers": 12, "lr": 0.05})
    searcher, tried = make_searcher(space, SearchSpec("random", points=points)), set()
    for trial, given_ in enumerate(points):
        proposal = searcher.propose(trial, tried)
        tried.add(identity(space, proposal.config))
        assert proposal.origin == "point"
        assert checked(space, proposal).items() >= given_.items()
    assert complete(space, SearchSpec("sobol"), 7, {"width": 512}).config["layers"] <= 2
    close = SearchSpace(PLANE, ("b > 0.9999 * a", "b < a"))
    found = complete(close, SearchSpec("sobol"), 0, {"a": 0.5}).config
    assert 0.49995 < found["b"] < 0.5
    narrow = SearchSpace(PARAMETERS, ("width * layers <= 20",))
    with pytest.raises(BrokenError, match="keep the constraints"):
        complete(narrow, SearchSpec("sobol"), 0, {"layers": 2})


def test_earlier_trials_that_break_them_teach_but_are_not_repeated():
    space = SearchSpace(PARAMETERS[:3], ("layers <= 3",))
    good = [{"width": 16 * n, "layers": 9, "lr": 0.001} for n in range(1, 9)]
    fine = [{"width": 16 * n, "layers": 2, "lr": 0.001} for n in range(1, 9)]
    foreign = [
        Past(n, c, ((1, figure(c) * (-1 if c in good else 1)),), "ended")
        for n, c in enumerate(good + fine)
    ]
    model = bayes_model(space, 0, "min")
    history, tried = History((), tuple(foreign)), set()
    for trial in range(5):
        config = checked(space, model.propose(trial, history, tried))
        tried.add(identity(space, config))


class Careless:
    """A method of a package that knows no constraints."""

    def __init__(self, space):
        self.space = space

    def planned(self, index):
        return Proposal(self.space.configuration([0.99] * len(self.space.searched)), "mine", "")

    def propose(self, trial, *_):
        return self.planned(trial)


def test_a_method_that_ignores_them_is_corrected():
    kind = SearcherKind(
        "", lambda s, _spec, _informed: Careless(s), model=lambda s, *_: Careless(s)
    )
    spec = SearchSpec("mine", installed=kind)
    space = SearchSpace(PARAMETERS, CONSTRAINTS)
    proposal = make_searcher(space, spec).propose(0, set())
    assert proposal.origin == "mine"
    checked(space, proposal)
    checked(space, make_model(space, spec, "min", ()).propose(0, History(), set()))
    free = SearchSpace(PARAMETERS)
    assert make_searcher(free, spec).propose(0, set()) == Careless(free).planned(0)


def test_draws_follow_weights_and_normal_distributions():
    space = SearchSpace(PARAMETERS)
    searcher = make_searcher(space, SearchSpec("sobol"))
    configs = [searcher.planned(n).config for n in range(512)]
    counts = [sum(c["optimizer"] == name for c in configs) for name in ("sgd", "adam", "lion")]
    assert [round(count / 64) for count in counts] == [1, 5, 2]
    warmups = [c["warmup"] for c in configs if "warmup" in c]
    assert 3.8 < sum(warmups) / len(warmups) < 4.3
    assert sum(2 <= w <= 6 for w in warmups) > 0.7 * len(warmups)
    within = sum(0.000912 < c["lr"] < 0.00674 for c in configs)  # exp(-6 - 1) to exp(-6 + 1)
    assert 0.62 < within / 512 < 0.75


def test_grids_take_equal_shares_of_a_normal_distribution():
    axis = grid_axis(FloatRange("x", -4.0, 4.0, normal=(0.0, 1.0)), 5)
    assert axis == pytest.approx((-1.2816, -0.5244, 0.0, 0.5244, 1.2816), abs=1e-3)


def test_the_first_configuration_has_the_medians_and_the_heaviest_choice():
    space = SearchSpace(PARAMETERS)
    config = make_searcher(space, SearchSpec("bayes")).propose(0, set()).config
    assert config["optimizer"] == "adam"
    assert config["lr"] == pytest.approx(0.00248, rel=0.01)
    assert config["warmup"] == 4


@pytest.mark.parametrize("method", ["tpe", "bayes"])
def test_priors_guide_the_first_trials_of_a_model(method):
    ranges = (
        FloatRange("x", 0.0, 1.0, normal=(0.2, 0.05)),
        Choice("c", ("p", "q"), weights=(9.0, 1.0)),
    )
    blind = FloatRange("x", 0.0, 1.0), Choice("c", ("p", "q"))
    past = tuple(
        Past(n, {"x": 0.05 + n / 12, "c": "pq"[n % 2]}, ((1, 0.5),), "ended") for n in range(11)
    )

    def chosen(parameters):
        model = make_model(SearchSpace(parameters), SearchSpec(method), "min", ())
        return [model.propose(n, History(past), set()).config for n in range(11, 41)]

    guided, free = chosen(ranges), chosen(blind)
    assert sum(c["c"] == "p" for c in guided) > sum(c["c"] == "p" for c in free)
    assert sum(abs(c["x"] - 0.2) < 0.1 for c in guided) > sum(abs(c["x"] - 0.2) < 0.1 for c in free)


def test_a_space_is_pickled_after_its_constraints_were_read():
    space = SearchSpace(PARAMETERS, CONSTRAINTS, frozenset({"opt.momentum"}))
    assert space.groups
    again = pickle.loads(pickle.dumps(space))
    assert again == space
    assert len(again.groups) == len(space.groups)
