"""The page about study files has every key that is read, and the limits that are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tuitune.studyfile.hints import KEYS, PARAMETER_KEYS
from tuitune.studyfile.reading import LONGEST_NAME
from tuitune.studyfile.trial import LONGEST_CONFIGURATION, LONGEST_WORD

PAGE = (Path(__file__).parents[2] / "docs" / "study-file.md").read_text()


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("table", "key"), [(table, key) for table, keys in KEYS.items() for key in keys]
)
def test_every_key_of_a_table_is_on_the_page(table: str, key: str):
    assert re.search(rf"`{key}`|\[{table}\.{key}\]", section(f"[{table}]"))


@pytest.mark.parametrize("key", PARAMETER_KEYS)
def test_every_key_of_a_parameter_is_on_the_page(key: str):
    assert f"`{key}`" in section("[space]")


@pytest.mark.parametrize("limit", [LONGEST_NAME, LONGEST_WORD, LONGEST_CONFIGURATION])
def test_the_limits_are_those_that_are_kept(limit: int):
    assert f"{limit:,}" in section("Limits")
