"""The parameters of [space], without their conditions."""

import math
from collections.abc import Mapping
from typing import Any, cast

from msgspec.structs import replace

from tuitune.core import space
from tuitune.core.space.parameters import normal_value
from tuitune.studyfile import hints, ranges
from tuitune.studyfile.problems import Problems, WrongValueError, kind, value_words


def _with_likely(parameter: space.Parameter, entry: Any) -> space.Parameter:
    """The parameter with its likely values. Raises WrongValueError."""
    if isinstance(parameter, space.Fixed | space.Sampled):
        return parameter  # this key is a recorded problem already
    several = isinstance(entry, list) and space.value_problem(parameter, entry) != ""
    values: list[Any] = entry if several else [entry]
    if not values:
        low = space.spell(space.from_unit(parameter, 0.0))
        raise WrongValueError(
            f"likely is an empty list; write likely = {low}, say, or leave it out"
        )
    for value in values:
        if words := space.value_problem(parameter, value):
            raise WrongValueError(
                f"likely = {space.spell(value)} {words}; "
                "write one of its values, or leave likely out"
            )
    normal = [normal_value(parameter, value) for value in values]
    if isinstance(parameter, space.Choice):
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
    "choices": {"ordered", "when", "likely", "weights"},
    "value": {"when"},
    "sample": {"when"},
    "normal": {"low", "high", "step", "type", "when"},
    "lognormal": {"low", "high", "step", "type", "when"},
    "low": {"high", "log", "step", "powers_of", "type", "when", "likely"},
}


def read_parameters(content: Mapping[str, Any], problems: Problems) -> dict[str, space.Parameter]:
    """The parameters without their conditions; those with problems are left out."""
    found: dict[str, space.Parameter] = {}
    for name, entry in content.items():
        unknown = (
            [key for key in entry if key not in hints.PARAMETER_KEYS] if _is_table(entry) else []
        )
        strange = [key for key in unknown if hints.nearest(key, hints.PARAMETER_KEYS) is None]
        meant = any(hints.is_hinted(key, entry[key]) for key in unknown)
        if strange and not meant and len(unknown) == len(entry):
            words = "has no key of a parameter; a table of fixed values is { value = { … } }"
            problems.add("space", name, entry, words)
            continue
        for key in unknown:
            problems.add("space", name, entry, hints.unknown_in_parameter(key, entry[key]))
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


def _believed(parameter: space.Parameter, entry: Any, problems: Problems) -> space.Parameter:
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


def _parameter(name: str, entry: Any) -> space.Parameter:
    if not name or not name.isprintable() or set(name) & set(" {}=[],\"'"):
        raise WrongValueError("can't be a parameter's name; use letters, digits, _, - and .")
    if isinstance(entry, list):
        return _choice(name, {"choices": entry})
    if isinstance(entry, dict):
        return _long_form(name, entry)
    as_here = hints.called(entry) if isinstance(entry, str) else ""
    if as_here:
        raise WrongValueError(f"is text, so every trial would get it as it is; write {as_here}")
    return _fixed(name, entry)


def _long_form(name: str, entry: Mapping[str, Any]) -> space.Parameter:
    kinds = [key for key in _BESIDE if key in entry]
    if kinds == [] and "high" in entry:
        raise WrongValueError("has no low end; write low = … with high")
    if not kinds:
        raise WrongValueError(
            "has no values; write { low = …, high = … }, a list, { value = … } or { sample = … }"
        )
    first = kinds[0]
    for key in entry:
        if key in hints.PARAMETER_KEYS and key != first and key not in _BESIDE[first]:
            raise WrongValueError(f"{key} has no effect with {first}; leave one of them out")
    match first:
        case "choices":
            return _choice(name, entry)
        case "value":
            return _fixed(name, entry["value"])
        case "sample":
            return _sampled(name, entry["sample"])
        case "normal" | "lognormal":
            return ranges.normal_range(name, entry, first)
        case _:
            return ranges.plain_range(name, entry)


def _choice(name: str, entry: Mapping[str, Any]) -> space.Choice:
    values = entry["choices"]
    if not isinstance(values, list):
        raise WrongValueError(f"choices is {kind(values)}, not a list; write choices = [1, 2, 3]")
    if not values:
        raise WrongValueError("is an empty list; give it the values to choose from")
    for place, value in enumerate(values):
        if words := value_words(value):
            raise WrongValueError(f"{space.spell(value)} {words}")
        if any(space.same(value, earlier) for earlier in values[:place]):
            raise WrongValueError(f"has {space.spell(value)} twice; leave one of them out")
    numbers = all(map(space.is_number, values))
    ordered = ranges.flag(entry, "ordered", default=numbers)
    weights = _weights(entry, len(values)) if "weights" in entry else []
    if numbers and "ordered" not in entry:
        order = sorted(range(len(values)), key=values.__getitem__)
        values = [values[place] for place in order]
        weights = [weights[place] for place in order] if weights else []
    return space.Choice(name, tuple(values), ordered=ordered, weights=tuple(weights))


def _weights(entry: Mapping[str, Any], count: int) -> list[float]:
    weights = entry["weights"]
    example = f"write weights = [{', '.join(['1'] * count)}], say"
    if "likely" in entry:
        raise WrongValueError("likely has no effect with weights; leave one of them out")
    if not isinstance(weights, list) or len(weights) != count:
        raise WrongValueError(f"weights is not a list of {count} numbers, one a value; {example}")
    for weight in weights:
        if not space.is_number(weight) or not 0 < weight < math.inf:
            raise WrongValueError(
                f"the weight {space.spell(weight)} is not a number above 0; "
                "write one, or leave that value out of choices"
            )
    return [float(weight) for weight in weights]


def _fixed(name: str, value: Any) -> space.Fixed:
    if words := value_words(value):
        raise WrongValueError(words)
    return space.Fixed(name, value)


def _sampled(name: str, target: Any) -> space.Sampled:
    if not isinstance(target, str):
        raise WrongValueError(
            f'sample is {kind(target)}, not text; write sample = "file.py:function"'
        )
    return space.Sampled(name, target)
