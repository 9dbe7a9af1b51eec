"""The parameters of [space], without their conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from msgspec.structs import replace

from tuitune.core.space import (
    Choice,
    Fixed,
    FloatRange,
    IntRange,
    Parameter,
    PowerRange,
    Sampled,
    from_unit,
    levels,
    same,
    spell,
    value_problem,
)
from tuitune.core.space.text import normal_value
from tuitune.studyfile.hints import PARAMETER_KEYS, called, distribution, unknown_in_parameter
from tuitune.studyfile.problems import Problems, WrongValueError, kind, value_words


def _with_likely(parameter: Parameter, entry: Any) -> Parameter:
    """The parameter with its likely values. Raises WrongValueError."""
    if isinstance(parameter, Fixed | Sampled):
        return parameter  # this key is a recorded problem already
    several = isinstance(entry, list) and value_problem(parameter, entry) != ""
    values: list[Any] = entry if several else [entry]
    if not values:
        low = spell(from_unit(parameter, 0.0))
        raise WrongValueError(
            f"likely is an empty list; write likely = {low}, say, or leave it out"
        )
    for value in values:
        if words := value_problem(parameter, value):
            raise WrongValueError(
                f"likely = {spell(value)} {words}; write one of its values, or leave likely out"
            )
    normal = [normal_value(parameter, value) for value in values]
    if isinstance(parameter, Choice):
        return replace(parameter, likely=tuple(normal))
    return replace(parameter, likely=_ends(cast("list[float]", normal)))


def _ends(values: list[float]) -> tuple[float, ...]:
    low, high = min(values), max(values)
    if len(values) > 2:
        raise WrongValueError(
            f"likely is one value, or [low, high] of those that are likely; "
            f"write likely = [{low}, {high}], say"
        )
    if values[0] > values[-1]:
        raise WrongValueError(
            f"likely has its low end above its high one; write likely = [{low}, {high}]"
        )
    return (low,) if low == high else (low, high)


_BESIDE = {  # the key that decides the kind of parameter -> other keys that it allows
    "choices": {"ordered", "when", "likely"},
    "value": {"when"},
    "sample": {"when"},
    "low": {"high", "log", "step", "powers_of", "type", "when", "likely"},
}
_MOST_VALUES = 2**53  # more can't be told apart as floats


def read_parameters(content: Mapping[str, Any], problems: Problems) -> dict[str, Parameter]:
    """The parameters without their conditions; those with problems are left out."""
    found: dict[str, Parameter] = {}
    for name, entry in content.items():
        unknown = [key for key in entry if key not in PARAMETER_KEYS] if _is_table(entry) else []
        for key in unknown:
            problems.add("space", name, entry, unknown_in_parameter(key, entry[key]))
        try:
            if not problems.lenient:
                _check_reserved(name)
            parameter = _parameter(name, entry)
        except WrongValueError as wrong:
            # A key that is missing is most likely what the unknown key means.
            if not unknown:
                problems.add("space", name, entry, str(wrong))
        else:
            if not unknown:
                found[name] = _believed(parameter, entry, problems)
    return found


def _check_reserved(name: str) -> None:
    """Raises WrongValueError for a name that the placeholders of a trial's own values have."""
    if name.partition(".")[0] == "trial":
        raise WrongValueError(
            "can't be a parameter's name: {trial.folder} and others are a trial's own values; "
            "write another name, such as trial_"
        )


def _believed(parameter: Parameter, entry: Any, problems: Problems) -> Parameter:
    """The parameter with its likely values, without them where they have a problem."""
    if not _is_table(entry) or "likely" not in entry:
        return parameter
    try:
        return _with_likely(parameter, entry["likely"])
    except WrongValueError as wrong:
        problems.add("space", parameter.name, entry, str(wrong))
    return parameter


def _is_table(entry: object) -> bool:
    return isinstance(entry, dict)


def _parameter(name: str, entry: Any) -> Parameter:
    if not name or not name.isprintable() or set(name) & set(" {}=[],\"'"):
        raise WrongValueError("can't be a parameter's name; use letters, digits, _, - and .")
    if isinstance(entry, list):
        return _choice(name, {"choices": entry})
    if isinstance(entry, dict):
        return _long_form(name, entry)
    as_here = called(entry) if isinstance(entry, str) else ""
    if as_here:
        raise WrongValueError(f"is text, so every trial would get it as it is; write {as_here}")
    return _fixed(name, entry)


def _long_form(name: str, entry: Mapping[str, Any]) -> Parameter:
    kinds = [key for key in _BESIDE if key in entry]
    if "high" in entry and "low" not in entry:
        raise WrongValueError("has no low end; write low = … with high")
    if not kinds:
        raise WrongValueError(
            "has no values; write { low = …, high = … }, a list, { value = … } or { sample = … }"
        )
    first = kinds[0]
    for key in entry:
        if key in PARAMETER_KEYS and key != first and key not in _BESIDE[first]:
            raise WrongValueError(f"{key} has no effect with {first}; leave one of them out")
    match first:
        case "choices":
            return _choice(name, entry)
        case "value":
            return _fixed(name, entry["value"])
        case "sample":
            return _sampled(name, entry["sample"])
        case _:
            return _range(name, entry)


def _choice(name: str, entry: Mapping[str, Any]) -> Choice:
    values = entry["choices"]
    if not isinstance(values, list):
        raise WrongValueError(f"choices is {kind(values)}, not a list; write choices = [1, 2, 3]")
    if not values:
        raise WrongValueError("is an empty list; give it the values to choose from")
    for place, value in enumerate(values):
        if words := value_words(value):
            raise WrongValueError(f"{spell(value)} {words}")
        if any(same(value, earlier) for earlier in values[:place]):
            raise WrongValueError(f"has {spell(value)} twice; leave one of them out")
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    ordered = _flag(entry, "ordered", default=numbers)
    by_size = numbers and "ordered" not in entry
    return Choice(name, tuple(sorted(values) if by_size else values), ordered=ordered)


def _fixed(name: str, value: Any) -> Fixed:
    if words := value_words(value):
        raise WrongValueError(words)
    return Fixed(name, value)


def _sampled(name: str, target: Any) -> Sampled:
    if not isinstance(target, str):
        raise WrongValueError(
            f'sample is {kind(target)}, not text; write sample = "file.py:function"'
        )
    return Sampled(name, target)


def _range(name: str, entry: Mapping[str, Any]) -> Parameter:
    low, high = _end(entry, "low"), _end(entry, "high")
    if low > high:
        raise WrongValueError(f"is empty: low is above high; write low = {high}, high = {low}")
    if low == high:
        raise WrongValueError(f"holds one value only; write {name} = {low}")
    log = _flag(entry, "log", default=False)
    if log and low <= 0:
        raise WrongValueError(
            "a log scale needs low above 0; write a small low such as 1e-6, or leave log out"
        )
    given = [key for key in ("log", "step", "powers_of") if entry.get(key, False) is not False]
    if len(given) > 1:
        raise WrongValueError(
            f"{' and '.join(given)} don't go together; leave {' or '.join(given)} out"
        )
    if "powers_of" in entry:
        return _powers(name, entry, low, high)
    if _is_whole(entry, low, high):
        return _wholes(name, entry, low, high, log=log)
    return _floats(name, entry, float(low), float(high), log=log)


def _end(entry: Mapping[str, Any], key: str) -> int | float:
    if key not in entry:
        raise WrongValueError(f"has no {key} end; write {key} = …")
    value = entry[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValueError(f"{key} is {kind(value)}, not a number; write {key} = 1, say")
    if math.isnan(value):
        raise WrongValueError(
            f"{key} is nan, which is no number; write {_instead(entry, key)}, say"
        )
    if math.isinf(value):
        last = "largest" if value > 0 else "smallest"
        raise WrongValueError(f"{key} is infinite; write the {last} value that is worth a trial")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise WrongValueError(
            f"{key} has more than 64 bits; write it as a float: {key} = {value:g}"
        )
    return value


def _instead(entry: Mapping[str, Any], key: str) -> str:
    """A value for this end that all other keys allow."""
    other = entry.get("high" if key == "low" else "low")
    usual: list[float] = [0.1, 1] if key == "low" else [1.0, 10]
    if isinstance(other, int | float) and math.isfinite(other):
        near = (other / 10, 2 * other - 2) if key == "low" else (other * 10, other * 2)
        usual += [*near, other - 2 if key == "low" else other + 2]
    for value in usual:
        try:
            _range("x", {**entry, key: value})
        except (WrongValueError, OverflowError):
            continue
        return f"{key} = {value}"
    return "a number"


def _flag(entry: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = entry.get(key, default)
    if not isinstance(value, bool):
        raise WrongValueError(f"{key} is {kind(value)}; write {key} = true or {key} = false")
    return value


def _is_whole(entry: Mapping[str, Any], low: float, high: float) -> bool:
    whole = isinstance(low, int) and isinstance(high, int)
    given = entry.get("type")
    if given is None:
        if whole and (low, high) == (0, 1):
            raise WrongValueError(
                "could mean two things; write { low = 0.0, high = 1.0 } for all between, "
                "or [0, 1] for one of the two"
            )
        return whole
    if given not in ("int", "float"):
        as_here = distribution(given, [str(low), str(high)]) if isinstance(given, str) else ""
        raise WrongValueError(
            f"{spell(given)} is no type; "
            + (f"write {as_here}" if as_here else 'write type = "int" or "float", or leave it out')
        )
    if given == "int" and not (float(low).is_integer() and float(high).is_integer()):
        raise WrongValueError('type = "int" needs whole ends; write whole ones or leave type out')
    return bool(given == "int")


def _wholes(name: str, entry: Mapping[str, Any], low: float, high: float, *, log: bool) -> IntRange:
    step = entry.get("step", 1)
    if isinstance(step, float) and not step.is_integer():
        raise WrongValueError(
            f"steps of {step} need ends that aren't whole; write low = {float(low)}, "
            f"high = {float(high)}"
        )
    return IntRange(name, int(low), int(high), log, int(_step(step, low, high)))


def _floats(
    name: str, entry: Mapping[str, Any], low: float, high: float, *, log: bool
) -> FloatRange:
    if "step" not in entry:
        return FloatRange(name, low, high, log)
    found = FloatRange(name, low, high, log, float(_step(entry["step"], low, high)))
    if not math.isfinite(high - low) or (levels(found) or 0) > _MOST_VALUES:
        raise WrongValueError("has too many steps to count; write a larger step or leave it out")
    return found


def _step(step: Any, low: float, high: float) -> int | float:
    if isinstance(step, bool) or not isinstance(step, int | float):
        raise WrongValueError(f"step is {kind(step)}, not a number; write step = 1, say")
    if not math.isfinite(step) or step <= 0:
        raise WrongValueError(f"step = {step} is not a positive number; write a step above 0")
    if step > high - low:
        raise WrongValueError(
            f"step is wider than the range, which leaves one value; write a step below {high - low}"
        )
    return step


def _powers(name: str, entry: Mapping[str, Any], low: float, high: float) -> PowerRange:
    base = entry["powers_of"]
    if isinstance(base, bool) or not isinstance(base, int) or base < 2:
        raise WrongValueError(
            f"powers_of = {spell(base)} is no base; write a whole number of 2 or more"
        )
    if low <= 0:
        raise WrongValueError(f"powers are above 0; write low = 1 or a smaller power of {base}")
    for key, end in (("low", low), ("high", high)):
        exponent = round(math.log(end) / math.log(base))
        power = int(base**exponent) if exponent >= 0 else 1 / base**-exponent
        if power != end:
            raise WrongValueError(f"{key} = {end} is no power of {base}; write {key} = {power}")
    if _is_whole(entry, low, high):
        return PowerRange(name, int(low), int(high), base)
    return PowerRange(name, float(low), float(high), base)
