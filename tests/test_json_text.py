"""JSON text of the commands: any parser reads it, whatever a trial has said."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, strategies as st

from tuitune.messages.as_json import as_json, is_utf8

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3)
    ),
)


def finite(value):
    """The value as JSON can have it."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {readable(name): finite(one) for name, one in value.items()}
        case list():
            return [finite(one) for one in value]
        case str():
            return readable(value)
    return value


def readable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


@given(VALUES, st.sampled_from([0, 2]), st.booleans())
def test_it_is_strict_json_with_the_same_content(value, indent: int, ascii_only: bool) -> None:
    text = as_json(value, indent=indent, ascii_only=ascii_only)
    read = json.loads(text, parse_constant=pytest.fail)
    assert read == finite(value)
    assert not ascii_only or text.isascii()
    assert indent or "\n" not in text


def test_a_name_that_is_not_utf8_is_escaped() -> None:
    assert json.loads(as_json({"file": "a\udcff.py"})) == {"file": "a\\udcff.py"}
    assert json.loads(as_json([("x", "\ud800")])) == [["x", "\\ud800"]]


def test_signs_beyond_ascii_may_be_kept_or_escaped() -> None:
    assert as_json("µ🙂") == '"µ🙂"'
    assert as_json("µ🙂", ascii_only=True) == '"\\u00b5\\ud83d\\ude42"'


@pytest.mark.parametrize(
    ("encoding", "utf8"),
    [
        ("utf-8", True), ("UTF8", True), ("utf_8", True), ("U8", True),
        ("ascii", False), ("latin-1", False), ("utf-16", False),
        (None, False), ("", False), ("no such encoding", False),
    ],
)  # fmt: skip
def test_utf8_by_any_of_its_names(encoding: str | None, utf8: bool) -> None:
    assert is_utf8(encoding) is utf8
