"""Intervals judge a whole box of configurations: what they say holds for each one in it."""

from __future__ import annotations

import math
import operator
import re

import pytest
from hypothesis import assume, given, strategies as st

from tuitune.core.space import Choice, ConstraintError, FloatRange, IntRange, read_constraint
from tuitune.core.space.expressions import ARITHMETIC, ORDER, equal
from tuitune.core.space.intervals import Interval, disjoint, ends, ordered, power

NUMBERS = st.floats(-100.0, 100.0) | st.integers(-20, 20)
SHARES = st.floats(0.0, 1.0)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    one, other = draw(NUMBERS), draw(NUMBERS)
    return Interval(min(one, other), max(one, other))


def inside(one: Interval | float, share: float) -> float:
    low, high = ends(one)
    return min(max(low + (high - low) * share, low), high)


@given(
    st.sampled_from(list(ARITHMETIC.values())),
    intervals() | NUMBERS,
    intervals() | NUMBERS,
    st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=8),
)
def test_arithmetic_holds_each_result(function, one, other, places) -> None:
    assume(isinstance(one, Interval) or isinstance(other, Interval))
    try:
        found = function(one, other)
    except ZeroDivisionError:  # a plain number by zero is not asked for
        assume(False)
    if found is None:
        return
    assert isinstance(found, Interval)
    assert found.low <= found.high
    slack = 1e-9 * max(1.0, abs(found.low), abs(found.high))
    for left, right in places:
        value = function(inside(one, left), inside(other, right))
        assert found.low - slack <= value <= found.high + slack


@pytest.mark.parametrize(
    ("one", "other"),
    [(Interval(1, 2), Interval(-1, 1)), (5, Interval(0, 3)), (Interval(1, 2), 0)],
)
def test_a_division_by_what_may_be_zero_is_unknown(one, other) -> None:
    assert operator.truediv(one, other) is None
    assert operator.floordiv(one, other) is None


def test_a_remainder_is_unknown_from_both_sides() -> None:
    assert Interval(1, 2) % 2 is None
    assert 7 % Interval(1, 2) is None


def test_what_overflows_is_unknown() -> None:
    assert Interval(1e308, 1.7e308) * 10 is None
    assert power(Interval(10.0, 1e300), 5) is None


def test_powers_of_what_may_be_zero_or_less_are_unknown() -> None:
    assert power(Interval(0, 2), 2) is None
    assert power(-1, Interval(1, 2)) is None
    assert power(Interval(2, 3), 2) == Interval(4.0, 9.0)
    assert power(0.5, Interval(1, 2)) == Interval(0.25, 0.5)


@given(st.sampled_from(list(ORDER.values())), intervals(), intervals() | NUMBERS, SHARES, SHARES)
def test_an_order_that_is_decided_holds_everywhere(holds, one, other, left, right) -> None:
    found = holds(one, other)
    if found is not None:
        assert holds(inside(one, left), inside(other, right)) is found


@given(intervals(), intervals() | NUMBERS)
def test_what_is_in_both_is_not_disjoint(one, other) -> None:
    low = max(ends(one)[0], ends(other)[0])
    high = min(ends(one)[1], ends(other)[1])
    if low <= high:
        assert not disjoint(one, other)
        assert equal(one, other) is None
    elif low - high > 1e-6 * max(1.0, abs(low), abs(high)):
        assert disjoint(one, other)
        assert equal(one, other) is False


@pytest.mark.parametrize("other", ["adam", True])
def test_an_interval_is_never_text_nor_a_truth(other: object) -> None:
    assert equal(Interval(0, 2), other) is False
    assert equal(other, Interval(0, 2)) is False


def test_an_order_of_touching_intervals_is_open() -> None:
    assert ordered(operator.lt, Interval(0, 1), Interval(1, 2)) is None
    assert ordered(operator.le, Interval(0, 1), Interval(1, 2)) is True


PARAMETERS = {
    p.name: p
    for p in (
        IntRange("width", 1, 64),
        FloatRange("lr", 1e-3, 1.0),
        FloatRange("shift", -2.0, 2.0),
        Choice("optimizer", ("sgd", "adam")),
    )
}
TERMS = ("width", "lr", "shift", "2", "0.5", "-1")


@st.composite
def numbers_as_text(draw: st.DrawFn, depth: int = 2) -> str:
    if not depth or draw(st.booleans()):
        return draw(st.sampled_from(TERMS))
    one, other = draw(numbers_as_text(depth - 1)), draw(numbers_as_text(depth - 1))
    return f"({one} {draw(st.sampled_from(('+', '-', '*', '/', '//', '%', '**')))} {other})"


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    if draw(st.integers(0, 5)) == 0:
        return draw(
            st.sampled_from(("optimizer == 'sgd'", "optimizer != 'adam'", "width in [1, 64]"))
        )
    one, other = draw(numbers_as_text()), draw(numbers_as_text())
    return f"{one} {draw(st.sampled_from(('<', '<=', '>', '>=', '==', '!=')))} {other}"


@st.composite
def conditions(draw: st.DrawFn) -> str:
    one = draw(comparisons())
    if draw(st.booleans()):
        one = f"({one} {draw(st.sampled_from(('and', 'or')))} {draw(comparisons())})"
    return f"not {one}" if draw(st.booleans()) else one


@given(conditions(), st.data())
def test_what_a_constraint_says_of_a_box_holds_for_each_configuration_in_it(text, data) -> None:
    try:
        constraint = read_constraint(text, PARAMETERS)
    except ConstraintError:  # one without a parameter
        assume(False)
    box = {"optimizer": data.draw(st.sampled_from(("sgd", "adam")))}
    for name in ("width", "lr", "shift"):
        parameter = PARAMETERS[name]
        shares = sorted((data.draw(SHARES), data.draw(SHARES)))
        low, high = (inside(Interval(parameter.low, parameter.high), share) for share in shares)
        box[name] = low if low == high else Interval(low, high)
    verdict = constraint.holds(box)
    if verdict is None:
        return
    for _ in range(5):
        share = data.draw(SHARES)
        config = {
            name: inside(value, share) if isinstance(value, Interval) else value
            for name, value in box.items()
        }
        found = constraint.holds(config)
        assert found is verdict or undefined(text, config), (text, config)


def undefined(text: str, config: dict[str, object]) -> bool:
    """Whether some part of it has no value there, so that each comparison with it is false."""
    names = {name: value for name, value in config.items() if not isinstance(value, str)}
    try:
        numbers = [eval(part, {}, names) for part in parts_of(text)]
    except (ArithmeticError, TypeError):
        return True
    return any(isinstance(n, complex) or not math.isfinite(n) for n in numbers)


def parts_of(text: str) -> list[str]:
    if "optimizer" in text or " in " in text:
        return []
    return [
        part
        for part in re.split(r"\b(?:and|or|not)\b|[<>=!]=?", text)
        if part.count("(") == part.count(")") and part.strip()
    ]
