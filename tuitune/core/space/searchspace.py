"""The search space: its configurations, how many there are, and their points."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Collection, Iterator, Mapping, MutableSequence, Sequence
from functools import cached_property
from random import Random
from typing import Any

import msgspec

from tuitune.core.space import parameters as kinds
from tuitune.core.space.constraints import Constraint, read_constraint
from tuitune.core.space.families import (
    EndlessError,
    Values,
    combinations,
    count,
    families,
    holds,
    parents_first,
)
from tuitune.core.space.groups import Group, all_values, make_groups
from tuitune.core.space.priors import grid_axis, has_prior, quantile

_Combined = list[list[dict[str, kinds.Value]]]  # for each group of a space, parts of configurations


def grid_size(space: SearchSpace, levels: int) -> int:
    """The number of points of a grid under its conditions and constraints.

    ValueError for a sampled parameter, EndlessError where constraints leave too many to count.
    """
    free = count(space.free, lambda parameter: kinds.grid_width(parameter, levels))
    return math.prod(map(len, space.grid(levels))) * free


class SearchSpace(msgspec.Struct, frozen=True, dict=True):
    """The parameters of a study, in the order of its file.

    constraints: as in the file. in_tables: the names of parameters that stand in nested tables.
    """

    parameters: tuple[kinds.Parameter, ...]
    constraints: tuple[str, ...] = ()
    in_tables: frozenset[str] = frozenset()

    @cached_property
    def searched(self) -> tuple[kinds.Parameter, ...]:
        """The parameters that have a coordinate, in file order."""
        return tuple(p for p in self.parameters if not isinstance(p, kinds.Fixed | kinds.Sampled))

    @cached_property
    def sampled(self) -> tuple[kinds.Sampled, ...]:
        """The parameters whose values the user's functions draw."""
        return tuple(p for p in self.parameters if isinstance(p, kinds.Sampled))

    @cached_property
    def by_name(self) -> dict[str, kinds.Parameter]:
        """All parameters by their names."""
        return {p.name: p for p in self.parameters}

    @cached_property
    def size(self) -> int | None:
        """The number of distinct configurations.

        None where it is infinite, unknown, or where constraints leave too many to count.
        """
        try:
            return math.prod(map(len, self._combined)) * count(self.free, kinds.levels)
        except EndlessError:
            return None

    @cached_property
    def rules(self) -> tuple[Constraint, ...]:
        """The constraints, read. Raises ConstraintError."""
        return tuple(read_constraint(text, self.by_name) for text in self.constraints)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The parameters that constraints connect, in groups that are independent."""
        if not self.constraints:
            return ()
        places = {parameter.name: place for place, parameter in enumerate(self.searched)}
        ties = [rule.names for rule in self.rules]
        return make_groups(families(self.parameters, ties), self.rules, places)

    @cached_property
    def free(self) -> tuple[kinds.Parameter, ...]:
        """The parameters that are in no group, parents first."""
        grouped = {parameter.name for group in self.groups for parameter in group.family}
        return tuple(p for p in self._parents_first if p.name not in grouped)

    def grid(self, levels: int) -> _Combined:
        """For each group the points of a grid that keep the constraints, tried out only once.

        levels: values of each continuous parameter. Raises EndlessError where there are too many.
        """
        if levels not in self._grids:
            grouped = [parameter for group in self.groups for parameter in group.family]
            axes = {parameter.name: grid_axis(parameter, levels) for parameter in grouped}
            self._grids[levels] = self._kept(lambda parameter: axes[parameter.name])
        return self._grids[levels]

    @cached_property
    def _grids(self) -> dict[int, _Combined]:
        return {}

    @cached_property
    def _combined(self) -> _Combined:
        return self._kept(all_values)

    def _kept(self, values: Values) -> _Combined:
        """For each group its combinations of these values that keep the constraints."""
        return [list(combinations(group.family, group.rules, values)) for group in self.groups]

    def keeps(self, configuration: Mapping[str, Any]) -> bool:
        """Whether the configuration breaks no constraint."""
        return all(rule.holds(configuration) is not False for rule in self.rules)

    def keeps_at(self, point: Sequence[float]) -> bool:
        """Whether the configuration at a point breaks no constraint, but for its rounding."""
        return all(group.keeps(point) for group in self.groups)

    def draw(self, random: Random) -> list[float] | None:
        """A point that is drawn from the priors and keeps the constraints; None: none was found."""
        point = self.placed([random.random() for _ in self.searched])
        return point if self.redraw(point, random) else None

    def redraw(
        self, point: MutableSequence[float], random: Random, given: Collection[int] = ()
    ) -> bool:
        """Draw coordinates again, but not the given ones, until the point keeps the constraints.

        False where that was not reached.
        """
        return all(group.redraw(point, random, given) for group in self.groups)

    def placed(self, shares: Sequence[float]) -> list[float]:
        """A point of evenly spread ones, moved to where the priors and the constraints lead it.

        It may break constraints, but few do.
        """
        point = list(shares)
        for group in self.groups:
            group.boxes.move(point)
        if not self._has_priors:
            return point
        return [quantile(p, share) for p, share in zip(self.searched, point, strict=True)]

    @cached_property
    def _has_priors(self) -> bool:
        return any(map(has_prior, self.searched))

    def nested(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration with the tables of the study file, as trials get it."""
        whole: dict[str, Any] = {}
        for name, value in configuration.items():
            *tables, last = name.split(".") if name in self.in_tables else (name,)
            inner = whole
            for table in tables:
                inner = inner.setdefault(table, {})
            inner[last] = value
        return whole

    def is_active(self, parameter: kinds.Parameter, configuration: Mapping[str, Any]) -> bool:
        """Whether the parameter is part of the configuration, by the values of its parents."""
        return holds(parameter, configuration)

    def configuration(self, point: Sequence[float]) -> dict[str, kinds.Value]:
        """The configuration at a point of len(searched) coordinates in [0, 1].

        Values of continuous ranges are rounded, see `parameters.rounded`. Inactive and sampled
        parameters are left out.
        """
        at = dict(zip((p.name for p in self.searched), point, strict=True))
        values: dict[str, kinds.Value] = {}
        for parameter in self._parents_first:
            if not isinstance(parameter, kinds.Sampled) and holds(parameter, values):
                value = kinds.from_unit(parameter, at.get(parameter.name, 0.5))
                values[parameter.name] = kinds.rounded(parameter, value)
        return self._in_file_order(values)

    def point(self, configuration: Mapping[str, Any]) -> tuple[float, ...]:
        """The point of a configuration; inactive and missing parameters are at 0.5."""
        return tuple(
            kinds.to_unit(p, configuration[p.name])
            if p.name in configuration and holds(p, configuration)
            else 0.5
            for p in self.searched
        )

    def configurations(self) -> Iterator[dict[str, kinds.Value]]:
        """All configurations of a finite space; the last parameter changes fastest."""
        if self.size is None:
            raise ValueError("the space has infinitely many configurations")
        return self._every()

    def _every(self) -> Iterator[dict[str, kinds.Value]]:
        for kept in itertools.product(*self._combined):
            grouped = {name: value for part in kept for name, value in part.items()}
            for rest in combinations(self.free, (), all_values):
                yield self._in_file_order({**grouped, **rest})

    def problems(self, configuration: Mapping[str, Any], *, partial: bool) -> list[str]:
        """Messages about a configuration; a partial one may lack parameters."""
        found = [self._unknown(name) for name in configuration if name not in self.by_name]
        known: dict[str, Any] = {}
        for parameter in self._parents_first:
            if parameter.name in configuration:
                words = self._problem(parameter, configuration[parameter.name], known)
                found += [words] if words else []
                known[parameter.name] = configuration[parameter.name]
            elif not holds(parameter, known):
                continue
            elif isinstance(parameter, kinds.Fixed):
                known[parameter.name] = parameter.value
            elif not partial and not isinstance(parameter, kinds.Sampled):
                found.append(f"{parameter.name} is missing")
        return found or [_broken(rule, known) for rule in self.rules if rule.holds(known) is False]

    def normalised(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """A valid configuration in the file's order and types: 1 may become 1.0."""
        return {
            p.name: kinds.normal_value(p, configuration[p.name])
            for p in self.parameters
            if p.name in configuration
        }

    @cached_property
    def _parents_first(self) -> tuple[kinds.Parameter, ...]:
        ordered, cycle = parents_first(self.parameters)
        if cycle:
            raise ValueError(f"conditions go round in a circle: {', '.join(cycle)}")
        return ordered

    def _in_file_order(self, values: Mapping[str, kinds.Value]) -> dict[str, kinds.Value]:
        return {p.name: values[p.name] for p in self.parameters if p.name in values}

    def _unknown(self, name: str) -> str:
        import difflib  # noqa: PLC0415 - only a mistake pays for it

        near = difflib.get_close_matches(name, self.by_name, n=1)
        mend = f"did you mean {near[0]}?" if near else f"there are {', '.join(self.by_name)}"
        return f"{name}: there is no such parameter; {mend}"

    def _problem(self, parameter: kinds.Parameter, value: object, known: Mapping[str, Any]) -> str:
        for name, allowed in parameter.when.items():
            if name not in known:
                return (
                    f"{parameter.name} = {kinds.spell(value)}: exists only when {name} is "
                    f"{kinds.any_of(allowed)}; give {name} too"
                )
            if not any(kinds.same(known[name], one) for one in allowed):
                return (
                    f"{parameter.name} = {kinds.spell(value)}: exists only when {name} is "
                    f"{kinds.any_of(allowed)}, and it is {kinds.spell(known[name])}; leave it out"
                )
        words = kinds.value_problem(parameter, value)
        return f"{parameter.name} = {kinds.spell(value)}: {words}" if words else ""


def key(configuration: Mapping[str, Any]) -> str:
    """A text that is the same for equal configurations only."""
    return json.dumps(configuration, sort_keys=True, separators=(",", ":"))


def _broken(rule: Constraint, known: Mapping[str, Any]) -> str:
    values = ", ".join(f"{n} = {kinds.spell(known[n])}" for n in sorted(rule.names) if n in known)
    return f"{values}: breaks the constraint {rule.text}"
