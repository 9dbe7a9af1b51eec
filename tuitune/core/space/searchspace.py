"""The search space: its configurations, how many there are, and their points."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tuitune.core.space.parameters import (
    Fixed,
    Parameter,
    Sampled,
    Value,
    from_unit,
    grid_width,
    index_of,
    levels,
    rounded,
    same,
    spell,
    to_unit,
    value_at,
)
from tuitune.core.space.text import any_of, normal_value, value_problem

_OTHER = object()  # any value of a parent that no condition names


def _holds(parameter: Parameter, configuration: Mapping[str, Any]) -> bool:
    """Whether the parameter is part of the configuration, by the values of its parents."""
    return all(
        name in configuration and _among(configuration[name], allowed)
        for name, allowed in parameter.when.items()
    )


def _among(value: object, values: Iterable[object]) -> bool:
    return any(same(value, one) for one in values)


def parents_first(
    parameters: Sequence[Parameter],
) -> tuple[tuple[Parameter, ...], tuple[str, ...]]:
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


def count(space: SearchSpace, width: Callable[[Parameter], int | None]) -> int | None:
    """The number of configurations; None where the width of an active parameter is None.

    Independent parameters multiply. For a parent only the values that conditions name are counted
    one by one: a branch for each, and one for all other values together.
    """
    named = _named_values(space)

    def size(todo: Sequence[Parameter], known: Mapping[str, object]) -> int:
        total = 1
        for place, parameter in enumerate(todo):
            if not _holds(parameter, known):
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
    """The number of points of a grid under its conditions; ValueError for a sampled parameter."""
    size = count(space, lambda parameter: grid_width(parameter, levels))
    assert size is not None
    return size


class _EndlessError(Exception):
    pass


def _named_values(space: SearchSpace) -> dict[str, list[Value]]:
    """The possible values of each parent that conditions name."""
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
    """Groups of parameters that no condition connects, parents first in each."""
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


@dataclass(frozen=True)
class SearchSpace:
    """The parameters of a study, in the order of its file."""

    parameters: tuple[Parameter, ...]

    @cached_property
    def searched(self) -> tuple[Parameter, ...]:
        """The parameters that have a coordinate, in file order."""
        return tuple(p for p in self.parameters if not isinstance(p, Fixed | Sampled))

    @cached_property
    def sampled(self) -> tuple[Sampled, ...]:
        """The parameters whose values the user's functions draw."""
        return tuple(p for p in self.parameters if isinstance(p, Sampled))

    @cached_property
    def by_name(self) -> dict[str, Parameter]:
        """All parameters by their names."""
        return {p.name: p for p in self.parameters}

    @cached_property
    def size(self) -> int | None:
        """The number of distinct configurations; None where it is infinite or unknown."""
        return count(self, levels)

    def is_active(self, parameter: Parameter, configuration: Mapping[str, Any]) -> bool:
        """Whether the parameter is part of the configuration, by the values of its parents."""
        return _holds(parameter, configuration)

    def configuration(self, point: Sequence[float]) -> dict[str, Value]:
        """The configuration at a point of len(searched) coordinates in [0, 1].

        Values of continuous ranges are rounded, see `parameters.rounded`. Inactive and sampled
        parameters are left out.
        """
        at = dict(zip((p.name for p in self.searched), point, strict=True))
        values: dict[str, Value] = {}
        for parameter in self._parents_first:
            if not isinstance(parameter, Sampled) and _holds(parameter, values):
                value = from_unit(parameter, at.get(parameter.name, 0.5))
                values[parameter.name] = rounded(parameter, value)
        return self._in_file_order(values)

    def point(self, configuration: Mapping[str, Any]) -> tuple[float, ...]:
        """The point of a configuration; inactive and missing parameters are at 0.5."""
        return tuple(
            to_unit(p, configuration[p.name])
            if p.name in configuration and _holds(p, configuration)
            else 0.5
            for p in self.searched
        )

    def configurations(self) -> Iterator[dict[str, Value]]:
        """All configurations of a finite space; the last parameter changes fastest."""
        if self.size is None:
            raise ValueError("the space has infinitely many configurations")
        return map(self._in_file_order, _every(self._parents_first, {}))

    def problems(self, configuration: Mapping[str, Any], *, partial: bool) -> list[str]:
        """Messages about a configuration; a partial one may lack parameters."""
        found = [self._unknown(name) for name in configuration if name not in self.by_name]
        known: dict[str, Any] = {}
        for parameter in self._parents_first:
            if parameter.name in configuration:
                words = self._problem(parameter, configuration[parameter.name], known)
                found += [words] if words else []
                known[parameter.name] = configuration[parameter.name]
            elif not _holds(parameter, known):
                continue
            elif isinstance(parameter, Fixed):
                known[parameter.name] = parameter.value
            elif not partial and not isinstance(parameter, Sampled):
                found.append(f"{parameter.name} is missing")
        return found

    def normalised(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """A valid configuration in the file's order and types: 1 may become 1.0."""
        return {
            p.name: normal_value(p, configuration[p.name])
            for p in self.parameters
            if p.name in configuration
        }

    @cached_property
    def _parents_first(self) -> tuple[Parameter, ...]:
        ordered, cycle = parents_first(self.parameters)
        if cycle:
            raise ValueError(f"conditions go round in a circle: {', '.join(cycle)}")
        return ordered

    def _in_file_order(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {p.name: values[p.name] for p in self.parameters if p.name in values}

    def _unknown(self, name: str) -> str:
        import difflib  # noqa: PLC0415 - only a mistake pays for it

        near = difflib.get_close_matches(name, self.by_name, n=1)
        mend = f"did you mean {near[0]}?" if near else f"there are {', '.join(self.by_name)}"
        return f"{name}: there is no such parameter; {mend}"

    def _problem(self, parameter: Parameter, value: object, known: Mapping[str, Any]) -> str:
        for name, allowed in parameter.when.items():
            if name not in known:
                return (
                    f"{parameter.name} = {spell(value)}: exists only when {name} is "
                    f"{any_of(allowed)}; give {name} too"
                )
            if not any(same(known[name], one) for one in allowed):
                return (
                    f"{parameter.name} = {spell(value)}: exists only when {name} is "
                    f"{any_of(allowed)}, and it is {spell(known[name])}; leave it out"
                )
        words = value_problem(parameter, value)
        return f"{parameter.name} = {spell(value)}: {words}" if words else ""


def key(configuration: Mapping[str, Any]) -> str:
    """A text that is the same for equal configurations only."""
    return json.dumps(configuration, sort_keys=True, separators=(",", ":"))


def _every(todo: Sequence[Parameter], known: dict[str, Value]) -> Iterator[dict[str, Value]]:
    if not todo:
        yield known
        return
    parameter, rest = todo[0], todo[1:]
    if not _holds(parameter, known):
        yield from _every(rest, known)
        return
    for index in range(levels(parameter) or 0):
        yield from _every(rest, {**known, parameter.name: value_at(parameter, index)})
