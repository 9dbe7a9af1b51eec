"""Facts with any content that their types allow are stored, and come back as they were."""

from __future__ import annotations

import enum
import math
import sqlite3
import types
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import Reason
from tuitune.store.errors import StoreError, explained
from tuitune.store.facts import read_facts, to_columns
from tuitune.store.schema import TABLES

DAMAGED = (
    "it is damaged; `tuitune repair s` saves what can be read, or put a copy of the study folder back, "
    "or a newer tuitune wrote it, which then reads it"
)
WHOLE = st.integers(0, 2**53)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.floats(allow_nan=False, width=64)
PLAIN = st.booleans() | st.integers(-(2**63), 2**63 - 1) | NUMBERS | TEXTS
CONFIGS = st.dictionaries(
    TEXTS,
    st.recursive(
        PLAIN, lambda one: st.lists(one, max_size=2) | st.dictionaries(TEXTS, one, max_size=2)
    ),
    max_size=3,
)


@cache
def of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type, as the fields of facts have them."""
    simple = {int: WHOLE, float: NUMBERS, str: TEXTS, bool: st.booleans(), type(None): st.none()}
    if kind in simple:
        return simple[kind]
    if kind is Any:
        return PLAIN
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(of, inner))
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(of(inner[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(of, inner))
    if origin is list:
        return st.lists(of(inner[0]), max_size=2)
    if origin is dict:
        return CONFIGS if inner[1] is Any else st.dictionaries(*map(of, inner), max_size=2)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(kind)
    assert issubclass(kind, msgspec.Struct), kind
    hints = get_type_hints(kind)
    return st.deferred(
        lambda: st.builds(kind, **{name: of(hints[name]) for name in kind.__struct_fields__})
    )


KINDS = get_args(ev.AnyFact)
FACTS = st.sampled_from(KINDS).flatmap(of)


def database() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    for table in TABLES:
        db.execute(table)
    return db


def stored(facts) -> list[ev.AnyFact]:
    """The facts, written to a database in memory and read from it."""
    db = database()
    journal, reports = to_columns(facts, 0, "loss")
    db.executemany("INSERT INTO journal VALUES(?,?,?,?,?)", journal)
    db.executemany("INSERT INTO reports VALUES(?,?,?,?,?,?,?,?)", reports)
    numbered = list(read_facts(db, 0))
    assert [seq for seq, _ in numbered] == list(range(1, len(facts) + 1))
    return [fact for _, fact in numbered]


@settings(max_examples=30)
@given(st.lists(FACTS, max_size=6))
def test_any_facts_come_back_in_their_order_as_they_were(facts):
    assert stored(facts) == list(facts)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=4)
@given(st.data())
def test_each_kind_comes_back(kind, data):
    fact = data.draw(of(kind))
    (found,) = stored([fact])
    assert type(found) is kind
    assert found == fact


@settings(max_examples=30)
@given(FACTS, st.integers(1, 8))
def test_a_fact_of_an_earlier_version_has_the_defaults_of_newer_fields(fact, fewer):
    """New fields come last, with a default, so a shorter row is one that was written before."""
    kind = type(fact)
    if kind is ev.Reported:
        return
    row = msgspec.msgpack.decode(msgspec.msgpack.encode(fact))
    defaults = kind.__struct_defaults__
    cut = min(fewer, len(defaults))
    if not cut:
        return
    found = msgspec.msgpack.decode(msgspec.msgpack.encode(row[:-cut]), type=ev.AnyFact)
    names = kind.__struct_fields__
    for name in names[:-cut]:
        assert getattr(found, name) == getattr(fact, name)
    for name, default in zip(names[-cut:], defaults[-cut:], strict=True):
        assert getattr(found, name) == default


@settings(max_examples=30)
@given(FACTS, st.integers(0, 2**30), st.randoms(use_true_random=False))
def test_a_damaged_row_is_an_error_with_its_number_and_no_other_fact(fact, seq, random):
    if type(fact) is ev.Reported:
        return
    db = database()
    ((_, time, kind, trial, body),), _ = to_columns([fact], seq, "loss")
    damaged = bytearray(body)
    damaged[random.randrange(min(4, len(damaged)))] ^= 1 << random.randrange(8)
    db.execute("INSERT INTO journal VALUES(?,?,?,?,?)", (seq + 1, time, kind, trial, damaged))
    try:
        with explained(Path("runs/s/study.db")):
            ((number, found),) = read_facts(db, seq)
    except StoreError as error:
        said = str(error)
    else:  # what was changed may be a value of its own
        assert number == seq + 1
        assert type(found) in KINDS
        return
    assert said.startswith(f"runs/s/study.db: fact {seq + 1} of the journal can't be read")
    assert said.endswith(DAMAGED)


def test_a_text_that_is_no_utf8_is_a_damaged_row():
    body = msgspec.msgpack.encode(ev.Warned(1.0, 0, 1, "loss")).replace(b"loss", b"l\xe7ss")
    db = database()
    db.execute("INSERT INTO journal VALUES(1, 1.0, 'warned', 0, ?)", (body,))
    with (
        pytest.raises(StoreError, match=r"fact 1 of the journal can't be read .*it is damaged"),
        explained(Path("runs/s/study.db")),
    ):
        list(read_facts(db, 0))


@pytest.mark.parametrize(
    "metrics",
    [{}, {"loss": math.inf}, {"loss": -0.0, "a": 1e308}, {"é": 5e-324, "": 0.0}],
)
def test_metrics_of_any_kind_come_back(metrics):
    fact = ev.Reported(1.5, 3, 2, 7, metrics, can_save=True, waits=True)
    assert stored([fact]) == [fact]


def test_nan_comes_back_as_nan():
    (found,) = stored([ev.Reported(1.0, 0, 1, 1, {"loss": math.nan, "a": 2.0})])
    assert math.isnan(found.metrics["loss"])
    assert found.metrics["a"] == 2.0


@pytest.mark.parametrize(
    "fact",
    [
        ev.Proposed(1.0, 0, {"x": 2**70}, "sobol", "a point"),
        ev.Proposed(1.0, 0, {"x": object()}, "sobol", "a point"),
        ev.Proposed(1.0, 0, {"x": {1j: 2}}, "sobol", "a point"),
        ev.Warned(1.0, 0, 1, "\ud800"),
    ],
)
def test_what_can_not_be_stored_is_told_with_the_fact(fact):
    with pytest.raises(StoreError, match="a fact can't be kept: "):
        to_columns([ev.Ask(1.0, 0), fact], 0, "loss")


def test_tags_of_facts_and_of_reasons_are_each_used_once():
    """Two kinds with one tag would be read as each other."""
    reasons = [Reason]
    for kind in reasons:
        reasons += kind.__subclasses__()
    for kinds in (KINDS, [kind for kind in reasons if kind is not Reason]):
        tags = [kind.__struct_config__.tag for kind in kinds if kind.__struct_config__.tag]
        assert len(tags) == len(set(tags))
        assert len(tags) > 10
