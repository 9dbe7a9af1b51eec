"""Which configurations are there, and which point of the unit cube is each?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tuitune.core.space.counting import count, holds, parents_first
from tuitune.core.space.parameters import (
    Fixed,
    Parameter,
    Sampled,
    from_unit,
    levels,
    rounded,
    same,
    spell,
    to_unit,
    value_at,
)
from tuitune.core.space.text import any_of, normal_value, value_problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tuitune.core.space.parameters import Value


@dataclass(frozen=True)
class SearchSpace:
    """The parameters of a study, in the order of its file."""

    parameters: tuple[Parameter, ...]

    @cached_property
    def searched(self) -> tuple[Parameter, ...]:
        """The parameters that own a coordinate, in file order."""
        return tuple(p for p in self.parameters if not isinstance(p, Fixed | Sampled))

    @cached_property
    def sampled(self) -> tuple[Sampled, ...]:
        return tuple(p for p in self.parameters if isinstance(p, Sampled))

    @cached_property
    def by_name(self) -> dict[str, Parameter]:
        return {p.name: p for p in self.parameters}

    @cached_property
    def size(self) -> int | None:
        """The number of distinct configurations; None where there is no end to them."""
        return count(self, levels)

    def is_active(self, parameter: Parameter, configuration: Mapping[str, Any]) -> bool:
        """Tell whether the parameter exists beside the values of its parents."""
        return holds(parameter, configuration)

    def configuration(self, point: Sequence[float]) -> dict[str, Value]:
        """Read a point of len(searched) coordinates in [0, 1] as a configuration.

        Values of continuous ranges are rounded, see `parameters.rounded`. Inactive and sampled
        parameters are left out.
        """
        at = dict(zip((p.name for p in self.searched), point, strict=True))
        values: dict[str, Value] = {}
        for parameter in self._parents_first:
            if not isinstance(parameter, Sampled) and holds(parameter, values):
                value = from_unit(parameter, at.get(parameter.name, 0.5))
                values[parameter.name] = rounded(parameter, value)
        return self._in_file_order(values)

    def point(self, configuration: Mapping[str, Any]) -> tuple[float, ...]:
        """Give the point of a configuration; inactive and missing parameters are at 0.5."""
        return tuple(
            to_unit(p, configuration[p.name])
            if p.name in configuration and holds(p, configuration)
            else 0.5
            for p in self.searched
        )

    def configurations(self) -> Iterator[dict[str, Value]]:
        """Give every configuration of a finite space; the last parameter changes fastest."""
        if self.size is None:
            raise ValueError("the space has no end of configurations")
        return map(self._in_file_order, _every(self._parents_first, {}))

    def problems(self, configuration: Mapping[str, Any], *, partial: bool) -> list[str]:
        """Say what is wrong with a configuration; partial ones may lack parameters."""
        found = [self._unknown(name) for name in configuration if name not in self.by_name]
        known: dict[str, Any] = {}
        for parameter in self._parents_first:
            if parameter.name in configuration:
                words = self._problem(parameter, configuration[parameter.name], known)
                found += [words] if words else []
                known[parameter.name] = configuration[parameter.name]
            elif not holds(parameter, known):
                continue
            elif isinstance(parameter, Fixed):
                known[parameter.name] = parameter.value
            elif not partial and not isinstance(parameter, Sampled):
                found.append(f"{parameter.name} is missing")
        return found

    def normalised(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Give a configuration without problems the file's order and types: 1 may become 1.0."""
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
    """Give the text that is the same for equal configurations alone."""
    return json.dumps(configuration, sort_keys=True, separators=(",", ":"))


def _every(todo: Sequence[Parameter], known: dict[str, Value]) -> Iterator[dict[str, Value]]:
    if not todo:
        yield known
        return
    parameter, rest = todo[0], todo[1:]
    if not holds(parameter, known):
        yield from _every(rest, known)
        return
    for index in range(levels(parameter) or 0):
        yield from _every(rest, {**known, parameter.name: value_at(parameter, index)})
