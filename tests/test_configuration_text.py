"""A configuration as text: each form is read back by its own reader, with the same values."""

from __future__ import annotations

import argparse
import ast
import json
import math
import shlex
import tomllib

import pytest

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


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1e22, "1.0e+22"), (1.5e-07, "1.5e-07"), (0.1, "0.1"), (-2.0, "-2.0"),
        (math.inf, ".inf"), (-math.inf, "-.inf"), (math.nan, ".nan"),
        (3, "3"), (True, "true"), ("1e5", '"1e5"'), ("no", '"no"'), ("", '""'),
        ("a\x7f\u2028b\n", '"a\\U0000007f\\U00002028b\\n"'),
        ([0.9, "x", None], '[0.9, "x", null]'), ({"a b": 1e-9}, '{"a b": 1.0e-09}'),
    ],
)  # fmt: skip
def test_values_in_yaml_are_what_yaml_1_1_reads(value: object, written: str):
    assert configuration_text({"v": value}, "yaml") == f"v: {written}"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("lr", "lr"), ("opt.lr-2", "opt.lr-2"), ("_x", "_x"), ("y", '"y"'), ("YES", '"YES"'),
        ("nullable", "nullable"), ("on1", "on1"), ("1st", '"1st"'), ("-x", '"-x"'), ("a:b", '"a:b"'),
        ("a b", '"a b"'), ("é", '"é"'), ("", '""'), ("lr\n", '"lr\\n"'), ("~", '"~"'),
    ],
)  # fmt: skip
def test_names_in_yaml_are_quoted_where_they_would_be_read_otherwise(name: str, written: str):
    assert configuration_text({name: 1}, "yaml") == f"{written}: 1"


def test_tables_within_tables_are_indented_in_python():
    config = {"opt": {"lr": 0.1, "sub": {"a": [1, {}]}}, "n": 3}
    assert configuration_text(config, "python") == (
        '{\n    "opt": {\n        "lr": 0.1,\n        "sub": {\n            "a": [1, {}],\n'
        '        },\n    },\n    "n": 3,\n}'
    )
    assert configuration_text({}, "python") == "{}"
    assert configuration_text({}, "yaml") == "{}"


@pytest.mark.parametrize(
    ("config", "written"),
    [
        ({"lr": 0.1}, "--lr 0.1"),
        ({"lr": -0.1}, "--lr=-0.1"),
        ({"tag": "-x"}, "--tag=-x"),
        ({"tag": "a b"}, "--tag 'a b'"),
        ({"tag": ""}, "--tag ''"),
        ({"on": True, "off": False, "none": None}, "--on --no-off"),
        ({"betas": [0.9, 0.99], "empty": []}, "--betas 0.9 0.99 --empty"),
        ({"opt": {"lr": 0.1}}, """--opt '{"lr":0.1}'"""),
        ({}, ""),
    ],
)
def test_flags_of_each_kind_of_value(config: dict[str, object], written: str):
    assert configuration_text(config, "flags") == written
