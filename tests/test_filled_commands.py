"""Commands and variables of a study, filled in with the values of a trial."""

from __future__ import annotations

import ast
import json
import string

import pytest
from hypothesis import given, strategies as st

from tuitune.messages.command import (
    TRIAL_VALUES,
    fill_command,
    fill_variables,
    name_and_spelling,
    placeholders,
    spelled,
    trial_values,
    variables_of_all,
)

CONFIG = {"lr": 1e-3, "depth": 3, "act": "gelu", "nesterov": True, "fp16": False, "opt.name": "sgd"}
VALUES = {**CONFIG, **trial_values("/runs/7", 7, 42, 1, None)}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{lr}", "0.001"),
        ("--lr={lr}", "--lr=0.001"),
        ("{depth}x{depth}", "3x3"),
        ("{act}", "gelu"),
        ("{act!py}", "'gelu'"),
        ("{act!json}", '"gelu"'),
        ("{nesterov}", "true"),
        ("{nesterov!py}", "True"),
        ("{nesterov!int}", "1"),
        ("{nesterov!yn}", "yes"),
        ("{fp16!yn}", "no"),
        ("{depth!int}", "3"),
        ("{lr!int}", "0.001"),
        ("{opt.name}", "sgd"),
        ("{{lr}}", "{lr}"),
        ("{{{lr}}}", "{0.001}"),
        ("{trial.number}-{trial.seed}", "7-42"),
        ("{trial.folder}/out", "/runs/7/out"),
        ("{trial.config}", "/runs/7/config.json"),
        ("{trial.gpus}", "1"),
        ("{nothing!py}", "None"),
        ("{nothing!json}", "null"),
    ],
)
def test_a_word_of_the_command(text: str, word: str) -> None:
    assert fill_command((text,), VALUES) == [word]


def test_a_value_that_is_not_there_is_an_error_outside_a_group() -> None:
    with pytest.raises(KeyError):
        fill_command(("{trial.checkpoint}",), VALUES)
    assert fill_command((("--resume", "{trial.checkpoint}"),), VALUES) == []
    there = VALUES | trial_values("/runs/7", 7, 42, 1, "/runs/7/c/3")
    assert fill_command((("--resume", "{trial.checkpoint}"),), there) == ["--resume", "/runs/7/c/3"]


def test_a_group_is_left_out_where_if_finds_nothing_or_false() -> None:
    command = ("run", ("--fast{nesterov!if}",), ("--half{fp16!if}",), ("--none{nothing!if}",))
    assert fill_command(command, VALUES) == ["run", "--fast"]


def test_in_a_group_no_spelling_stands_for_a_value_that_is_not_there() -> None:
    assert fill_command((("--x", "{nothing!py}"),), VALUES) == []


def test_a_name_with_an_exclamation_mark_is_itself() -> None:
    assert name_and_spelling("a!py", {"a!py"}) == ("a!py", "")
    assert name_and_spelling("a!py", {"a"}) == ("a", "py")
    assert fill_command(("{a!py}",), {"a!py": 1}) == ["1"]


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{lr}", "0.001"),
        ("a{lr}b", "a0.001b"),
        ("{trial.number}", "7"),
        ("{act!json}", '"gelu"'),
        ('{"lr": {lr}}', '{"lr": 0.001}'),
        ("{{lr}}", "{lr}"),
    ],
)
def test_a_variable_is_filled_in(text: str, filled: str) -> None:
    assert fill_variables({"X": text}, VALUES, CONFIG) == {"X": filled}


@pytest.mark.parametrize("text", ["", "plain", "{other}", '{"a": 1}', "{{other}}", "{}", "{ lr }"])
def test_braces_of_the_users_own_stay(text: str) -> None:
    assert fill_variables({"X": text}, VALUES, CONFIG) == {}
    assert variables_of_all({"X": text}, CONFIG) == {"X": text}


def test_a_variable_that_lacks_its_value_is_left_out() -> None:
    variables = {"RESUME": "{trial.checkpoint}", "LR": "{lr}", "SAME": "x", "HALF": "{fp16!if}"}
    assert fill_variables(variables, VALUES, CONFIG) == {"LR": "0.001"}
    assert variables_of_all(variables, CONFIG) == {"SAME": "x"}


def test_placeholders_are_those_of_parameters_and_trials() -> None:
    text = "{lr!py} {{depth}} {other} {trial.seed}"
    assert placeholders(text, CONFIG) == [("lr", "py"), ("trial.seed", "")]


@given(st.dictionaries(st.sampled_from("ABC"), st.text('{}!alrx ."', max_size=12), max_size=3))
def test_each_variable_is_the_same_in_all_trials_or_of_the_trial(variables) -> None:
    same = variables_of_all(variables, CONFIG)
    filled = fill_variables(variables, VALUES, CONFIG)
    for name, text in variables.items():
        if name in same:
            assert filled.get(name, text).replace("{", "").replace("}", "") == text.replace(
                "{", ""
            ).replace("}", "")
        else:
            assert filled.get(name) != text


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_spellings_are_read_back(value) -> None:
    assert ast.literal_eval(spelled(value, "py")) == value
    assert json.loads(spelled(value, "json")) == value


@given(st.text(string.printable) | st.text())
def test_text_is_passed_on_as_it_is(text: str) -> None:
    assert spelled(text) == spelled(text, "int") == spelled(text, "yn") == text


@given(st.integers(-(2**53), 2**53))
def test_whole_floats_are_whole_numbers_if_asked(number: int) -> None:
    assert spelled(float(number), "int") == str(number)


@given(st.text(max_size=20))
def test_escaped_braces_come_out_as_they_went_in(text: str) -> None:
    assert fill_command((text.replace("{", "{{").replace("}", "}}"),), {}) == [text]


def test_each_value_of_a_trial_has_its_name() -> None:
    assert set(trial_values("/a", 1, 2, 0, "/c")) == set(TRIAL_VALUES)
    assert set(TRIAL_VALUES) - set(trial_values("/a", 1, 2, 0, None)) == {"trial.checkpoint"}
