"""How many configurations are there, and which parameter must be known before which?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tuitune.core.space.parameters import grid_width, index_of, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tuitune.core.space.parameters import Parameter, Value
    from tuitune.core.space.searchspace import SearchSpace

_OTHER = object()  # stands for every value of a parent that no condition names


def holds(parameter: Parameter, configuration: Mapping[str, Any]) -> bool:
    """Tell whether the parameter exists beside the values of its parents."""
    return all(
        name in configuration and _among(configuration[name], allowed)
        for name, allowed in parameter.when.items()
    )


def _among(value: object, values: Iterable[object]) -> bool:
    return any(same(value, one) for one in values)


def parents_first(
    parameters: Sequence[Parameter],
) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    """Order parameters so that a condition's parents come before it, else as they are.

    The second part names the parameters of a cycle of conditions, empty where there is none.
    """
    by_name = {p.name: p for p in parameters}
    placed: dict[str, Parameter] = {}
    path: list[str] = []

    def place(name: str) -> tuple[str, ...]:
        if name in path:
            return tuple(path[path.index(name) :])
        if name in placed or name not in by_name:
            return ()
        path.append(name)
        for parent in by_name[name].when:
            if cycle := place(parent):
                return cycle
        path.pop()
        placed[name] = by_name[name]
        return ()

    for parameter in parameters:
        if cycle := place(parameter.name):
            return tuple(parameters), cycle
    return tuple(placed.values()), ()


def count(space: SearchSpace, width: Callable[[Parameter], int | None]) -> int | None:
    """Count configurations; None where an active parameter's width is.

    Parameters free of each other multiply. Of a parent's values only those that a condition
    names are gone through one by one: a branch for each, and one for all others together.
    """
    named = _named_values(space)

    def size(todo: Sequence[Parameter], known: Mapping[str, object]) -> int:
        total = 1
        for place, parameter in enumerate(todo):
            if not holds(parameter, known):
                continue
            wide = width(parameter)
            if wide is None:
                raise _EndlessError
            if parameter.name in named:
                return total * branches(parameter, wide, todo[place + 1 :], known)
            total *= wide
        return total

    def branches(
        parent: Parameter, wide: int, rest: Sequence[Parameter], known: Mapping[str, object]
    ) -> int:
        values = named[parent.name]
        others = wide - len(values)
        total = sum(size(rest, {**known, parent.name: value}) for value in values)
        return total + others * size(rest, {**known, parent.name: _OTHER}) if others else total

    try:
        return math.prod(size(family, {}) for family in _families(space))
    except _EndlessError:
        return None


def grid_size(space: SearchSpace, levels: int) -> int:
    """Count the points of a grid, conditions honoured; ValueError for a sampled parameter."""
    size = count(space, lambda parameter: grid_width(parameter, levels))
    assert size is not None
    return size


class _EndlessError(Exception):
    pass


def _named_values(space: SearchSpace) -> dict[str, list[Value]]:
    """Collect each parent's possible values that conditions name, once each."""
    parents = {p.name: p for p in space.parameters}
    named: dict[str, list[Value]] = {}
    for parameter in space.parameters:
        for name, allowed in parameter.when.items():
            seen = named.setdefault(name, [])
            for value in allowed:
                if index_of(parents[name], value) is not None and not _among(value, seen):
                    seen.append(value)
    return named


def _families(space: SearchSpace) -> list[list[Parameter]]:
    """Part the parameters into groups that no condition joins, parents first in each."""
    ordered, _ = parents_first(space.parameters)
    group = {p.name: {p.name} for p in ordered}
    for parameter in ordered:
        for name in parameter.when:
            joined = group[parameter.name] | group.get(name, set())
            for member in joined:
                group[member] = joined
    families: dict[int, list[Parameter]] = {}
    for parameter in ordered:
        families.setdefault(id(group[parameter.name]), []).append(parameter)
    return list(families.values())
