"""The first trials of a study with a model: no model is asked, and beliefs count at once."""

from __future__ import annotations

import pytest

from tuitune.core.search.proposal import AskModel, identity
from tuitune.core.search.registry import make_searcher
from tuitune.core.search.start import START
from tuitune.core.space import Choice, FloatRange, IntRange, SearchSpace
from tuitune.core.spec import SearchSpec
from tuitune.messages.reasons import reason_words

PLAIN = SearchSpace((FloatRange("lr", 1e-4, 1.0, log=True), Choice("o", ("a", "b", "c"))))
BELIEVED = SearchSpace(
    (
        FloatRange("lr", 1e-4, 1.0, log=True, likely=(3e-3,)),
        Choice("o", ("a", "b", "c"), likely=("b",)),
        IntRange("layers", 1, 9, likely=(2, 4)),
        FloatRange("dropout", 0.0, 1.0),
    )
)


@pytest.mark.parametrize("method", ["bayes", "tpe"])
def test_after_the_middle_the_first_trials_are_sobols_and_the_next_the_models(method):
    searcher = make_searcher(PLAIN, SearchSpec(method, seed=3))
    sobol = make_searcher(PLAIN, SearchSpec("sobol", seed=3))
    middle = searcher.propose(0, set())
    assert middle.config == {"lr": pytest.approx(1e-2), "o": sobol.propose(0, set()).config["o"]}
    assert reason_words(middle.why) == "the middle of every range"
    for trial in range(1, START):
        assert searcher.propose(trial, set()).config == sobol.propose(trial, set()).config
    assert searcher.propose(START, set()) == AskModel()
    assert searcher.propose(0, set()).origin == "sobol start"


def test_who_has_earlier_studies_asks_the_model_from_the_first_trial_on():
    searcher = make_searcher(PLAIN, SearchSpec("bayes"), informed=True)
    assert searcher.propose(0, set()) == AskModel()


def test_points_come_before_the_start_and_are_part_of_it():
    points = ({"lr": 0.5, "o": "a"},) * 2
    searcher = make_searcher(PLAIN, SearchSpec("bayes", points=points))
    tried = set()
    first = searcher.propose(0, tried)
    assert first.origin == "point"
    tried.add(identity(PLAIN, first.config))
    assert searcher.propose(1, tried).origin == "sobol start"
    assert searcher.propose(START, tried) == AskModel()


def test_what_is_likely_comes_first_to_the_last_digit():
    first = make_searcher(BELIEVED, SearchSpec("bayes")).propose(0, set()).config
    assert (first["lr"], first["o"], first["layers"]) == (3e-3, "b", 3)


def test_every_other_point_of_the_start_is_drawn_to_what_is_likely():
    searcher = make_searcher(BELIEVED, SearchSpec("bayes", seed=1))
    start = [searcher.propose(trial, set()) for trial in range(START)]
    assert all(5e-4 < p.config["lr"] < 2e-2 and p.config["o"] == "b" for p in start[::2])
    assert len({p.config["dropout"] for p in start}) == START
    plain = [p for p in start[1::2] if not 5e-4 < p.config["lr"] < 2e-2 or p.config["o"] != "b"]
    assert plain


def test_what_has_no_middle_begins_anywhere():
    unordered = SearchSpace((Choice("o", ("a", "b", "c")),))
    assert (
        reason_words(make_searcher(unordered, SearchSpec("bayes")).propose(0, set()).why)
        == "Sobol point 0"
    )
    ordered = SearchSpace((Choice("width", (16, 32, 64)), IntRange("layers", 1, 5)))
    first = make_searcher(ordered, SearchSpec("bayes", seed=8)).propose(0, set())
    assert first.config == {"width": 32, "layers": 3}


def test_a_space_smaller_than_the_start_is_exhausted():
    space = SearchSpace((Choice("o", ("a", "b", "c")),))
    searcher, tried = make_searcher(space, SearchSpec("tpe")), set()
    for trial in range(3):
        tried.add(identity(space, searcher.propose(trial, tried).config))
    assert len(tried) == 3
    assert searcher.propose(3, tried) is None
