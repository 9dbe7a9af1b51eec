"""Conditions and constraints between parameters: their order, families, and counts."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tuitune.core.space.constraints import Constraint
from tuitune.core.space.parameters import Parameter, Value, index_of, same

Values = Callable[[Parameter], Iterable[Value]]  # those of a parameter to combine
MOST_STEPS = 100_000  # of `combinations`; a few tenths of a second
_OTHER = object()  # any value of a parent that no condition names


def holds(parameter: Parameter, configuration: Mapping[str, Any]) -> bool:
    """Whether the parameter is part of the configuration, by the values of its parents."""
    return all(
        name in configuration and _among(configuration[name], allowed)
        for name, allowed in parameter.when.items()
    )


def _among(value: object, values: Iterable[object]) -> bool:
    return any(same(value, one) for one in values)


def parents_first(parameters: Sequence[Parameter]) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
    """The parameters with the parents of conditions first, otherwise in their order.

    The second part names the parameters of a cycle of conditions; empty where there is none.
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


def families(
    parameters: Sequence[Parameter], ties: Iterable[Collection[str]] = ()
) -> list[list[Parameter]]:
    """Groups of parameters that neither conditions nor ties connect, parents first in each.

    ties: names of parameters that belong together.
    """
    ordered, _ = parents_first(parameters)
    group = {p.name: {p.name} for p in ordered}
    conditions = ([p.name, *(name for name in p.when if name in group)] for p in ordered)
    for names in (*conditions, *ties):
        joined = set().union(*(group[name] for name in names))
        for member in joined:
            group[member] = joined
    found: dict[int, list[Parameter]] = {}
    for parameter in ordered:
        found.setdefault(id(group[parameter.name]), []).append(parameter)
    return list(found.values())


class EndlessError(Exception):
    """There are infinitely many configurations, or too many to count them."""


def count(parameters: Sequence[Parameter], width: Callable[[Parameter], int | None]) -> int:
    """The number of configurations; EndlessError where the width of an active one is None.

    Independent parameters multiply. For a parent only the values that conditions name are counted
    one by one: a branch for each, and one for all other values together.
    """
    named = _named_values(parameters)

    def size(todo: Sequence[Parameter], known: Mapping[str, object]) -> int:
        total = 1
        for place, parameter in enumerate(todo):
            if not holds(parameter, known):
                continue
            wide = width(parameter)
            if wide is None:
                raise EndlessError
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

    return math.prod(size(family, {}) for family in families(parameters))


def _named_values(parameters: Sequence[Parameter]) -> dict[str, list[Value]]:
    """The possible values of each parent that conditions name."""
    parents = {p.name: p for p in parameters}
    named: dict[str, list[Value]] = {}
    for parameter in parameters:
        for name, allowed in parameter.when.items():
            seen = named.setdefault(name, [])
            for value in allowed:
                if index_of(parents[name], value) is not None and not _among(value, seen):
                    seen.append(value)
    return named


def combinations(
    ordered: Sequence[Parameter], rules: Sequence[Constraint], values: Values
) -> Iterator[dict[str, Value]]:
    """All configurations of these parameters, parents first, that keep the rules.

    The last parameter changes fastest. A part that breaks a rule is not completed. Raises
    EndlessError after MOST_STEPS parts, if there are rules.
    """
    steps = 0
    about = {p.name: [rule for rule in rules if p.name in rule.names] for p in ordered}

    def every(place: int, known: dict[str, Value]) -> Iterator[dict[str, Value]]:
        nonlocal steps
        if place == len(ordered):
            yield known
            return
        parameter = ordered[place]
        if not holds(parameter, known):
            yield from every(place + 1, known)
            return
        for value in values(parameter):
            longer = {**known, parameter.name: value}
            steps += 1
            if rules and steps > MOST_STEPS:
                raise EndlessError
            if all(rule.holds(longer) is not False for rule in about[parameter.name]):
                yield from every(place + 1, longer)

    return every(0, {})
