from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuitune.messages.configuration import configuration_toml
from tuitune.messages.text import duration, number, plain, table


@given(st.text())
def test_nothing_that_a_trial_says_can_steer_a_terminal(text):
    assert plain(text).isprintable()
    assert len(plain(text)) == len(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0s"), (59, "59s"), (190, "3m10s"), (7500, "2h05m"), (97200, "1d3h")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_numbers():
    assert [number(v) for v in (None, 0.123456, float("nan"), 1e-7)] == [
        "-",
        "0.1235",
        "nan",
        "1e-07",
    ]


def test_a_configuration_reads_back_as_toml():
    configuration = {"lr": 1e-5, "layers": 3, "betas": [0.9, 0.999], "name": 'a"b', "flag": True}
    assert tomllib.loads(configuration_toml(configuration)) == configuration


def test_columns_line_up():
    assert table([["a", "bb"], ["ccc", "d"]]) == "a    bb\nccc  d"
