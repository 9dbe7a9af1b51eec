from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuitune.engine.orders import attempt_seed
from tuitune.messages.command import fill_command, spelled


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


@given(seed=st.integers(), trial=st.integers(0, 10**6), attempt=st.integers(0, 99))
def test_seeds_are_32_bits_and_the_same_again(seed, trial, attempt):
    one = attempt_seed(seed, trial, attempt)
    assert 0 <= one < 2**32
    assert one == attempt_seed(seed, trial, attempt)


def test_no_two_attempts_share_a_seed():
    seeds = {attempt_seed(s, t, a) for s in range(5) for t in range(50) for a in range(4)}
    assert len(seeds) == 5 * 50 * 4
