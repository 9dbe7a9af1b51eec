"""Messages about impossible values, and the types of possible ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, assert_never

from tuitune.core.space.parameters import (
    Choice,
    Fixed,
    FloatRange,
    IntRange,
    Parameter,
    PowerRange,
    Sampled,
    index_of,
    is_number,
    spell,
    value_at,
)


def normal_value(parameter: Parameter, value: Any) -> Any:
    """A possible value with the type that the parameter has in the study file."""
    if isinstance(parameter, FloatRange) and parameter.step is None:
        return float(value)
    index = index_of(parameter, value)
    return value if index is None else value_at(parameter, index)


def value_problem(parameter: Parameter, value: object) -> str:
    """Why a value is not possible; empty where it is."""
    match parameter:
        case Sampled():
            return ""
        case Fixed():
            words = f"is fixed at {spell(parameter.value)}"
        case Choice():
            words = f"is not {any_of(parameter.values)}"
        case FloatRange() | IntRange() | PowerRange():
            return _number_problem(parameter, value)
        case _:
            assert_never(parameter)
    return words if index_of(parameter, value) is None else ""


def _number_problem(parameter: FloatRange | IntRange | PowerRange, value: object) -> str:
    if not is_number(value):
        return "is not a number"
    if not parameter.low <= value <= parameter.high:
        return f"is not within {parameter.low} to {parameter.high}"
    match parameter:
        case FloatRange(step=None):
            return ""
        case PowerRange(base=base):
            words = f"is not a power of {base}"
        case IntRange(step=1):
            words = "is not a whole number"
        case _:
            words = f"is not {parameter.low} plus a multiple of {parameter.step}"
    return words if index_of(parameter, value) is None else ""


def any_of(values: Sequence[object]) -> str:
    """Values as alternatives: "a", "b" or "c"."""
    spelled = [spell(value) for value in values]
    return " or ".join([", ".join(spelled[:-1]), spelled[-1]] if spelled[1:] else spelled)
