"""A configuration as YAML, read by the real PyYAML."""

from __future__ import annotations

import importlib
import math

from packages import needs

from tuitune.messages.configuration import configuration_text

needs("yaml")


def test_yaml_is_read_back_with_the_same_values():
    yaml = importlib.import_module("yaml")

    odd = {
        "y": "yes",
        "date": "2001-01-01",
        "a b: c": 'it\'s "x" \x7f\x00 \U0001f600 \\',
        "a": None,
        "b": -math.inf,
        "e": -2e-07,
        "big": 1e300,
        "on": True,
        "n": 3,
        "betas": [0.9, 1e-05],
        "deep": {"null": [1, "x"], "c": {}},
        "empty": [],
    }
    assert yaml.safe_load(configuration_text(odd, "yaml")) == odd
    assert yaml.safe_load(configuration_text({}, "yaml")) == {}
