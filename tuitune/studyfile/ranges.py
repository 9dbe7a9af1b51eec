"""Ranges of [space]: of numbers with a low and a high end, and of normal distributions."""

import math
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tuitune.core import space
from tuitune.studyfile.hints import distribution
from tuitune.studyfile.problems import WrongValueError, kind

_MOST_VALUES = 2**53  # more can't be told apart as floats


def plain_range(
    name: str, entry: Mapping[str, Any]
) -> space.FloatRange | space.IntRange | space.PowerRange:
    """A range with the ends low and high. Raises WrongValueError."""
    low, high = _end(entry, "low"), _end(entry, "high")
    if low > high:
        raise WrongValueError(f"is empty: low is above high; write low = {high}, high = {low}")
    if low == high:
        raise WrongValueError(f"holds one value only; write {name} = {low}")
    log = flag(entry, "log", default=False)
    if log and low <= 0:
        raise WrongValueError(
            "a log scale needs low above 0; write a small low such as 1e-6, or leave log out"
        )
    given = [key for key in ("log", "step", "powers_of") if entry.get(key, False) is not False]
    if "powers_of" in given and len(given) > 1:
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
    if not space.is_number(value):
        raise WrongValueError(f"{key} is {kind(value)}, not a number; write {key} = 1, say")
    if math.isnan(value):
        raise WrongValueError(
            f"{key} is nan, which is not a number; write {_instead(entry, key)}, say"
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
            plain_range("x", {**entry, key: value})
        except (WrongValueError, OverflowError):
            continue
        return f"{key} = {value}"
    return "a number"


def flag(entry: Mapping[str, Any], key: str, *, default: bool) -> bool:
    """The value of a key that is true or false. Raises WrongValueError."""
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
            f"{space.spell(given)} is not a type; "
            + (f"write {as_here}" if as_here else 'write type = "int" or "float", or leave it out')
        )
    if given == "int" and not (float(low).is_integer() and float(high).is_integer()):
        raise WrongValueError('type = "int" needs whole ends; write whole ones or leave type out')
    return bool(given == "int")


def _wholes(
    name: str, entry: Mapping[str, Any], low: float, high: float, *, log: bool
) -> space.IntRange:
    step = entry.get("step", 1)
    if isinstance(step, float) and not step.is_integer():
        raise WrongValueError(
            f"steps of {step} need ends that aren't whole; write low = {float(low)}, "
            f"high = {float(high)}"
        )
    return space.IntRange(name, int(low), int(high), log, int(_step(step, low, high)))


def _floats(
    name: str, entry: Mapping[str, Any], low: float, high: float, *, log: bool
) -> space.FloatRange:
    if "step" not in entry:
        return space.FloatRange(name, low, high, log)
    step = float(_step(entry["step"], low, high))
    if not (high - low) / step < _MOST_VALUES:  # infinite, perhaps
        raise WrongValueError("has too many steps to count; write a larger step or leave it out")
    return space.FloatRange(name, low, high, log, step)


def _step(step: Any, low: float, high: float) -> int | float:
    if not space.is_number(step):
        raise WrongValueError(f"step is {kind(step)}, not a number; write step = 1, say")
    if not math.isfinite(step) or step <= 0:
        raise WrongValueError(f"step = {step} is not a positive number; write a step above 0")
    if step > high - low:
        raise WrongValueError(
            f"step is wider than the range, which leaves one value; write a step below {high - low}"
        )
    return step


def _powers(name: str, entry: Mapping[str, Any], low: float, high: float) -> space.PowerRange:
    base = entry["powers_of"]
    if isinstance(base, bool) or not isinstance(base, int) or base < 2:
        raise WrongValueError(
            f"powers_of = {space.spell(base)} is not a base; write a whole number of 2 or more"
        )
    if low <= 0:
        raise WrongValueError(f"powers are above 0; write low = 1 or a smaller power of {base}")
    for key, end in (("low", low), ("high", high)):
        exponent = round(math.log(end) / math.log(base))
        power = int(base**exponent) if exponent >= 0 else 1 / base**-exponent
        if power != end:
            raise WrongValueError(f"{key} = {end} is not a power of {base}; write {key} = {power}")
    if _is_whole(entry, low, high):
        return space.PowerRange(name, int(low), int(high), base)
    return space.PowerRange(name, float(low), float(high), base)


# --- normal distributions -----------------------------------------------------------------------

_REACH = 4.0  # standard deviations to either side, where the ends are not given
_LEAST_SHARE = 1e-6  # of a distribution that lies between given ends


def normal_range(
    name: str, entry: Mapping[str, Any], key: str
) -> space.FloatRange | space.IntRange:
    """A range whose values follow a normal distribution, or their logarithms do.

    key: "normal" or "lognormal". Raises WrongValueError.
    """
    log = key == "lognormal"
    mean, deviation = _moments(entry[key], key)
    whole = entry.get("type") == "int"
    step = entry.get("step", 1 if whole else None)
    if step is not None and (not space.is_number(step) or not 0 < step < math.inf):
        raise WrongValueError(
            f"step = {space.spell(step)} is not a positive number; write step = 1, say"
        )
    low, high = (
        _end(entry, end) if end in entry else _reached(mean, sign * deviation, step, log=log)
        for end, sign in (("low", -_REACH), ("high", _REACH))
    )
    if low >= high or (log and low <= 0):
        raise WrongValueError(
            f"leaves nothing from {low} to {high}; give both ends, around the mean"
            + (" and above 0" if log else "")
        )
    ends = {"type": "float", **entry, "low": low, "high": high, "log": log}
    found = plain_range(name, ends)
    if not isinstance(found, space.FloatRange | space.IntRange):
        raise WrongValueError(f"{key} does not go together with powers_of; leave one of them out")
    found = replace(found, normal=(mean, deviation))
    if _share(found) < _LEAST_SHARE:
        least, most = (_reached(mean, s * deviation, None, log=log) for s in (-2.0, 2.0))
        raise WrongValueError(
            f"{low} to {high} has next to nothing of this distribution, most of which is within "
            f"{least} to {most}; move the ends or the mean"
        )
    return found


def _moments(given: Any, key: str) -> tuple[float, float]:
    of = ", both of the natural logarithm" if key == "lognormal" else ""
    example = f"write {key} = [mean, standard deviation]{of}"
    if not isinstance(given, list) or len(given) != 2 or not all(map(space.is_number, given)):
        raise WrongValueError(f"{key} is not two numbers; {example}")
    mean, deviation = float(given[0]), float(given[1])
    if not (math.isfinite(mean) and 0 < deviation < math.inf):
        raise WrongValueError(f"{key} needs a standard deviation above 0; {example}")
    return mean, deviation


def _reached(mean: float, distance: float, step: float | None, *, log: bool) -> int | float:
    """The value at a distance from the mean; a multiple of a step, on the mean's side."""
    try:
        value = math.exp(mean + distance) if log else mean + distance
    except OverflowError:
        value = math.inf
    if not math.isfinite(value) or (log and value == 0):
        raise WrongValueError("reaches beyond all numbers; write low and high, or a smaller one")
    if step is None:
        digits = 3 - math.floor(math.log10(abs(distance)))
        return float(f"{value:.6g}") if log else round(value, max(0, digits))
    if not math.isfinite(value / step):
        raise WrongValueError("has too many steps to count; write a larger step or leave it out")
    steps = math.ceil(value / step) if distance < 0 else math.floor(value / step)
    return steps * step if isinstance(step, int) else float(f"{steps * step:.12g}")


def _share(parameter: space.FloatRange | space.IntRange) -> float:
    """The share of its normal distribution that lies in the range."""
    units = space.normal_units(parameter)
    assert units is not None
    mean, deviation = units
    ends = (mean / deviation, (1.0 - mean) / deviation)
    return 1.0 - sum(math.erfc(end / math.sqrt(2)) / 2 for end in ends)
