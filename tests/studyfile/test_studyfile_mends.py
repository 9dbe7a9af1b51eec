"""What a message says to write is accepted where it is written, and ends the problem."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from random import Random

import pytest
from hypothesis import assume, given, settings, strategies as st

from tuitune.core.space import SearchSpace, levels
from tuitune.studyfile import hints
from tuitune.studyfile.document import written
from tuitune.studyfile.problems import Problems
from tuitune.studyfile.reading import read_study

RIGHT = {
    "objective": {"metric": "loss", "mode": "min"},
    "trial": {"target": "train.py:train"},
    "space": {"lr": {"low": 0.1, "high": 0.9}},
}
ODD = [float("inf"), float("-inf"), float("nan")]
STEPS = 8  # mends one after another, each of which may uncover another problem

NUMBERS = st.sampled_from(
    [-3, -1, 0, 1, 2, 3, 4, 8, 9, 27, 2**40, 2**63, -(2**70), 10**30]
) | st.sampled_from(
    [-1.5, -0.0, 0.0, 1e-300, 1e-6, 0.25, 0.5, 1.0, 2.5, 3.0, 8.0, 1e18, 1e300, *ODD]
)
WORDS = st.sampled_from(
    ["", " ", "a", "3", "0.5", "min", "max", "int", "float", "90s", "0s", "8GB", "0GB", "90", "sgd"]
)
PLAIN = NUMBERS | WORDS | st.booleans()
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.just({}) | st.just({"lr": 0.5})


def read(document):
    problems = Problems("s.toml")
    spec = read_study(document, Path("/nowhere/s.toml"), problems, check_target=False)
    return spec, problems.found


def mend_of(problem):
    """The assignments that the message says to write, as a table; None where it says none."""
    said = problem.rpartition("; write ")[2]
    for ending in ("", ", say", " or more", " or less", ", or"):
        text = said.partition(ending)[0] if ending else said
        try:
            found = tomllib.loads(f"x = {{ {text} }}")["x"]
        except tomllib.TOMLDecodeError:
            continue
        if found:
            return found
    return None


def words_of(problem):
    """The words that the message offers for its key: write "min" or "max"."""
    said = problem.rpartition("; ")[2]
    return re.findall(r'"([^"]+)"', said) if re.fullmatch(r'write "\w+"( or "\w+")+', said) else []


def place_of(problem, table):
    """The key of a problem of this table."""
    found = re.match(rf"s\.toml: \[{table}\] ([\w-]+)", problem)
    return found[1] if found else None


# --- the keys of tables ---------------------------------------------------------------------------

KEYS = [
    (table, key)
    for table, keys in hints.KEYS.items()
    for key in keys
    if table not in ("notify", "log") and key not in ("from", "env", "metrics", "command")
]


@settings(max_examples=120)
@given(st.sampled_from(KEYS), VALUES)
def test_a_wrong_value_is_one_problem_of_its_key_and_its_mend_is_accepted(place, value):
    table, key = place
    document = {**RIGHT, table: {**RIGHT.get(table, {}), key: value}}
    seen = []
    for _ in range(STEPS):
        _, found = read(document)
        if not found:
            return
        assert found[0] not in seen  # what was written would have ended it
        seen.append(found[0])
        assert key in place_of(found[0], table) or "method" in found[0]
        mend = mend_of(found[0])
        if mend is None:
            return
        assert set(mend) <= {*hints.KEYS[table], *document[table]}
        document = {**document, table: {**document[table], **mend}}
    raise AssertionError(seen)


@settings(max_examples=50)
@given(st.sampled_from(KEYS), VALUES)
def test_each_word_that_a_message_offers_is_one_that_its_key_takes(place, value):
    table, key = place
    document = {**RIGHT, table: {**RIGHT.get(table, {}), key: value}}
    _, found = read(document)
    for word in words_of(found[0]) if found else ():
        _, left = read({**document, table: {**document[table], key: word}})
        assert not any(f"] {key} = " in problem and " is no " in problem for problem in left)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_each_problem_names_a_key_that_the_file_has_or_lacks(wrong):
    document = {name: dict(table) for name, table in RIGHT.items()}
    for (table, key), value in wrong.items():
        document.setdefault(table, {})[key] = value
    _, found = read(document)
    for problem in found:
        named = re.match(r"s\.toml: (?:\[(\w+)\](?: ([\w\[\]-]+))?|its name)", problem)
        assert named is not None, problem
        if named[1] and named[2]:
            assert named[1] in document
            assert named[2].partition("[")[0] in hints.KEYS[named[1]]


# --- one parameter --------------------------------------------------------------------------------


@st.composite
def entries(draw):
    """A table of one parameter, near to a right one."""
    kind = draw(st.sampled_from(["low", "low", "low", "choices", "normal", "lognormal", "value"]))
    entry = {}
    if kind == "low":
        entry = {"low": draw(NUMBERS), "high": draw(NUMBERS)}
    elif kind == "choices":
        entry["choices"] = draw(st.lists(PLAIN, max_size=4))
    elif kind == "value":
        entry["value"] = draw(VALUES)
    else:
        entry[kind] = draw(st.lists(NUMBERS, min_size=1, max_size=3))
    beside = ["low", "high", "log", "step", "powers_of", "type", "ordered", "weights", "likely"]
    for key in draw(st.lists(st.sampled_from(beside), max_size=2)):
        entry.setdefault(key, draw(VALUES))
    return entry


@settings(max_examples=150)
@given(entries())
def test_a_parameter_is_mended_by_what_its_messages_say(entry):
    seen = []
    for _ in range(STEPS):
        spec, found = read({**RIGHT, "space": {"x": entry}})
        if not found:
            usable(spec.space)
            return
        assert len(found) == 1
        problem = found[0]
        assert problem.startswith(("s.toml: [space] x", "s.toml: [search] method"))
        assert problem.rpartition(": ")[2] not in seen
        seen.append(problem.rpartition(": ")[2])
        mend = mend_of(problem)
        if mend is None:
            return
        entry = mend.get("x", {**entry, **mend})
        if not isinstance(entry, dict):
            spec, found = read({**RIGHT, "space": {"x": entry}})
            assert found == []
            return
    raise AssertionError(seen)


@settings(max_examples=150)
@given(entries())
def test_what_has_no_effect_is_left_out_as_the_message_says(entry):
    """Each message names the key that goes, or two of which either may."""
    for _ in range(len(entry)):
        _, found = read({**RIGHT, "space": {"x": entry}})
        said = found[0].rpartition(": ")[2] if found else ""
        named = re.match(r"(\w+) has no effect with (\w+); leave one of them out", said)
        if named is None:
            return
        without = [{k: v for k, v in entry.items() if k != named[place]} for place in (1, 2)]
        assert all(len(less) == len(entry) - 1 for less in without)
        for less in without:
            left = read({**RIGHT, "space": {"x": less}})[1]
            assert not any(said in problem for problem in left)
        entry = without[0]
    assert entry


def usable(space: SearchSpace):
    """A space that was read has a configuration anywhere, each with a place of its own."""
    for share in (0.0, 0.3, 0.5, 1.0):
        point = space.placed([share] * len(space.searched))
        config = space.configuration(point)
        assert space.problems(config, partial=False) == []
        assert space.normalised(config) == config
        assert space.problems(space.configuration(space.point(config)), partial=False) == []
    for parameter in space.searched:
        count = levels(parameter)
        assert count is None or count >= 1


@settings(max_examples=30)
@given(st.lists(entries(), min_size=1, max_size=4))
def test_a_file_that_is_read_is_written_and_read_again_as_the_same_study(several):
    entries = {f"p{place}": entry for place, entry in enumerate(several)}
    document = {**RIGHT, "space": {"right": {"low": 0.0, "high": 1.0}, **entries}}
    spec, found = read(document)
    broken = {place_of(problem, "space") for problem in found} - {None}
    document["space"] = {n: e for n, e in document["space"].items() if n not in broken}
    spec, found = read(document)
    assume(not found)
    again, found = read(tomllib.loads(written(document)))
    assert found == []
    assert again == spec


@settings(max_examples=50)
@given(st.randoms(use_true_random=False), st.integers(1, 4))
def test_the_problems_of_parameters_do_not_depend_on_each_other(random: Random, count):
    """Each broken parameter has its own message, whatever stands beside it and in which order."""
    broken = {
        "a": {"low": 3, "high": 1},
        "b": {"low": 0, "high": 1},
        "c": {"choices": []},
        "d": {"low": 1, "high": 9, "step": 0},
        "e": {"low": -1.0, "high": 1.0, "log": True},
        "f": {"normal": [0.0]},
    }
    alone = {n: read({**RIGHT, "space": {n: entry}})[1] for n, entry in broken.items()}
    names = random.sample(sorted(broken), count)
    right = {"x": {"low": 0.1, "high": 0.2}, "y": [1, 2], "z": 3}
    space = list({**{n: broken[n] for n in names}, **right}.items())
    random.shuffle(space)
    _, found = read({**RIGHT, "space": dict(space)})
    assert sorted(found) == sorted(words for n in names for words in alone[n])


@pytest.mark.parametrize(
    "entry",
    [
        {"low": -3, "high": 1e18, "step": 1e-300},
        {"low": -1e308, "high": 1e308, "step": 1.0},
        {"low": 0.0, "high": 1.0, "step": 5e-324},
        {"low": 1e-300, "high": 1.0, "step": 1e-310, "log": True},
        {"normal": [0.0, 1.0], "step": 5e-324},
        {"normal": [1e300, 1.0], "step": 1e-300},
        {"lognormal": [100.0, 1.0], "step": 1e-300},
    ],
)
def test_steps_without_number_are_refused(entry):
    (problem,) = read({**RIGHT, "space": {"x": entry}})[1]
    assert "has too many steps to count; write a larger step or leave it out" in problem


def test_as_many_steps_as_a_float_can_tell_apart_are_taken():
    spec, found = read({**RIGHT, "space": {"x": {"low": 0.0, "high": 2.0**52, "step": 1.0}}})
    assert found == []
    usable(spec.space)


@pytest.mark.parametrize(
    "given_as",
    [
        "tune.uniform(0.1, 0.9)",
        "tune.quniform(0.1, 0.9, 0.1)",
        "tune.loguniform(1e-4, 1e-1)",
        "tune.randint(1, 10)",
        "tune.lograndint(1, 10)",
        "tune.randn(0, 1)",
        "trial.suggest_float('x', 0.1, 0.9)",
        "suggest_int(1, 10)",
    ],
)
def test_a_distribution_of_another_tool_is_mended_by_what_is_said_of_it(given_as):
    (problem,) = read({**RIGHT, "space": {"x": given_as}})[1]
    said = problem.rpartition("; write ")[2].partition(", both")[0]
    ends = said.replace("low = …", "low = 1").replace("high = …", "high = 9")
    entry = tomllib.loads(f"x = {ends.replace('step = …', 'step = 0.1')}")["x"]
    spec, found = read({**RIGHT, "space": {"x": entry}})
    assert found == []
    usable(spec.space)
