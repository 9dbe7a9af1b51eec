"""The form of a trial by hand: what is typed, what it means, what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled, SearchSpace
from tuitune.ui.state.form import filled, read_form, read_text, typed

SPACE = SearchSpace(
    (
        FloatRange("lr", 1e-4, 1e-1, log=True),
        FloatRange("momentum", 0.5, 0.99, when={"optimizer": ("sgd",)}),
        IntRange("layers", 1, 6),
        PowerRange("width", 4, 256),
        Choice("optimizer", ("sgd", "adamw")),
        Choice("bias", (True, False)),
        Choice("version", ("1", "2")),
        Fixed("seed", 3),
        Sampled("l2", "toy.py:draw"),
    )
)


def field(texts, name):
    return next(f for f in read_form(SPACE, texts).fields if f.name == name)


def test_what_is_left_empty_is_left_to_the_search():
    form = read_form(SPACE, {})
    assert form.config == {}
    assert form.problem == ""
    assert [f.name for f in form.fields] == [p.name for p in SPACE.parameters]


def test_values_are_read_as_the_study_file_would():
    form = read_form(
        SPACE,
        {
            "lr": "1e-3",
            "layers": "4",
            "optimizer": "adamw",
            "bias": "true",
            "version": "2",
            "l2": "0.5",
        },
    )
    assert form.problem == ""
    assert form.config == {
        "lr": 1e-3,
        "layers": 4,
        "optimizer": "adamw",
        "bias": True,
        "version": "2",
        "l2": 0.5,
    }


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("lr", "1", "is not within 0.0001 to 0.1"),
        ("lr", "fast", "is not a number"),
        ("lr", "nan", "is not within"),
        ("layers", "2.5", "is not a whole number"),
        ("layers", "7", "is not within 1 to 6"),
        ("width", "6", "is not a power of 2"),
        ("optimizer", "adam", 'is not "sgd" or "adamw"'),
        ("bias", "1", "is not true or false"),
        ("seed", "4", "is fixed at 3"),
    ],
)
def test_a_mistake_is_told_at_its_line(name, text, words):
    found = field({name: text}, name)
    assert words in found.problem
    assert found.below() == found.problem
    assert name in read_form(SPACE, {name: text}).problem


def test_a_parameter_is_there_only_beside_its_parents_values():
    away = field({"optimizer": "adamw", "momentum": "0.9"}, "momentum")
    assert not away.exists
    assert away.problem == ""
    assert 'unused unless optimizer = "sgd"' in away.below()
    assert "momentum" not in read_form(SPACE, {"optimizer": "adamw", "momentum": "0.9"}).config
    there = read_form(SPACE, {"optimizer": "sgd", "momentum": "0.9"})
    assert there.config == {"momentum": 0.9, "optimizer": "sgd"}


def test_a_conditional_value_needs_its_parent_said():
    found = field({"momentum": "0.9"}, "momentum")
    assert "give optimizer too" in found.problem


def test_below_a_line_stands_what_it_may_be():
    assert "0.0001 to 0.1, log" in field({}, "lr").below()
    assert "left empty" in field({}, "lr").below()
    assert "left empty" not in field({"lr": "0.01"}, "lr").below()
    assert 'one of "sgd", "adamw"' in field({}, "optimizer").below()
    assert 'when optimizer = "sgd"' in field({}, "momentum").below()


def test_a_trials_configuration_comes_back_as_it_was():
    config = {
        "lr": 0.00123,
        "layers": 2,
        "width": 64,
        "optimizer": "sgd",
        "momentum": 0.75,
        "bias": False,
        "version": "2",
    }
    form = read_form(SPACE, filled(SPACE, config))
    assert form.problem == ""
    assert form.config == {**config, "seed": 3}


@given(st.lists(st.floats(0, 1), min_size=7, max_size=7))
def test_every_configuration_of_the_space_goes_through_the_form(point):
    config = SPACE.configuration(point)
    form = read_form(SPACE, filled(SPACE, config))
    assert form.problem == ""
    assert form.config == config
    assert SPACE.problems(form.config, partial=True) == []


@given(st.dictionaries(st.sampled_from([p.name for p in SPACE.parameters]), st.text(max_size=12)))
def test_what_the_form_lets_pass_the_space_lets_pass(texts):
    form = read_form(SPACE, texts)
    if not form.problem:
        assert SPACE.problems(form.config, partial=True) == []


@given(
    st.one_of(
        st.text(max_size=20),
        st.booleans(),
        st.integers(-99, 99),
        st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_a_value_typed_is_read_as_itself(value):
    if isinstance(value, str) and not value.isprintable():
        return
    assert read_text(typed(value)) == value


def test_typed_values_that_break_a_constraint_are_told_at_once():
    space = SearchSpace(SPACE.parameters, ("layers * width <= 64", "lr < 0.01 or momentum < 0.8"))
    assert read_form(space, {"layers": "2", "width": "32"}).problem == ""
    assert read_form(space, {"layers": "3", "lr": "0.05"}).problem == ""
    form = read_form(space, {"layers": "3", "width": "32"})
    assert form.problem == "layers = 3, width = 32: breaks the constraint layers * width <= 64"
    assert "lr: " in read_form(space, {"layers": "3", "width": "32", "lr": "9"}).problem


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("adamw", "adamw"), ("a b", "a b"), ("1", '"1"'), ("true", '"true"'), ("[1]", '"[1]"'),
        ("1e-3", '"1e-3"'), (True, "true"), (1e-3, "0.001"), ([1, "x"], '[1, "x"]'),
    ],
)  # fmt: skip
def test_a_value_is_typed_without_quotes_unless_it_would_be_read_as_another(value, text):
    assert typed(value) == text
    assert read_text(text) == value


def test_a_mistake_at_a_line_comes_before_a_constraint_that_is_broken():
    space = SearchSpace(
        (FloatRange("low", 0.0, 1.0), FloatRange("high", 0.0, 1.0)), ("low < high",)
    )
    both = read_form(space, {"low": "0.9", "high": "0.1"})
    assert both.broken
    assert both.problem == both.broken
    wrong = read_form(space, {"low": "0.9", "high": "7"})
    assert (wrong.problem.startswith("high: "), wrong.broken) == (True, "")
    well = read_form(space, {"low": "0.1", "high": "0.9"})
    assert (well.problem, well.config) == ("", {"low": 0.1, "high": 0.9})


def test_a_fixed_value_beside_a_parent_that_is_not_given_is_not_counted():
    space = SearchSpace(
        (Choice("optimizer", ("sgd", "adamw")), Fixed("nesterov", 1, when={"optimizer": ("sgd",)}))
    )
    unknown = read_form(space, {"nesterov": "1"})
    assert (unknown.config, unknown.problem) == ({}, "")
    wrong = read_form(space, {"nesterov": "2"})
    assert wrong.problem.startswith("nesterov: ")
    known = read_form(space, {"optimizer": "sgd", "nesterov": "1"})
    assert known.config == {"optimizer": "sgd", "nesterov": 1}
    unused = read_form(space, {"optimizer": "adamw", "nesterov": "1"})
    assert (unused.config, unused.problem) == ({"optimizer": "adamw"}, "")
    (line,) = (one for one in unused.fields if one.name == "nesterov")
    assert line.below() == 'unused unless optimizer = "sgd"'
