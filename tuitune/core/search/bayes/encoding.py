"""Encoding of configurations as rows of numbers, and of points of the unit cube as rows.

A row has a place for each searched parameter, then for each sampled one. A number's place holds
its coordinate in [0, 1], that of a countable one the middle of its cell, 0.5 where it is inactive.
A category's place holds its number, and one past the last where it is inactive. Sampled parameters
can't be chosen, but may explain outcomes: their numbers are scaled to [0, 1] by the range of those
seen so far, on a log scale if that range is wide; other values are categories.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuitune.core import space as spaces
from tuitune.core.search.bayes.layout import Expected
from tuitune.core.search.proposal import Past

_TWO = 2  # values of a number that are both ends
_EDGE = 1e-3  # of a continuous range, that counts as its end
_NEAR = 0.02  # of a range, by which two numbers are nearly the same
_COUNTABLE = 1000  # finer grids are continuous for the model, and rounded at the end


# From fits to 160 random configurations of each of 14 tuning tasks. Along logarithmic ranges, which
# span decades, and along a few whole numbers outcomes change soonest.
_LOG_FLOAT, _WHOLE = Expected(-0.8, 1.3), Expected(-0.8, 1.3)
_LOG_WHOLE, _FLOAT, _CATEGORY = Expected(-0.4, 1.3), Expected(0.1, 1.3), Expected(0.0, 1.3)


@dataclass(frozen=True)
class Column:
    """One searched parameter's place in a row.

    centres: of its cells in [0, 1], for a category its numbers; None for a continuous parameter.
    edges: between the cells in [0, 1]; a last cell means an inactive category.
    """

    parameter: spaces.Parameter
    categories: int  # 0 for a number
    centres: NDArray[np.float64] | None
    edges: NDArray[np.float64] | None

    @property
    def inactive(self) -> float:
        """The value in the column where the parameter does not exist."""
        return float(self.categories) if self.categories else 0.5

    @property
    def expected(self) -> Expected:
        """Of the length, by the kind of the parameter."""
        if self.categories:
            return _CATEGORY
        match self.parameter:
            case spaces.FloatRange(log=log):
                return _LOG_FLOAT if log else _FLOAT
            case spaces.IntRange(log=False):
                return _WHOLE
            case _:
                return _LOG_WHOLE


@dataclass(frozen=True)
class Encoding:
    """The searched parameters' places, and the conditions between them."""

    space: spaces.SearchSpace
    columns: tuple[Column, ...]

    @cached_property
    def numbers(self) -> NDArray[np.intp]:
        """The continuous places, along which there is a gradient."""
        return np.array([i for i, c in enumerate(self.columns) if c.centres is None], dtype=np.intp)

    @cached_property
    def countables(self) -> tuple[int, ...]:
        """The places whose parameters have a countable number of values."""
        return tuple(i for i, c in enumerate(self.columns) if c.centres is not None)

    @cached_property
    def with_ends(self) -> NDArray[np.intp]:
        """The places of numbers that have values between the ends of their range."""
        found = [
            place
            for place, column in enumerate(self.columns)
            if not column.categories and (column.centres is None or len(column.centres) > _TWO)
        ]
        return np.array(found, dtype=np.intp)

    def row(self, config: Mapping[str, Any]) -> NDArray[np.float64]:
        """The searched part of a configuration's row; ValueError if it is not of this space."""
        row: NDArray[np.float64] = self.snapped(np.array([self.space.point(config)]))[0]
        return row

    def rows(self, configs: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
        """(configs, places): `row` of each."""
        rows = [self.row(config) for config in configs]
        return np.array(rows).reshape(len(rows), len(self.columns))

    def snapped(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rows of the configurations at points of the unit cube."""
        rows = np.empty_like(points)
        cells = np.zeros(points.shape, dtype=np.intp)
        for place, column in enumerate(self.columns):
            if column.centres is None or column.edges is None:
                rows[:, place] = points[:, place]
            else:
                cells[:, place] = np.searchsorted(column.edges, points[:, place], side="right")
                rows[:, place] = column.centres[cells[:, place]]
        for place, active in self._activity(cells).items():
            rows[~active, place] = self.columns[place].inactive
        return rows

    def keeps(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points of the unit cube break no constraint, but for rounding."""
        return np.array([self.space.keeps_at(point) for point in points.tolist()], dtype=bool)

    def kept(self, points: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
        """The points, with coordinates from a sample of those that keep the constraints.

        Empty where none was found.
        """
        points = points.copy()
        for group in self.space.groups:
            if not group.sample:
                return points[:0]
            sample = np.array(group.sample)
            points[:, list(group.places)] = sample[random.integers(len(sample), size=len(points))]
        return points

    def point_of_cell(self, place: int, cell: int) -> float:
        """A coordinate in [0, 1] inside a cell, away from its edges."""
        column = self.columns[place]
        assert column.centres is not None
        if column.categories:
            return (cell + 0.5) / column.categories
        return float(column.centres[cell])

    def cell(self, place: int, coordinate: float) -> int:
        """The number, from 0, of the cell that a coordinate in [0, 1] is in."""
        edges = self.columns[place].edges
        assert edges is not None
        return int(np.searchsorted(edges, coordinate, side="right"))

    def on_end(self, place: int, coordinate: float) -> bool:
        """Whether a coordinate is one of the two ends of its parameter's range."""
        centres = self.columns[place].centres
        if centres is None:
            return coordinate <= _EDGE or coordinate >= 1.0 - _EDGE
        return self.cell(place, coordinate) in (0, len(centres) - 1)

    def inside(self, place: int, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates between the ends; shares: (n,) of the range between them, below 1."""
        centres = self.columns[place].centres
        if centres is None:  # off the ends by more than counts as one
            return _EDGE + (1.0 - 2.0 * _EDGE) * shares
        return centres[1 + (shares * (len(centres) - 2)).astype(np.intp)]

    def copies(
        self, points: NDArray[np.float64], running: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Which points (n, places) are nearly the same as one of the rows of running trials.

        Nearly: the same choices, and no number differs by more than _NEAR of its range.
        """
        rows = self.snapped(points)
        found = np.zeros(len(rows), dtype=bool)
        for row in running:
            found |= (np.abs(rows - row) <= _NEAR).all(axis=1)
        return found

    def _activity(self, cells: NDArray[np.intp]) -> dict[int, NDArray[np.bool_]]:
        """For each place with conditions, in which rows its parameter is active."""
        known: dict[int, NDArray[np.bool_]] = {}
        for place in self._conditional:
            active = np.ones(len(cells), dtype=bool)
            for parent, allowed in self._conditions[place].items():
                if parent < 0:  # a parent without a coordinate decides for all rows
                    active &= bool(allowed)
                    continue
                active &= np.isin(cells[:, parent], allowed)
                active &= known.get(parent, np.True_)
            known[place] = active
        return known

    @cached_property
    def _conditions(self) -> dict[int, dict[int, list[int]]]:
        """place -> parent's place -> the parent's cells under which it is active."""
        places = {column.parameter.name: place for place, column in enumerate(self.columns)}
        found: dict[int, dict[int, list[int]]] = {}
        for place, column in enumerate(self.columns):
            for number, (name, allowed) in enumerate(column.parameter.when.items()):
                conditions = found.setdefault(place, {})
                parent = self.space.by_name[name]
                cells = [spaces.index_of(parent, value) for value in allowed]
                holding = [cell for cell in cells if cell is not None]
                if name in places:
                    conditions[places[name]] = holding
                elif isinstance(parent, spaces.Fixed) and self._always(parent):
                    conditions[-1 - number] = holding
                else:  # a sampled parent is not known before it is drawn
                    conditions[-1 - number] = []
        return found

    def _always(self, parameter: spaces.Parameter) -> bool:
        """Whether a fixed parameter exists in every configuration."""
        return all(
            isinstance(parent := self.space.by_name[name], spaces.Fixed)
            and self._always(parent)
            and any(spaces.index_of(parent, value) is not None for value in allowed)
            for name, allowed in parameter.when.items()
        )

    @cached_property
    def _conditional(self) -> tuple[int, ...]:
        """The places with conditions, parents before children."""
        ordered: list[int] = []

        def put(place: int) -> None:
            if place in ordered or place not in self._conditions:
                return
            for parent in self._conditions[place]:
                put(parent)
            ordered.append(place)

        for place in self._conditions:
            put(place)
        return tuple(ordered)


def encoding_of(space: spaces.SearchSpace) -> Encoding:
    """The encoding of a space, one place for each searched parameter."""
    return Encoding(space, tuple(_column(parameter) for parameter in space.searched))


def _column(parameter: spaces.Parameter) -> Column:
    count = spaces.levels(parameter)
    unordered = isinstance(parameter, spaces.Choice) and not parameter.ordered
    fine = count is None or (count > _COUNTABLE and not unordered)
    if fine or (isinstance(parameter, spaces.FloatRange) and parameter.step is None):
        return Column(parameter, 0, None, None)
    assert count is not None
    even = np.arange(1, count) / count
    if unordered:
        return Column(parameter, count, np.arange(count, dtype=float), even)
    if isinstance(parameter, spaces.FloatRange | spaces.IntRange) and parameter.log:
        steps = np.arange(count + 1, dtype=float) * (parameter.step or 1)
        ends = np.log(parameter.low + steps)
        scale = (ends - ends[0]) / (ends[-1] - ends[0])
        return Column(parameter, 0, (scale[:-1] + scale[1:]) / 2, scale[1:-1])
    return Column(parameter, 0, (np.arange(count) + 0.5) / count, even)


_WIDE = 100.0  # a larger ratio of largest to smallest gets a log scale
_MANY = 20  # distinct values that are not numbers; further ones are treated as one


@dataclass(frozen=True)
class SampledColumns:
    """Columns for the sampled parameters: (configurations, sampled parameters).

    categories: 0 for a number. typical: the values to expect of a later draw.
    """

    columns: NDArray[np.float64]
    categories: tuple[int, ...]
    typical: NDArray[np.float64]


def drawn(
    parameters: Sequence[spaces.Sampled], configs: Sequence[Mapping[str, Any]]
) -> SampledColumns:
    """Columns of the sampled parameters, scaled by the values in these configurations."""
    columns: list[NDArray[np.float64]] = []
    categories: list[int] = []
    typical: list[float] = []
    for parameter in parameters:
        values = [config.get(parameter.name) for config in configs]
        seen = [value for value in values if value is not None]
        if all(_is_number(value) for value in seen):
            columns.append(_numbers(values))
            categories.append(0)
            typical.append(float(np.median(columns[-1])) if values else 0.5)
        else:
            codes, count = _codes(values)
            columns.append(codes)
            categories.append(count)
            typical.append(float(np.argmax(np.bincount(codes.astype(np.intp)))))
    table = np.column_stack(columns) if columns else np.zeros((len(configs), 0))
    return SampledColumns(table, tuple(categories), np.array(typical))


def _is_number(value: object) -> bool:
    return spaces.is_number(value) and abs(value) < 1e150  # and neither infinite nor NaN


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    known = np.array([float(value) for value in values if value is not None])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    if low > 0.0 and high / low > _WIDE:
        low, high = float(np.log(low)), float(np.log(high))
        values = [None if value is None else float(np.log(value)) for value in values]
    if high <= low:
        return np.full(len(values), 0.5)
    return np.array([0.5 if value is None else (value - low) / (high - low) for value in values])


def _codes(values: Sequence[Any]) -> tuple[NDArray[np.float64], int]:
    numbers: dict[str, int] = {}
    codes = []
    for value in values:
        name = spaces.key({"": value})
        codes.append(numbers.setdefault(name, min(len(numbers), _MANY - 1)))
    return np.array(codes, dtype=np.float64), min(len(numbers), _MANY)


@dataclass
class RowCache:
    """Computes rows, and keeps those of each trial until its configuration changes."""

    encoding: Encoding
    _rows: dict[int, tuple[Mapping[str, Any], NDArray[np.float64]]] = field(default_factory=dict)

    def row(self, number: int, past: Past) -> NDArray[np.float64]:
        """(searched places,) of a trial's configuration; number: one that only this trial has."""
        known = self._rows.get(number)
        if known is not None and (known[0] is past.config or known[0] == past.config):
            return known[1]
        row = self.encoding.row(past.config)
        self._rows[number] = past.config, row
        return row
