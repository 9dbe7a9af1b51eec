"""Nested tables of [space], placeholders of drafts and hints: as their functions see them."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given, strategies as st

from tuitune.studyfile import hints
from tuitune.studyfile.document import parsed, written
from tuitune.studyfile.fill_ins import FILL_IN, check_filled_in
from tuitune.studyfile.nesting import flattened, joined
from tuitune.studyfile.problems import Problems

NAMES = st.text("abcé_-", min_size=1, max_size=4)
PARAMETERS = st.one_of(
    st.lists(st.integers(0, 3), min_size=2, max_size=3),
    st.fixed_dictionaries({"low": st.just(1), "high": st.integers(2, 9)}),
    st.fixed_dictionaries({"value": st.integers()}),
    st.fixed_dictionaries({"choices": st.just(["a", "b"]), "when": st.just({"a": 1})}),
)
TABLES = st.recursive(
    PARAMETERS, lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=8
)


def leaves(table: dict, above: str = "") -> dict:
    """The parameters of nested tables, by their dotted names."""
    found = {}
    for name, entry in table.items():
        if isinstance(entry, dict) and not {"low", "value", "choices"} & set(entry):
            found |= leaves(entry, f"{above}{name}.")
        else:
            found[f"{above}{name}"] = entry
    return found


@given(st.dictionaries(NAMES, TABLES, max_size=4))
def test_each_parameter_has_a_dotted_name(content) -> None:
    problems = Problems("study.toml")
    entries, in_tables = flattened(content, problems)
    assert problems.found == []
    assert entries == leaves(content)
    assert in_tables == {name for name in entries if name not in content}


@given(st.dictionaries(NAMES, TABLES, max_size=4))
def test_a_point_is_joined_as_the_space_is_flattened(content) -> None:
    entries, _ = flattened(content, Problems("study.toml"))

    def point(table, above=""):
        return {
            name: 1 if f"{above}{name}" in entries else point(entry, f"{above}{name}.")
            for name, entry in table.items()
        }

    assert joined(point(content), entries) == dict.fromkeys(entries, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"m": {"a": [1, 2], "constraints": ["a < 2"]}}, "belongs in [space] itself"),
        ({"m": {"a": [1, 2], "when": {"b": 1}}}, "is not a parameter; write when"),
        ({"m": {"a.b": [1, 2]}}, "has a dot in a name"),
        ({"m": {"a": [1, 2]}, "m.a": [3, 4]}, "is there twice"),
    ],
)
def test_what_nested_tables_may_not_hold(content, words: str) -> None:
    problems = Problems("study.toml")
    flattened(content, problems)
    (found,) = problems.found
    assert words in found


def test_a_parameter_may_be_called_as_a_key_of_a_parameter() -> None:
    content = {"step": {"low": {"low": 1, "high": 2}, "size": [1, 2]}}
    entries, _ = flattened(content, Problems("study.toml"))
    assert list(entries) == ["step.low", "step.size"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"objective": {"metric": FILL_IN}}, "the name of the metric to improve"),
        ({"trial": {"command": ["a", "--data", FILL_IN]}}, 'is to get after "--data"'),
        ({"trial": {"command": [FILL_IN]}}, "is to get as its first word"),
        ({"trial": {"command": ["a", ["--x", FILL_IN]]}}, 'is to get after "--x"'),
        ({"trial": {"command": ["--x=FILL-IN"]}}, 'in place of FILL-IN in "--x=FILL-IN"'),
        ({"trial": {"metrics": {"loss": FILL_IN}}}, "the metric's name = 'its pattern'"),
        ({"trial": {"metrics": {FILL_IN: "x"}}}, "the metric's name = 'its pattern'"),
        ({"space": {"lr": FILL_IN}}, "write a value of your own"),
        ({"space": {"lr": {"value": FILL_IN}}}, "write a value of your own"),
        ({"search": {"trials": FILL_IN}}, "write a value of your own"),
    ],
)
def test_each_place_to_fill_in_is_named(document, words: str) -> None:
    problems = Problems("study.toml")
    assert check_filled_in(document, problems)
    assert words in problems.found[0]


@pytest.mark.parametrize(
    "document",
    [{}, {"a": 1}, {"trial": {"command": "a FILL"}}, {"objective": {"metric": "loss"}}],
)
def test_a_document_without_such_a_place(document) -> None:
    problems = Problems("study.toml")
    assert not check_filled_in(document, problems)
    assert problems.found == []


VALUES = st.recursive(
    st.booleans() | st.integers(-99, 99) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.text(max_size=4),
        st.dictionaries(st.text(max_size=4), VALUES, max_size=3) | VALUES,
        max_size=4,
    )
)
def test_a_written_document_reads_as_it_was(document) -> None:
    text = written(document)
    assert tomllib.loads(text) == document
    tables = [name for name, value in document.items() if isinstance(value, dict)]
    assert [name for name in tomllib.loads(text) if name in tables] == tables


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("search.trials=20", ["search", "trials"], 20),
        ("search.trials = 20 ", ["search", "trials"], 20),
        ("search.method=tpe", ["search", "method"], "tpe"),
        ('search.method="tpe"', ["search", "method"], "tpe"),
        ('space."opt.lr".low=1e-3', ["space", "opt.lr", "low"], 1e-3),
        ("space.lr={ low = 1, high = 2 }", ["space", "lr"], {"low": 1, "high": 2}),
        ("trial.env.A=b=c", ["trial", "env", "A"], "b=c"),
        ("limits.time=", ["limits", "time"], ""),
        ("devices.allow=[0, 1]", ["devices", "allow"], [0, 1]),
        ("trials", [], "trials"),
        ("=1", [], 1),
        ("a b=1", [], 1),
        ("a..b=1", [], 1),
    ],
)
def test_an_override_is_a_path_and_a_value(override: str, path: list[str], value: object) -> None:
    found, read = parsed(override)
    assert found == path
    assert not path or read == value


@given(st.text(max_size=20))
def test_any_text_is_an_override_or_none(text: str) -> None:
    path, _ = parsed(text)
    assert all(isinstance(part, str) for part in path)
    assert "=" in text or path == []


@pytest.mark.parametrize(
    ("table", "key", "words"),
    [
        ("search", "n_trials", "here it is trials in [search]"),
        ("search", "N-Jobs", "here it is concurrency in [search]"),
        ("search", "Trials", "did you mean trials?"),
        ("search", "retries", "it belongs in [trial]"),
        ("search", "method", "did you mean method?"),
        ("search", "trails", "did you mean trials?"),
        ("trial", "xyzzy", "there are: target, command"),
        ("limits", "memori", "did you mean memory in [trial]?"),
        ("pruning", "eta", "here it is reduction in [pruning]"),
    ],
)
def test_an_unknown_key_is_mended(table: str, key: str, words: str) -> None:
    assert words in hints.unknown_key(table, key)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("params", "here it is the table [space]"),
        ("trials", "it belongs in [search]"),
        ("serach", "did you mean [search]?"),
        ("xyzzy", "there are: study, objective"),
        ("method", "it belongs in [search] or [pruning]"),
    ],
)
def test_an_unknown_table_is_mended(name: str, words: str) -> None:
    assert words in hints.unknown_table(name)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("min", 1, "here it is low"),
        ("Upper", 1, "here it is high"),
        ("q", 1, "here it is step"),
        ("probabilities", [1], "here it is weights"),
        ("loguniform", [1e-4, 0.1], '{ low = 0.0001, high = 0.1, log = true, type = "float" }'),
        ("randint", [1, 9], "{ low = 1, high = 9 }, both ends included"),
        ("choice", ["a"], "a list: [1, 2, 3]"),
        ("uniform", "x", '{ low = …, high = …, type = "float" }'),
        ("hihg", 1, "did you mean high?"),
    ],
)
def test_an_unknown_key_of_a_parameter_is_mended(key: str, value: object, words: str) -> None:
    assert words in hints.unknown_in_parameter(key, value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tune.loguniform(1e-4, 1e-1)", '{ low = 1e-4, high = 1e-1, log = true, type = "float" }'),
        ("trial.suggest_int('n', 1, 9)", "{ low = …, high = … }, both ends included"),
        ("randint(1, 9)", "{ low = 1, high = 9 }, both ends included"),
        ("tune.sample_from(lambda _: 1)", '{ sample = "file.py:function" }'),
        ("np.array([1])", ""),
        ("uniform", ""),
        ("", ""),
    ],
)
def test_calls_of_other_tools(text: str, words: str) -> None:
    assert hints.called(text) == words


@pytest.mark.parametrize(
    ("value", "known", "words"),
    [
        ("ASHAScheduler", ["asha", "none"], 'did you mean "asha"?'),
        ("minimize", ["min", "max"], 'did you mean "min"?'),
        ("maxx", ["min", "max"], 'did you mean "max"?'),
        ("xyzzy", ["min", "max"], 'write "min" or "max"'),
        ("gp", ["random"], 'write "random"'),
    ],
)
def test_an_unknown_value_is_mended(value: str, known: list[str], words: str) -> None:
    assert hints.unknown_value(value, known) == words


@given(st.sampled_from(sorted(hints.KEYS)), st.text(max_size=12))
def test_a_key_that_is_meant_exists(table: str, key: str) -> None:
    found = hints.meant(table, key)
    assert found is None or found[1] in hints.KEYS[found[0]]


def test_every_hint_leads_to_a_key_that_exists() -> None:
    for table, keys in hints.KEYS.items():
        for key in keys:
            assert hints.meant(table, key) is not None
            assert "there is no such key; did you mean" in hints.unknown_key(table, key)
