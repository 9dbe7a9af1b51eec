"""Arithmetic with intervals, to judge a constraint for a whole box of configurations."""

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple


class Interval(NamedTuple):
    """Numbers from low to high. Results are intervals that hold all results, None for unknown."""

    low: float
    high: float

    def __add__(self, other: Any) -> Any:
        return _hull(operator.add, self, other)

    def __radd__(self, other: Any) -> Any:
        return _hull(operator.add, other, self)

    def __sub__(self, other: Any) -> Any:
        return _hull(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return _hull(operator.sub, other, self)

    def __mul__(self, other: Any) -> Any:
        return _hull(operator.mul, self, other)

    def __rmul__(self, other: Any) -> Any:
        return _hull(operator.mul, other, self)

    def __truediv__(self, other: Any) -> Any:
        return _quotient(operator.truediv, self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _quotient(operator.truediv, other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _quotient(operator.floordiv, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _quotient(operator.floordiv, other, self)

    def __mod__(self, _: Any) -> Any:
        return None

    def __rmod__(self, _: Any) -> Any:
        return None


def ends(value: Any) -> tuple[Any, Any]:
    """The ends of an interval, or a number twice."""
    return (value.low, value.high) if isinstance(value, Interval) else (value, value)


def power(base: Any, exponent: Any) -> Any:
    """The power of two intervals; unknown unless the base is positive."""
    if ends(base)[0] <= 0:
        return None
    return _hull(lambda one, two: float(one) ** float(two), base, exponent)


def ordered(holds: Callable[[Any, Any], bool], one: Any, other: Any) -> bool | None:
    """A comparison by order: true or false for all values, or None."""
    found = {holds(a, b) for a in ends(one) for b in ends(other)}
    return found.pop() if len(found) == 1 else None


def disjoint(one: Any, other: Any) -> bool:
    """Whether no value is in both."""
    (bottom, top), (low, high) = ends(one), ends(other)
    slack = 1e-9 * max(map(abs, (bottom, top, low, high)))
    return bool(top < low - slack or high < bottom - slack)


def _hull(function: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    """All results of a function that takes its extremes at the ends of both intervals."""
    try:
        corners = [function(a, b) for a in ends(one) for b in ends(other)]
    except ArithmeticError:
        return None
    if not all(math.isfinite(corner) for corner in corners):
        return None
    return Interval(min(corners), max(corners))


def _quotient(function: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    low, high = ends(other)
    return None if low <= 0 <= high else _hull(function, one, other)
