from __future__ import annotations

import tomllib

from hypothesis import given, strategies as st

from tuitune.studyfile.document import written

scalars = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def in_order(value):
    """Dictionaries as pairs, since `==` of two of them knows no order."""
    if isinstance(value, dict):
        return [(key, in_order(inner)) for key, inner in value.items()]
    return [in_order(inner) for inner in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), values, max_size=4), max_size=4))
def test_what_is_written_reads_as_it_was_and_in_its_order(document):
    assert in_order(tomllib.loads(written(document))) == in_order(document)


def test_parameters_keep_their_places():
    space = {"lr": {"low": 1e-4, "high": 0.1}, "optimizer": ["sgd", "adamw"], "depth": 3}
    assert list(tomllib.loads(written({"space": space}))["space"]) == list(space)


def test_keys_above_the_tables_stay_above_them():
    document = {"space": {"x": 1}, "name": "a"}
    assert tomllib.loads(written(document)) == document
