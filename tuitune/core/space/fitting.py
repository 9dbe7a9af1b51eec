"""Configurations of another space, fitted to this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitune.core.space.parameters import (
    Choice,
    Fixed,
    FloatRange,
    Sampled,
    from_unit,
    index_of,
    levels,
    nearest_index,
    same,
    spell,
    value_at,
)
from tuitune.core.space.searchspace import parents_first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.core.space.parameters import Parameter, Value
    from tuitune.core.space.searchspace import SearchSpace


class UnfitError(Exception):
    """A configuration that has no place in this space; str() says which parameter, and why."""


def fitted(space: SearchSpace, config: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(the configuration here, names that it lacks and that stand in the middle of their range).

    Numbers go to the nearest possible value, parameters that this space has not are left out.
    Raises UnfitError.
    """
    ordered, _ = parents_first(space.parameters)
    known: dict[str, Any] = {}
    lacking: list[str] = []
    for parameter in ordered:
        if not space.is_active(parameter, known):
            continue
        if parameter.name in config:
            known[parameter.name] = _fitted(parameter, config[parameter.name])
        elif isinstance(parameter, Fixed):
            known[parameter.name] = parameter.value
        elif not isinstance(parameter, Sampled):
            known[parameter.name] = from_unit(parameter, 0.5)
            lacking.append(parameter.name)
    return {p.name: known[p.name] for p in space.parameters if p.name in known}, lacking


def _fitted(parameter: Parameter, value: Any) -> Value:
    match parameter:
        case Sampled():
            found: Value = value
            return found
        case Fixed():
            if not same(parameter.value, value):
                raise UnfitError(f"{parameter.name} is always {spell(parameter.value)} here")
            return parameter.value
        case Choice():
            index = index_of(parameter, value)
            if index is None:
                raise UnfitError(f"{parameter.name} is never {spell(value)} here")
            return parameter.values[index]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnfitError(f"{parameter.name} is a number here")
    if not parameter.low <= value <= parameter.high:
        raise UnfitError(f"{parameter.name} is from {parameter.low} to {parameter.high} here")
    if isinstance(parameter, FloatRange) and parameter.step is None:
        return float(value)
    index, count = nearest_index(parameter, value) or 0, levels(parameter) or 1
    return value_at(parameter, min(max(index, 0), count - 1))
