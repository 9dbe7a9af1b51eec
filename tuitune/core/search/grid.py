"""Every configuration of a grid once, the coarse ones first."""

from collections.abc import Iterator, Mapping, Sequence
from math import gcd
from typing import Any

import msgspec

from tuitune.core.reasons import GridPoint
from tuitune.core.search.proposal import Proposal, Tried, identity
from tuitune.core.space import Choice, Parameter, SearchSpace, Value, grid_axis, same, spell

_Known = tuple[tuple[str, int], ...]  # (parent, label of its value)

_OTHER = object()  # any value of a parent that no condition names


class Axis(msgspec.Struct, frozen=True):
    """A parameter's values on the grid. levels: for each value, that of the coarsest grid with it.

    labels: for a parent, each value's number among those that conditions name, -1 for the others;
    empty for a parameter without children. last: the place of its last child.
    """

    parameter: Parameter
    values: tuple[Value, ...]
    levels: tuple[int, ...]
    labels: tuple[int, ...]
    last: int


class Subgrid(msgspec.Struct, frozen=True):
    """The distinct configurations of a grid, numbered from 0 without building them.

    Parents come before their children. A number is read in mixed radix, in which an inactive
    parameter has no digit. The numbers n and size - 1 - n are mirror images on every axis as long
    as both satisfy the same conditions.
    """

    space: SearchSpace
    axes: tuple[Axis, ...]
    named: Mapping[str, Sequence[Value]]
    _sizes: dict[tuple[int, _Known], int] = {}

    @property
    def size(self) -> int:
        """The number of configurations."""
        return self._size(0, ())

    def configuration(self, number: int) -> tuple[dict[str, Value], int]:
        """The configuration in file order, and the finest level among its values."""
        values: dict[str, Value] = {}
        finest = 0
        known: _Known = ()
        for place, axis in enumerate(self.axes):
            if not self._is_active(axis, known):
                known = self._after(place, known)
                continue
            index, number, known = self._digit(place, known, number)
            values[axis.parameter.name] = axis.values[index]
            finest = max(finest, axis.levels[index])
        for name in [name for name in values if name.startswith(_GROUP)]:
            part = values.pop(name)
            assert isinstance(part, dict)
            values |= part
        return {p.name: values[p.name] for p in self.space.parameters if p.name in values}, finest

    def _digit(self, place: int, known: _Known, number: int) -> tuple[int, int, _Known]:
        """(index of the value, the number left for later axes, the state after this axis)."""
        axis = self.axes[place]
        if not axis.labels:
            after = self._after(place, known)
            index, rest = divmod(number, self._size(place + 1, after))
            return index, rest, after
        for index, label in enumerate(axis.labels):
            after = self._after(place, known, label)
            size = self._size(place + 1, after)
            if number < size:
                return index, number, after
            number -= size
        raise IndexError("the grid has no such number")

    def _size(self, place: int, known: _Known) -> int:
        if place == len(self.axes):
            return 1
        if (place, known) not in self._sizes:
            self._sizes[place, known] = self._count(place, known)
        return self._sizes[place, known]

    def _count(self, place: int, known: _Known) -> int:
        axis = self.axes[place]
        if not self._is_active(axis, known):
            return self._size(place + 1, self._after(place, known))
        if not axis.labels:
            return len(axis.values) * self._size(place + 1, self._after(place, known))
        return sum(self._size(place + 1, self._after(place, known, one)) for one in axis.labels)

    def _is_active(self, axis: Axis, known: _Known) -> bool:
        if not axis.parameter.when:
            return True
        parents: dict[str, Any] = {
            name: self.named[name][label] if label >= 0 else _OTHER for name, label in known
        }
        return self.space.is_active(axis.parameter, parents)

    def _after(self, place: int, known: _Known, label: int | None = None) -> _Known:
        """The labels that later axes need; parents without further children are dropped."""
        if label is not None:
            known = (*known, (self.axes[place].parameter.name, label))
        if not known:
            return known
        last = {axis.parameter.name: axis.last for axis in self.axes}
        return tuple(entry for entry in known if last[entry[0]] > place)


def _grid_axes(space: SearchSpace, levels: int) -> tuple[tuple[Axis, ...], dict[str, list[Value]]]:
    """The axes of a grid, each parent right before its children, and the values in conditions.

    `levels`: values of each continuous parameter. ValueError for a sampled parameter.
    """
    named: dict[str, list[Value]] = {}
    alone = space.free if space.groups else space.parameters
    for parameter in alone:
        for name, allowed in parameter.when.items():
            known = named.setdefault(name, [])
            known += [value for value in allowed if not any(same(value, one) for one in known)]
    axes = _group_axes(space, levels)
    ordered = _families_together(alone)
    last = {name: place for place, p in enumerate(ordered, len(axes)) for name in p.when}
    for parameter in ordered:
        values = grid_axis(parameter, levels)
        axes.append(
            Axis(
                parameter=parameter,
                values=values,
                levels=_levels_of(parameter, len(values)),
                labels=_labels(values, named.get(parameter.name, ())),
                last=last.get(parameter.name, -1),
            )
        )
    return tuple(axes), named


_GROUP = "\0"  # begins the names of axes that stand for a whole group


def _group_axes(space: SearchSpace, levels: int) -> list[Axis]:
    """An axis for each group of constrained parameters: all combinations that keep these.

    A combination is as fine as the finest of its values.
    """
    axes: list[Axis] = []
    for group, values in zip(space.groups, space.grid(levels), strict=True):
        fineness = {p.name: _fineness(p, levels) for p in group.family}
        finest = (max(fineness[n][spell(v)] for n, v in part.items()) for part in values)
        stand_in = Choice(f"{_GROUP}{len(axes)}", tuple(values))
        axes.append(Axis(stand_in, stand_in.values, tuple(finest), labels=(), last=-1))
    return axes


def _fineness(parameter: Parameter, levels: int) -> dict[str, int]:
    """The level of each value on the grid, by its spelling."""
    values = grid_axis(parameter, levels)
    return dict(zip(map(spell, values), _levels_of(parameter, len(values)), strict=True))


def _levels_of(parameter: Parameter, count: int) -> tuple[int, ...]:
    unordered = isinstance(parameter, Choice) and not parameter.ordered
    return (0,) * count if unordered else bisection_levels(count)


def bisection_levels(count: int) -> tuple[int, ...]:
    """For each of `count` places in a row: both ends 0, the middle 1, the quarters 2, …"""
    levels = [0] * count
    gaps = [(0, count - 1)]
    level = 0
    while gaps := [(low, high) for low, high in gaps if high - low > 1]:
        level += 1
        for low, high in gaps:
            levels[(low + high) // 2] = level
        halves = [((low, mid), (mid, high)) for low, high in gaps for mid in [(low + high) // 2]]
        gaps = [half for both in halves for half in both]
    return tuple(levels)


def _coarser(axis: Axis, level: int) -> Axis:
    kept = [index for index, of in enumerate(axis.levels) if of <= level]
    return Axis(
        parameter=axis.parameter,
        values=tuple(axis.values[index] for index in kept),
        levels=tuple(axis.levels[index] for index in kept),
        labels=tuple(axis.labels[index] for index in kept) if axis.labels else (),
        last=axis.last,
    )


def _labels(values: Sequence[Value], named: Sequence[Value]) -> tuple[int, ...]:
    if not named:
        return ()
    return tuple(
        next((label for label, one in enumerate(named) if same(one, value)), -1) for value in values
    )


def _families_together(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Each parameter as soon as its parents are placed, which keeps the state small."""
    left = list(parameters)
    placed: dict[str, Parameter] = {}

    def ready(parameter: Parameter) -> bool:
        return parameter.when.keys() <= placed.keys()

    def place(parameter: Parameter) -> None:
        left.remove(parameter)
        placed[parameter.name] = parameter
        for child in parameters:
            if child.name not in placed and parameter.name in child.when and ready(child):
                place(child)

    while left:
        place(next(filter(ready, left)))
    return list(placed.values())


class GridSearcher:
    """Every configuration of a grid once, the coarse ones first.

    It caches the order as far as it was read, and its position in a set of tried configurations,
    which only grows; its proposals do not depend on these.
    """

    def __init__(self, space: SearchSpace, levels: int) -> None:
        """levels: values of each continuous parameter. ValueError for a sampled parameter."""
        axes, named = _grid_axes(space, levels)
        self._space = space
        depth = max((max(axis.levels, default=0) for axis in axes), default=0)
        self._subgrids = [
            Subgrid(space, tuple(_coarser(axis, level) for axis in axes), named)
            for level in range(depth + 1)
        ]
        self._size = self._subgrids[-1].size
        self._order = _coarse_to_fine(self._subgrids)
        self._seen: list[tuple[int, int]] = []  # (level, number in its subgrid)
        self._identities: list[str] = []
        self._asked: Tried | None = None
        self._passed = 0  # number of first points that are known to be in that set

    def planned(self, index: int) -> Proposal:
        """Point number `index` of the grid, from 0; after the last one the first again."""
        index %= self._size
        self._identity(index)
        level, number = self._seen[index]
        config, _ = self._subgrids[level].configuration(number)
        return Proposal(config, "grid", GridPoint(index, self._size, level))

    def propose(self, trial: int, tried: Tried) -> Proposal | None:  # noqa: ARG002 - the order rules
        """The first point of the order that was not tried; None after the last one."""
        if tried is not self._asked:
            self._asked, self._passed = tried, 0
        while self._passed < self._size and self._identity(self._passed) in tried:
            self._passed += 1
        return self.planned(self._passed) if self._passed < self._size else None

    def _identity(self, index: int) -> str:
        while len(self._seen) <= index:
            level, number, config = next(self._order)
            self._seen.append((level, number))
            self._identities.append(identity(self._space, config))
        return self._identities[index]


def _coarse_to_fine(subgrids: list[Subgrid]) -> Iterator[tuple[int, int, dict[str, Value]]]:
    """(level, number in the subgrid of that level, configuration), each configuration once."""
    before = 0
    for level, subgrid in enumerate(subgrids):
        if subgrid.size == before:
            continue
        before = subgrid.size
        for number in _spread(subgrid.size):
            config, finest = subgrid.configuration(number)
            if finest == level:
                yield level, number, config


def _spread(size: int) -> Iterator[int]:
    """Each number below `size` once, far from the ones just before it.

    Equal steps through the lower half, each number followed by its mirror image, which on a grid
    is the opposite corner.
    """
    half = (size + 1) // 2
    # e - 2: each pair of axes meets its combinations as early as in random order; steps by the
    # golden ratio resonate with axes of 3 or 5 values and take up to three times as long.
    stride = max(1, round(half * 0.7182818284590452))
    while gcd(stride, half) != 1:
        stride += 1
    for turn in range(half):
        number = turn * stride % half
        yield number
        if number != size - 1 - number:
            yield size - 1 - number
