"""Kinds of parameters, their values, and the cell of [0, 1] that each value has."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard, assert_never

import msgspec

_LARGEST_FLOAT = 1.7976931348623157e308

Value = bool | int | float | str | list[Any] | dict[str, Any]


class FloatRange(msgspec.Struct, frozen=True):
    """Floats from low to high, both included; with a step, low, low + step, … only.

    normal: the mean and the standard deviation of the distribution that draws follow, truncated to
    the range; with log those of the natural logarithm.
    """

    name: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    when: Mapping[str, tuple[Value, ...]] = {}
    likely: tuple[float, ...] = ()  # where the user expects the best: one value, or low and high
    normal: tuple[float, float] | None = None


class IntRange(msgspec.Struct, frozen=True):
    """Whole numbers from low to high, both included, a step apart. normal: as of FloatRange."""

    name: str
    low: int
    high: int
    log: bool = False
    step: int = 1
    when: Mapping[str, tuple[Value, ...]] = {}
    likely: tuple[int, ...] = ()  # where the user expects the best: one value, or low and high
    normal: tuple[float, float] | None = None


class PowerRange(msgspec.Struct, frozen=True):
    """Powers of a whole base from low to high, which are powers of it themselves."""

    name: str
    low: int | float
    high: int | float
    base: int = 2
    when: Mapping[str, tuple[Value, ...]] = {}
    likely: tuple[float, ...] = ()  # where the user expects the best: one value, or low and high


class Choice(msgspec.Struct, frozen=True):
    """One of several distinct values; ordered: neighbours in the list are similar.

    weights: of the values, in proportion to which they are drawn; empty: all are equal.
    """

    name: str
    values: tuple[Value, ...]
    ordered: bool = False
    when: Mapping[str, tuple[Value, ...]] = {}
    likely: tuple[Value, ...] = ()  # the values among which the user expects the best
    weights: tuple[float, ...] = ()


class Fixed(msgspec.Struct, frozen=True):
    """One value that every trial gets."""

    name: str
    value: Value
    when: Mapping[str, tuple[Value, ...]] = {}


class Sampled(msgspec.Struct, frozen=True):
    """A value that the user's function draws: f(random.Random, configuration so far)."""

    name: str
    target: str  # "file.py:function" or "package.module:function"
    when: Mapping[str, tuple[Value, ...]] = {}


Parameter = FloatRange | IntRange | PowerRange | Choice | Fixed | Sampled


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether it is an int or a float; a bool is neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def spell(value: object) -> str:
    """A value as a study file spells it, for messages."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(spell(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {spell(item)}" for name, item in value.items()) + " }"
    return str(value)


def same(one: object, other: object) -> bool:
    """Whether two values are equal: 1 equals 1.0, but true does not equal 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return type(one) is type(other) and one == other


def listed(parameter: Parameter) -> tuple[Value, ...]:
    """The values of a choice and of a fixed parameter; empty for ranges and samples."""
    match parameter:
        case Choice(values=values):
            return values
        case Fixed(value=value):
            return (value,)
        case _:
            return ()


def levels(parameter: Parameter) -> int | None:
    """The number of distinct values; None for a continuous or a sampled parameter."""
    match parameter:
        case FloatRange(low=low, high=high, step=float(step)):
            # A billionth of a step is tolerance: 0.3 / 0.1 = 2.9999999999999996.
            return math.floor((high - low) / step + 1e-9) + 1
        case IntRange(low=first, high=last, step=stride):
            return (last - first) // stride + 1
        case PowerRange():
            return _exponent(parameter.high, parameter.base) - _first_exponent(parameter) + 1
        case Choice(values=values):
            return len(values)
        case Fixed():
            return 1
        case _:
            return None


def value_at(parameter: Parameter, index: int) -> Value:
    """The value with this number, from 0; ValueError for a continuous or sampled parameter."""
    match parameter:
        case FloatRange(low=low, high=high, step=float(step)):
            places = max(_decimals(step), _decimals(low))
            return min(max(round(low + index * step, places), low), high)
        case IntRange(low=first, step=stride):
            return first + index * stride
        case PowerRange(low=bottom, base=base):
            power = _power(base, _first_exponent(parameter) + index)
            return float(power) if isinstance(bottom, float) else power
        case Choice(values=values):
            return values[index]
        case Fixed(value=value):
            return value
        case _:
            raise ValueError(f"{parameter.name} has no countable values")


def index_of(parameter: Parameter, value: object) -> int | None:
    """The number, from 0, of a countable value; None where it is not a possible one."""
    match parameter:
        case Choice(values=values):
            return next((i for i, known in enumerate(values) if same(known, value)), None)
        case Fixed(value=known):
            return 0 if same(known, value) else None
    count = levels(parameter)
    if count is None or not is_number(value):
        return None
    index = nearest_index(parameter, value)
    if index is None or not 0 <= index < count:
        return None
    found = value_at(parameter, index)
    assert isinstance(found, int | float)
    close = found == value or (
        isinstance(parameter, FloatRange)
        and math.isclose(found, value, rel_tol=1e-9, abs_tol=1e-9 * (parameter.step or 0.0))
    )
    return index if close else None


def from_unit(parameter: Parameter, u: float) -> Value:
    """The value at u in [0, 1]; each countable value has an equal cell.

    On a log scale the cell of v is [v, v + step), on a scale from low to the last value + step.
    """
    u = min(max(u, 0.0), 1.0)
    match parameter:
        case FloatRange(step=None):
            return _continuous(parameter, u)
        case FloatRange(log=True, step=float(step)) | IntRange(log=True, step=step):
            bottom, width = _log_scale(parameter)
            index = int((math.exp(bottom + u * width) - parameter.low) / step)
            return value_at(parameter, min(max(index, 0), (levels(parameter) or 1) - 1))
    count = levels(parameter)
    if count is None:
        raise ValueError(f"{parameter.name} is sampled: it has no coordinate")
    return value_at(parameter, min(int(u * count), count - 1))


def rounded(parameter: Parameter, value: Value) -> Value:
    """A value of a continuous range with 6 significant figures, then clipped to the range.

    It has more in a range that is so narrow, relative to its values, that 6 would leave fewer than
    1000 of them. All other values are returned as they are.
    """
    if not isinstance(parameter, FloatRange) or parameter.step is not None:
        return value
    low, high = parameter.low, parameter.high
    if value in (low, high):
        return value
    width = high - low
    largest = max(abs(low), abs(high))
    figures = 6
    if 0.0 < width < largest / 1000.0:
        figures = min(17, 3 + math.ceil(math.log10(largest / width)))
    return min(max(float(f"{value:.{figures}g}"), low), high)


def to_unit(parameter: Parameter, value: object) -> float:
    """The middle of the value's cell in [0, 1]; ValueError for an impossible value."""
    match parameter:
        case FloatRange(step=None):
            return _continuous_to_unit(parameter, value)
        case _:
            index = index_of(parameter, value)
            count = levels(parameter)
    if index is None or count is None:
        raise ValueError(f"{spell(value)} is not a value of {parameter.name}")
    if isinstance(parameter, FloatRange | IntRange) and parameter.log:
        bottom, width = _log_scale(parameter)
        number, step = parameter.low + index * (parameter.step or 1), parameter.step or 1
        return ((math.log(number) + math.log(number + step)) / 2 - bottom) / width
    return (index + 0.5) / count


def _log_scale(parameter: FloatRange | IntRange) -> tuple[float, float]:
    """The logarithm of the lowest value, and the width in log of all cells of countable values."""
    bottom = math.log(parameter.low)
    end = parameter.low + (parameter.step or 1) * (levels(parameter) or 1)
    return bottom, math.log(end) - bottom


def grid_width(parameter: Parameter, continuum: int) -> int:
    """The number of a grid's values; ValueError for a sampled parameter.

    continuum: that of a continuous parameter.
    """
    match parameter:
        case FloatRange(step=None):
            return continuum
        case Sampled():
            raise ValueError(f"{parameter.name} is sampled: a grid can't include it")
    return levels(parameter) or 1


def _continuous(parameter: FloatRange, u: float) -> float:
    low, high = parameter.low, parameter.high
    if u in (0.0, 1.0):
        return high if u else low
    if parameter.log:
        value = math.exp((1 - u) * math.log(low) + u * math.log(high))
    else:
        value = (1 - u) * low + u * high
    return min(max(value, low), high)


def _continuous_to_unit(parameter: FloatRange, value: object) -> float:
    low, high = parameter.low, parameter.high
    if not is_number(value) or not low <= value <= high:
        raise ValueError(f"{spell(value)} is not a value of {parameter.name}")
    at, bottom, top = float(value), low, high
    if parameter.log:
        at, bottom, top = math.log(at), math.log(low), math.log(high)
    # Halves avoid the overflow of the widest ranges; the narrowest may have a width of 0.
    width = top / 2 - bottom / 2
    return min(max((at / 2 - bottom / 2) / width, 0.0), 1.0) if width else 0.5


def nearest_index(parameter: Parameter, value: float) -> int | None:
    """The number of the nearest countable value, perhaps out of range; None for no such value."""
    if not abs(value) <= _LARGEST_FLOAT:  # infinite, not a number, or too long a whole one
        return None
    match parameter:
        case FloatRange(low=low, step=float(step)):
            return round((value - low) / step)
        case IntRange(low=first, step=stride):
            index = (math.floor(value) - first) // stride  # exact, however large
            return index + (2 * (value - (first + index * stride)) > stride)
        case PowerRange() if value > 0:
            return _exponent(value, parameter.base) - _first_exponent(parameter)
        case _:
            return None


def _exponent(value: float, base: int) -> int:
    return round(math.log(value) / math.log(base))


def _first_exponent(parameter: PowerRange) -> int:
    return _exponent(parameter.low, parameter.base)


def _power(base: int, exponent: int) -> int | float:
    # Dividing whole numbers rounds correctly: 10 ** -5 is then the float that 1e-5 is.
    return int(base**exponent) if exponent >= 0 else 1 / base**-exponent


def _decimals(value: float) -> int:
    mantissa, _, exponent = repr(value).partition("e")
    fraction = mantissa.partition(".")[2].rstrip("0")
    return max(len(fraction) - int(exponent or 0), 0)


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
