"""What is typed after the slash finds the trials that it says, or says what is wrong."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, strategies as st
from pictures import row, rows, snapshot, spec

from tuitune.core.space import SearchSpace
from tuitune.core.space.parameters import Choice, Fixed, FloatRange
from tuitune.ui.table.filtering import ALL, FilterError, parse

TOY = spec()
FIELDS = ("lr", "layers", "val_loss", "metric", "value", "best", "step", "rung", "trial", "tries")
SIGNS = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def found(text, *trials, of=TOY, engine="running"):
    """The numbers of the trials that are like that."""
    seen = snapshot(trials, spec=of, engine=engine)
    wanted = parse(text, of)
    return [trial.number for trial in trials if wanted.matches(trial, seen)]


def test_nothing_typed_is_every_trial():
    assert parse("   ", TOY) == ALL
    assert found("", *rows("crw")) == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("state:run", [1]),
        ("state:running", [1]),
        ("state:done,fail", [0, 2]),
        ("state!=done", [1, 2, 3, 4, 5, 6]),
        ("!state:done state!=run", [2, 3, 4, 5, 6]),
        ("run", [1]),
        ("!run", [0, 2, 3, 4, 5, 6]),
        ("has:error", [2]),
        ("!has:rung", [6]),
        ("error:NO_SUCH", []),
        ('error:"no such thing"', [2]),
        ('"no such"', [2]),
        ("thing fail", [2]),
        ("thing run", []),
        ("rung>=2", [0]),
        ("trial:1,3", [1, 3]),
        ("trial:#3", [3]),
        ("#3", [3]),
        ("trial>=5", [5, 6]),
        ("device:cpu", [1]),
    ],
)
def test_words_find_trials(text, numbers):
    assert found(text, *rows("crfpxkw")) == numbers


def test_trials_are_found_by_their_node():
    trials = [row(n, "c", node=name) for n, name in enumerate(("gpu-07", "gpu-08", ""))]
    assert found("node:gpu-07", *trials) == [0]
    assert found("gpu-08", *trials) == [1]
    assert found("node!=gpu-07", *trials) == [1, 2]


def test_what_is_about_to_be_is_a_state_too():
    trials = (row(0, "r", activity="starting"), row(1, "r", kill_at=9e9), row(2, "r"))
    assert found("state:start", *trials) == [0]
    assert found("state:stop", *trials) == [1]
    assert found("state:run", *trials) == [0, 1, 2]
    assert found("state:lost", *trials, engine="gone") == [0, 1, 2]


def test_parameters_are_compared_as_what_they_are():
    trials = (
        row(0, config={"lr": 3.12e-3, "layers": 2, "optimizer": "adamw"}),
        row(1, config={"lr": 0.1, "layers": 3, "optimizer": "sgd"}),
        row(2, config={"lr": 1e-4, "optimizer": "SGD"}),
    )
    assert found("lr<1e-3", *trials) == [2]
    assert found("lr=3.1e-3", *trials) == [0]  # as many digits as the table shows
    assert found("lr:3.2e-3", *trials) == []
    assert found("layers=2", *trials) == [0]
    assert found("layers!=2", *trials) == [1, 2]
    assert found("has:layers", *trials) == [0, 1]
    assert found("optimizer=sgd", *trials) == [1, 2]
    assert found("optimizer:ada", *trials) == [0]
    assert found("adam", *trials) == [0]


def test_choices_of_several_kinds_and_fixed_values():
    mixed = SearchSpace((Choice("augment", (True, "strong", 2)), Fixed("note", "plain")))
    of = spec(space=mixed)
    trials = [row(n, config={"augment": v}) for n, v in enumerate((True, "strong", 2))]
    assert found("augment=true", *trials, of=of) == [0]
    assert found("augment=2", *trials, of=of) == [2]
    assert found("augment:str", *trials, of=of) == [1]


def test_the_objective_has_its_own_name():
    trials = (row(0, value=0.05), row(1, value=0.2), row(2, value=None))
    assert found("val_loss<0.1", *trials) == found("metric<0.1", *trials) == [0]
    assert found("!has:val_loss", *trials) == [2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr<", "lr: needs a value, as lr<0.0001"),
        ("lr<,", "needs a value"),
        ("lr<fast", "fast is not"),
        ("lr<1,2", "one number"),
        ("lerning<1", "quote it to search"),
        ("optimiser=sgd", "did you mean optimizer?"),
        ("optimizer=rmsprop", "one of sgd, adamw"),
        ("optimizer<sgd", "can't be compared by < or >"),
        ("state:flying", "no state flying: waiting, starting, running"),
        ("state<run", "can't be compared by < or >"),
        ("has:wings", "not wings"),
        ("!", "!: needs a word"),
        ("val_acc>1", 'no column "val_acc"'),
    ],
)
def test_what_can_not_be_understood_is_said(text, words):
    with pytest.raises(FilterError, match=words.replace("?", r"\?")):
        parse(text, TOY)


@given(st.text(max_size=40) | st.text('lr<>=!:"1e-3 state,', max_size=20))
def test_whatever_is_typed_is_understood_or_told(text):
    try:
        wanted = parse(text, TOY)
    except FilterError:
        return
    seen = snapshot(rows("crfpxkw"))
    for trial in seen.rows:
        assert wanted.matches(trial, seen) in (True, False)


@given(
    name=st.sampled_from(FIELDS),
    sign=st.sampled_from(sorted(SIGNS)),
    limit=st.floats(-1e6, 1e6),
    number=st.none() | st.floats(allow_nan=True) | st.integers(-(10**6), 10**6),
)
def test_a_comparison_is_one_of_numbers_and_what_is_missing_is_never_like_it(
    name, sign, limit, number
):
    config = {"lr": number, "layers": number}
    trial = row(0, config={k: v for k, v in config.items() if v is not None})
    if name not in config:
        field = {"val_loss": "value", "metric": "value", "trial": "number", "tries": "attempt"}
        trial = msgspec.structs.replace(trial, **{field.get(name, name): number})
    known = number is not None and not math.isnan(number)
    expected = known and SIGNS[sign](number, limit)
    assert parse(f"{name}{sign}{limit!r}", TOY).matches(trial, snapshot([row(0)])) is expected


@given(
    st.lists(st.sampled_from(["state:run", "rung>=1", "sgd", "layers<4", "has:error"]), max_size=4)
)
def test_every_word_must_hold(words):
    trials = rows("crfpxkwrrc")
    each = [set(found(word, *trials)) for word in words]
    everything = set(range(len(trials)))
    assert set(found(" ".join(words), *trials)) == everything.intersection(*each)
    for word, numbers in zip(words, each, strict=True):
        assert set(found(f"!{word}", *trials)) == everything - numbers


@given(st.floats(1e-4, 1e-1))
def test_a_log_scaled_parameter_is_found_by_what_the_table_shows(value):
    of = spec(space=SearchSpace((FloatRange("lr", 1e-4, 1e-1, log=True),)))
    shown = f"{value:.2e}"
    assert found(f"lr={shown}", row(0, config={"lr": value}), of=of) == [0]


def test_held_and_paused_trials_are_told_apart():
    trials = (row(0, "p", at_rung=True), row(1, "p"), row(2, "p", activity="frozen"))
    assert found("state:held", *trials) == [0]
    assert found("state:frozen", *trials) == [2]
    assert found("state:paused", *trials) == [1, 2]
