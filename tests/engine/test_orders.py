from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tuitune.engine.orders import attempt_seed
from tuitune.messages.command import (
    fill_command,
    fill_variables,
    spelled,
    trial_values,
    variables_of_all,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (3, "3"),
        (0.001, "0.001"),
        (1e-5, "1e-05"),
        ("adamw", "adamw"),
        ([0.9, "a"], '[0.9, "a"]'),
    ],
)
def test_values_are_spelled_as_toml_does_but_for_quotes(value, text):
    assert spelled(value) == text


def test_placeholders_are_filled_and_braces_escaped():
    command = ("train", "--lr={lr}", "{{literal}}", "{name}-{lr}")
    assert fill_command(command, {"lr": 0.1, "name": "a b"}) == [
        "train",
        "--lr=0.1",
        "{literal}",
        "a b-0.1",
    ]


def test_a_group_goes_whole_when_its_parameter_is_inactive():
    command = ("train", ("--momentum", "{momentum}"), "--lr", "{lr}")
    assert fill_command(command, {"lr": 0.1}) == ["train", "--lr", "0.1"]
    assert fill_command(command, {"lr": 0.1, "momentum": 0.9})[1:3] == ["--momentum", "0.9"]


@pytest.mark.parametrize(
    ("spelling", "texts"),
    [
        ("py", ["True", "3.0", "1e-05", "'a b'", "[False, 'x']"]),
        ("json", ["true", "3.0", "1e-05", '"a b"', '[false, "x"]']),
        ("int", ["1", "3", "1e-05", "a b", '[false, "x"]']),
        ("yn", ["yes", "3.0", "1e-05", "a b", '[false, "x"]']),
    ],
)
def test_a_value_is_spelled_as_the_program_reads_it(spelling, texts):
    values = [True, 3.0, 1e-05, "a b", [False, "x"]]
    assert [spelled(value, spelling) for value in values] == texts


def test_a_spelling_stands_in_a_placeholder():
    command = ("train", "--bias={bias!py}", ("--new{bias!if}",), ("--old{tied!if}",), "{a!b}")
    values = {"bias": True, "tied": False, "a!b": 1}
    assert fill_command(command, values) == ["train", "--bias=True", "--new", "1"]


def test_what_is_not_there_is_nothing_in_python_and_json_and_leaves_a_group_out():
    command = ("train", "{momentum!py}", "{momentum!json}", ("{momentum!py}",))
    assert fill_command(command, {}) == ["train", "None", "null"]


def test_a_command_gets_what_is_the_trials_own():
    command = (
        *("{trial.folder}/out", "{trial.number}", "{trial.seed}", "{trial.config}"),
        *("--gpus={trial.gpus}", ("--resume", "{trial.checkpoint}")),
    )
    begun = trial_values("/runs/s/trials/0007", 7, 3, 1, None)
    first = ["/runs/s/trials/0007/out", "7", "3", "/runs/s/trials/0007/config.json", "--gpus=1"]
    assert fill_command(command, begun) == first
    goes_on = trial_values("/runs/s/trials/0007", 7, 3, 1, "/c")
    assert fill_command(command, goes_on) == [*first, "--resume", "/c"]


def test_variables_have_placeholders_among_braces_of_their_own():
    variables = {
        "OUT": "{trial.folder}/out",
        "JSON": '{"lr": {lr}, "on": {bias!json}, "{x}": {{lr}}}',
        "MOMENTUM": "{momentum}",
        "PLAIN": '{"a": {"b": {}}} {x}',
    }
    names = {"lr", "bias", "momentum"}
    values = {"lr": 0.1, "bias": True, **trial_values("/t", 0, 1, 0, None)}
    assert fill_variables(variables, values, names) == {
        "OUT": "/t/out",
        "JSON": '{"lr": 0.1, "on": true, "{x}": {lr}}',
    }
    assert variables_of_all(variables, names) == {"PLAIN": variables["PLAIN"]}


@given(seed=st.integers(), trial=st.integers(0, 10**6), attempt=st.integers(0, 99))
def test_seeds_are_32_bits_and_the_same_again(seed, trial, attempt):
    one = attempt_seed(seed, trial, attempt)
    assert 0 <= one < 2**32
    assert one == attempt_seed(seed, trial, attempt)


def test_no_two_attempts_share_a_seed():
    seeds = {attempt_seed(s, t, a) for s in range(5) for t in range(50) for a in range(4)}
    assert len(seeds) == 5 * 50 * 4
