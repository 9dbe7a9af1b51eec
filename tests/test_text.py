from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given, strategies as st

from tuitune.core.placement.hours import Allowance, Window
from tuitune.messages import text as texts
from tuitune.messages.configuration import configuration_toml
from tuitune.messages.text import duration, number, ordinal, plain, table


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


@pytest.mark.parametrize(
    ("count", "words"),
    [
        *((n, f"{n}th") for n in (0, 4, 10, 11, 12, 13, 14, 20, 30, 100, 110, 111, 112, 113, 120)),
        *((n, f"{n}st") for n in (1, 21, 31, 101, 121)),
        *((n, f"{n}nd") for n in (2, 22, 102)),
        *((n, f"{n}rd") for n in (3, 23, 1003)),
    ],
)
def test_ordinals(count: int, words: str):
    assert ordinal(count) == words


@given(st.floats(0.0, 1e8))
def test_a_duration_has_two_units_at_most_and_is_right_to_the_smaller_one(seconds):
    words = duration(seconds)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    parts = [(int(digits), units[unit]) for digits, unit in re.findall(r"(\d+)([smhd])", words)]
    assert re.fullmatch(r"\d+s|\d+m\d\ds|\d+h\d\dm|\d+d\d+h", words)
    smallest = parts[-1][1]
    assert abs(sum(n * size for n, size in parts) - seconds) <= smallest


def test_no_duration_is_below_zero():
    assert [duration(seconds) for seconds in (-0.6, -100.0)] == ["0s", "0s"]


@pytest.mark.parametrize(
    ("seconds", "joules", "words"),
    [
        (0.0, None, "0 GPU-hours"),
        (5400.0, None, "1.5 GPU-hours"),
        (3600.0, 0.0, "1 GPU-hours, 0 Wh"),
        (3600.0, 3599e3, "1 GPU-hours, 999.7 Wh"),
        (3600.0, 3600e3, "1 GPU-hours, 1 kWh"),
        (44640.0, 11160e3, "12.4 GPU-hours, 3.1 kWh"),
    ],
)
def test_what_gpus_were_used(seconds: float, joules: float | None, words: str):
    assert texts.usage_words(seconds, joules) == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Allowance(None, None), ""),
        (Allowance(2, None), "2 GPUs at most"),
        (Allowance(1, 8 * 60), "1 GPU at most until 08:00"),
        (Allowance(0, 0), "0 GPUs at most until 00:00"),
        (Allowance(None, 22 * 60 + 5), "all GPUs until 22:05"),
    ],
)
def test_what_is_allowed_now(given: Allowance, words: str):
    assert texts.allowance(given) == words


def test_counts_and_names():
    assert [texts.trial_count(n) for n in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]
    assert [texts.gpus(n) for n in (0, 1, 8)] == ["0 GPUs", "1 GPU", "8 GPUs"]
    assert texts.trial_names((3, 14)) == "#3, #14"
    assert texts.trial_names(()) == ""
    assert texts.which(7, partial=False) == "(#7)"
    assert texts.which(7, partial=True) == "(#7, partial)"
    assert texts.window(Window(22 * 60, 8 * 60, 8)) == "22:00-08:00: 8 GPUs"


def test_a_configuration_on_one_line():
    config = {"lr": 1 / 3, "n": 3, "act": "ge\nlu", "on": True, "betas": [0.9, 0.99], "none": None}
    assert texts.configuration_words(config) == (
        "lr=0.3333 n=3 act=ge lu on=True betas=[0.9, 0.99] none=None"
    )
    assert texts.configuration_words({}) == ""
