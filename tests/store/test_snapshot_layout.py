"""The layout of a snapshot tells apart all that its bytes may be read by."""

from __future__ import annotations

import sys
import types

import pytest

from tuitune.store.projection import layout_of

SOURCE = """
from __future__ import annotations
from enum import Enum
from typing import Literal
import msgspec

class Colour(Enum):
    RED = "red"

class One(msgspec.Struct, tag="one"):
    size: int = 1

class Two(msgspec.Struct, tag="two"):
    style: Style = "few"

class Base(msgspec.Struct):
    number: int

class State(Base):
    parts: dict[str, list[Part]]
    colour: Colour
    more: list[int] = []

Style = Literal["few", "many"]
Part = One | Two
"""


# The same types with annotations that Python has evaluated, or that name a type by its module
EVALUATED = """
from enum import Enum
from typing import Literal
import msgspec

class Colour(Enum):
    RED = "red"

class One(msgspec.Struct, tag="one"):
    size: int = 1

Style = Literal["few", "many"]

class Two(msgspec.Struct, tag="two"):
    style: Style = "few"

Part = One | Two

class Base(msgspec.Struct):
    number: int

class State(Base):
    parts: dict[str, list[Part]]
    colour: Colour
    more: list[int] = []
"""
QUALIFIED = """
from __future__ import annotations
import types
import msgspec
import sys

class One(msgspec.Struct, tag="one"):
    size: int = 1

parts = types.SimpleNamespace(One=One)

class State(msgspec.Struct):
    parts: dict[str, list[parts.One]]
"""


def layout(monkeypatch: pytest.MonkeyPatch, source: str) -> str:
    module = types.ModuleType("layout_sample")
    monkeypatch.setitem(sys.modules, "layout_sample", module)
    exec(source, vars(module))
    return layout_of(module.State)


def test_the_same_types_have_the_same_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    assert layout(monkeypatch, SOURCE) == layout(monkeypatch, SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('RED = "red"', 'RED = "rot"'),
        ('tag="one"', 'tag="first"'),
        ("size: int = 1", "size: int = 2"),
        ("size: int = 1", "size: float = 1"),
        ("size: int = 1", "width: int = 1"),
        ("number: int", "number: str"),
        ('"few", "many"', '"few", "all"'),
        ("Part = One | Two", "Part = One"),
        ("more: list[int]", "more: list[str]"),
    ],
)
def test_another_type_has_another_layout(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = SOURCE.replace(old, new)
    assert changed != SOURCE
    assert layout(monkeypatch, changed) != layout(monkeypatch, SOURCE)


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (EVALUATED, 'RED = "red"', 'RED = "rot"'),
        (EVALUATED, 'tag="one"', 'tag="first"'),
        (EVALUATED, "size: int = 1", "size: float = 1"),
        (EVALUATED, "number: int", "number: str"),
        (EVALUATED, '"few", "many"', '"few", "all"'),
        (EVALUATED, "Part = One | Two", "Part = One"),
        (QUALIFIED, "size: int = 1", "size: int = 2"),
        (QUALIFIED, 'tag="one"', 'tag="first"'),
        (QUALIFIED, "list[parts.One]", "set[parts.One]"),
    ],
)
def test_it_does_not_matter_how_a_type_is_named(
    source: str, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert layout(monkeypatch, source) == layout(monkeypatch, source)
    assert layout(monkeypatch, source.replace(old, new)) != layout(monkeypatch, source)
