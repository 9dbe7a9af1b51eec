"""Expressions over a configuration, made of functions; an unknown value is None.

Arithmetic with an unknown value and comparisons with it are unknown; `and`, `or` and `not` follow
Kleene's three-valued logic. A number may be an `Interval`, for a box of configurations.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tuitune.core.space import intervals, parameters
from tuitune.core.space.intervals import Interval

Evaluated = Callable[[Mapping[str, Any]], Any]  # of a configuration
_TOLERANCE = 1e-9  # relative difference below which a float equals another number


def calculated(function: Callable[[Any, Any], Any], one: Evaluated, other: Evaluated) -> Evaluated:
    """Arithmetic; NaN where it is undefined, as a division by zero is."""

    def value(config: Mapping[str, Any]) -> Any:
        left, right = one(config), other(config)
        if left is None or right is None:
            return None
        try:
            return function(left, right)
        except ArithmeticError:
            return math.nan

    return value


def compared(
    function: Callable[[Any, Any], bool | None], one: Evaluated, other: Evaluated
) -> Evaluated:
    """A comparison: unknown where one of the sides is."""

    def value(config: Mapping[str, Any]) -> bool | None:
        left, right = one(config), other(config)
        return None if left is None or right is None else function(left, right)

    return value


def all_of(parts: Sequence[Evaluated]) -> Evaluated:
    """False where a part is, otherwise unknown where a part is."""
    return _decided(parts, by=False)


def any_of(parts: Sequence[Evaluated]) -> Evaluated:
    """True where a part is, otherwise unknown where a part is."""
    return _decided(parts, by=True)


def _decided(parts: Sequence[Evaluated], *, by: bool) -> Evaluated:
    """The value of the first part that alone decides; without one its opposite, or unknown."""

    def value(config: Mapping[str, Any]) -> bool | None:
        is_known = True
        for part in parts:
            found: bool | None = part(config)
            if found is by:
                return by
            is_known = is_known and found is not None
        return not by if is_known else None

    return value


def negated(part: Evaluated) -> Evaluated:
    """The opposite; unknown where the part is."""

    def value(config: Mapping[str, Any]) -> bool | None:
        found = part(config)
        return None if found is None else not found

    return value


def _power(base: Any, exponent: Any) -> Any:
    """The power as a float: one of whole numbers could have any number of digits."""
    if isinstance(base, Interval) or isinstance(exponent, Interval):
        return intervals.power(base, exponent)
    try:
        found = float(base) ** float(exponent)
    except OverflowError:
        return math.inf if base > 0 else math.nan
    return math.nan if isinstance(found, complex) else found


def _is_close(one: float, other: float) -> bool:
    """Equal, or nearly so if one of them is a float: 0.1 + 0.2 is 0.3."""
    if one == other:
        return True
    if isinstance(one, int) and isinstance(other, int):
        return False
    try:
        return abs(one - other) <= _TOLERANCE * max(abs(one), abs(other)) < math.inf
    except OverflowError:  # a whole number that is too large for a float
        return False


def equal(one: Any, other: Any) -> bool | None:
    """Whether two values are equal; numbers may differ by a billionth of their size."""
    if parameters.is_number(one) and parameters.is_number(other):
        return _is_close(one, other)
    if isinstance(one, Interval) or isinstance(other, Interval):
        are_numbers = (
            parameters.is_number(one) or parameters.is_number(other) or isinstance(one, type(other))
        )
        return False if not are_numbers or intervals.disjoint(one, other) else None
    return parameters.same(one, other)


def _ordering(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool | None]:
    def function(one: Any, other: Any) -> bool | None:
        if isinstance(one, Interval) or isinstance(other, Interval):
            return intervals.ordered(holds, one, other)
        return holds(one, other)

    return function


# The operators that constraints may use.
ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], bool | None]] = {
    ast.Lt: _ordering(lambda one, other: one < other and not _is_close(one, other)),
    ast.LtE: _ordering(lambda one, other: one <= other or _is_close(one, other)),
    ast.Gt: _ordering(lambda one, other: one > other and not _is_close(one, other)),
    ast.GtE: _ordering(lambda one, other: one >= other or _is_close(one, other)),
}
ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
