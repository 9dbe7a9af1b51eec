"""Words for durations, failures and domains: what they say is so, whatever they are of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, given, strategies as st

from tuitune.core.events import TrialState
from tuitune.core.search.importance import Importance, ParameterImportance
from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled
from tuitune.messages import parameters as words, text
from tuitune.messages.failures import failure_groups
from tuitune.studyfile.table import MOST_BYTES, seconds, size

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def read(said):
    """The seconds of a duration that is made for people."""
    parts = re.findall(r"(\d+)([dhms])", said)
    assert "".join(number + unit for number, unit in parts) == said
    return sum(int(number) * UNITS[unit] for number, unit in parts)


@given(st.floats(0, 1e7))
def test_a_duration_has_at_most_two_units_and_loses_less_than_the_smaller_one(given_seconds):
    said = text.duration(given_seconds)
    units = re.findall(r"[dhms]", said)
    assert 1 <= len(units) <= 2
    smallest = UNITS[units[-1]]
    assert abs(read(said) - given_seconds) <= max(0.5, smallest)
    assert read(said) <= given_seconds + 0.5


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_a_longer_duration_never_reads_as_a_shorter_one(one, other):
    low, high = sorted((one, other))
    assert read(text.duration(low)) <= read(text.duration(high))


@given(st.integers(0, 10**7))
def test_a_duration_is_one_that_a_study_file_may_have(whole):
    said = text.duration(whole)
    assert seconds(said) == read(said)


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from("dhms")), min_size=1, max_size=4))
def test_durations_of_a_study_file_are_the_sums_of_their_parts(parts):
    said = "".join(f"{number}{unit}" for number, unit in parts)
    assert seconds(said) == sum(number * UNITS[unit] for number, unit in parts)
    spaced = "  ".join(f"{number}.5 {unit}" for number, unit in parts)
    assert seconds(spaced) == pytest.approx(sum((n + 0.5) * UNITS[unit] for n, unit in parts))


@given(st.text("0123456789.dhms -+e", max_size=12))
def test_any_text_is_a_duration_of_seconds_or_none(said):
    found = seconds(said)
    assert found is None or found >= 0
    if found is not None:
        assert set(said) <= set("0123456789. dhms")
        assert re.search(r"\d", said)


@given(
    st.integers(0, 10**6),
    st.sampled_from(["", "k", "K", "M", "G", "T"]),
    st.booleans(),
    st.booleans(),
)
def test_sizes_are_powers_of_a_thousand_or_of_1024(number, prefix, binary, spaced):
    said = f"{number}{' ' * spaced}{prefix}{'i' * binary}B"
    power = ["", "k", "m", "g", "t"].index(prefix.lower())
    assert size(said) == min(number * (1024 if binary else 1000) ** power, MOST_BYTES)


@pytest.mark.parametrize("said", ["", "8", "GB", "8gb", "8 G", "-1GB", "1e3MB", "8GB 2MB", ".5GB"])
def test_what_is_no_size(said):
    assert size(said) is None


@given(st.integers(0, 10_000))
def test_ordinals_end_as_they_are_said(count):
    said = text.ordinal(count)
    assert said.startswith(str(count))
    last, teens = count % 10, count % 100 in (11, 12, 13)
    expected = "th" if teens or last not in (1, 2, 3) else {1: "st", 2: "nd", 3: "rd"}[last]
    assert said.removeprefix(str(count)) == expected


@given(st.lists(st.lists(st.text("ab ", max_size=5), min_size=2, max_size=2), min_size=1))
def test_columns_of_a_table_begin_at_one_place(rows):
    lines = text.table(rows).split("\n")
    assert len(lines) == len(rows)
    start = max(len(row[0]) for row in rows) + 2
    for line, row in zip(lines, rows, strict=True):
        assert line[:start].rstrip() == row[0].rstrip()
        assert line[start:] == row[1].rstrip()


# --- failures -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    number: int
    state: TrialState
    error: str
    config: dict = field(default_factory=dict)


TRIALS = st.lists(
    st.tuples(
        st.sampled_from([TrialState.FAILED, TrialState.FAILED, TrialState.COMPLETE]),
        st.sampled_from(["out of memory", "nan", "a\nb"]),
        st.fixed_dictionaries(
            {"act": st.sampled_from(["gelu", "relu"])}, optional={"n": st.just(3)}
        ),
    ),
    max_size=12,
).map(lambda rows: [Trial(number, *row) for number, row in enumerate(rows)])


@given(TRIALS)
def test_each_failed_trial_is_in_the_group_of_its_error(trials):
    groups = failure_groups(trials)
    failed = [trial for trial in trials if trial.state == TrialState.FAILED]
    assert sorted(n for group in groups for n in group.trials) == [t.number for t in failed]
    for group in groups:
        assert {text.plain(trials[number].error) for number in group.trials} == {group.error}
        assert list(group.trials) == sorted(group.trials)
    sizes = [len(group.trials) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    assert len({group.error for group in groups}) == len(groups)


@given(TRIALS)
def test_what_a_group_shares_all_of_it_has_and_few_others(trials):
    others = [trial for trial in trials if trial.state != TrialState.FAILED]
    for group in failure_groups(trials):
        own = [trials[number].config for number in group.trials]
        for part in filter(None, group.shared.split(", ")):
            name, _, value = part.partition(" = ")
            assert len(own) > 1
            assert {str(config.get(name)) for config in own} == {value.strip('"')}
            alike = sum(trial.config.get(name) == own[0][name] for trial in others)
            assert 2 * alike < len(others)


def test_a_value_that_most_others_have_too_is_not_to_blame():
    failed = [Trial(n, TrialState.FAILED, "nan", {"act": "gelu", "lr": 0.1}) for n in range(2)]
    well = [Trial(n, TrialState.COMPLETE, "", {"act": "gelu", "lr": n / 9}) for n in range(2, 6)]
    (group,) = failure_groups([*failed, *well])
    assert group.shared == "lr = 0.1"


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        (FloatRange("x", 0.1, 2.0), "0.1 to 2.0"),
        (FloatRange("x", 0.1, 2.0, log=True), "0.1 to 2.0, log"),
        (FloatRange("x", 0.0, 2.0, step=0.5), "0.0 to 2.0, in steps of 0.5"),
        (IntRange("x", 1, 9, log=True), "1 to 9, whole, log"),
        (IntRange("x", 1, 9, step=2), "1 to 9, whole, in steps of 2"),
        (PowerRange("x", 0.25, 4.0), "0.25 to 4.0, powers of 2"),
        (Choice("x", ("a", True, 3)), 'one of "a", true, 3'),
        (Choice("x", (1, 2), ordered=True), "one of 1, 2 (ordered)"),
        (Choice("x", ("a", "b"), weights=(1.0, 2.5)), 'one of "a" (1), "b" (2.5)'),
        (Fixed("x", [1, "a"]), 'always [1, "a"]'),
        (Sampled("x", "train.py:draw"), "sampled by train.py:draw"),
        (
            FloatRange("x", 0.0, 9.0, normal=(3.0, 0.5)),
            "0.0 to 9.0, normal about 3, standard deviation 0.5",
        ),
        (
            FloatRange("x", 0.1, 9.0, log=True, normal=(0.0, 0.5)),
            "0.1 to 9.0, lognormal about 1, standard deviation 0.5",
        ),
    ],
)
def test_a_domain_in_words(parameter, said):
    assert words.domain(parameter) == said


def test_a_condition_in_words():
    assert words.condition(Fixed("x", 1)) == ""
    when = {"opt": ("sgd", "adam"), "deep": (True,)}
    said = 'when opt = "sgd" or "adam" and deep = true'
    assert words.condition(Fixed("x", 1, when=when)) == said


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=6), st.floats(-1, 1))
def test_the_most_important_come_first_and_a_poor_model_is_said_to_be_so(rises, r2):
    assume(abs(r2 - 0.1) > 1e-9)
    found = Importance(
        20,
        20,
        tuple(ParameterImportance(f"p{n}", rise, 20) for n, rise in enumerate(rises)),
        r2,
        0.5,
        100,
    )
    ordered = [one.rise for one in words.by_importance(found)]
    assert ordered == sorted(rises, reverse=True)
    assert words.is_useless(found) == (r2 < 0.1)
    assert ("predicts nothing" in words.caution(found)) == (r2 < 0.1)
    assert (words.caution(found) == "") == (r2 >= 0.4)
    assert f"{r2:.2f}" in words.score(found)
