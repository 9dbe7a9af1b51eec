"""A configuration as text: each form is read back by its own reader, with the same values."""

from __future__ import annotations

import argparse
import ast
import json
import math
import shlex
import tomllib

from tuitune.messages.configuration import configuration_text

CONFIG = {
    "lr": 1e-05,
    "big": 1e300,
    "layers": 3,
    "optimizer": 'it\'s "adam" \x7f\x00 \U0001f600 \\',
    "betas": [0.9, 0.999],
    "nesterov": True,
    "no": False,
    "a name.with dots": {"b": [1, "x"], "c": {}},
    "empty": [],
}


def test_toml_and_json_are_read_back():
    assert tomllib.loads(configuration_text(CONFIG, "toml")) == CONFIG
    assert json.loads(configuration_text(CONFIG, "json")) == CONFIG


def test_python_is_a_dict_also_with_what_is_not_finite():
    assert ast.literal_eval(configuration_text(CONFIG, "python")) == CONFIG
    odd = {"a": None, "b": -math.inf}
    assert eval(configuration_text(odd, "python"), {}) == odd


def test_yaml_keeps_numbers_and_names_apart_from_words():
    found = configuration_text({"lr": 1e-05, "on": True, "n": None, "x": "on"}, "yaml")
    assert found == 'lr: 1.0e-05\n"on": true\n"n": null\nx: "on"'


def test_flags_are_read_by_a_command_line():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float)
    parser.add_argument("--path")
    parser.add_argument("--betas", type=float, nargs="*")
    parser.add_argument("--warm", action=argparse.BooleanOptionalAction)
    parser.add_argument("--nesterov", action=argparse.BooleanOptionalAction)
    parser.add_argument("--last", default="as it was")
    given = {"lr": -1e-05, "path": "-x y", "betas": [0.9, 1], "warm": True, "nesterov": False}
    text = configuration_text({**given, "last": None}, "flags")
    assert vars(parser.parse_args(shlex.split(text))) == {**given, "last": "as it was"}


def test_none_is_a_comment_in_toml():
    assert configuration_text({"a": None, "b": 1}, "toml") == "b = 1\n# a is None"
