"""Which row of numbers is a configuration, for a density?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuitune.core.space import Choice, index_of, to_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuitune.core.space import Parameter, SearchSpace

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Columns:
    """One column a searched parameter: a coordinate, or the index of an unordered choice.

    categories: how many there are in each column, 0 for coordinates.
    """

    space: SearchSpace
    categories: NDArray[np.int64]

    def encode(self, configs: Sequence[Mapping[str, Any]]) -> Array:
        """(n, d); nan for a parameter that does not exist.

        Falkner et al. impute a random other value, to tell neither side from the other; a density
        that leaves the parameter out does so without chance.
        """
        searched = self.space.searched
        rows = [[_cell(parameter, config) for parameter in searched] for config in configs]
        return np.array(rows, dtype=np.float64).reshape(len(configs), len(searched))

    def points(self, rows: Array) -> list[list[float]]:
        """Rows as points of the unit cube."""
        counted = self.categories > 0
        points = np.where(counted, (rows + 0.5) / np.maximum(self.categories, 1), rows)
        return [[float(u) for u in point] for point in points]


def columns(space: SearchSpace) -> Columns:
    counts = [_categories(parameter) for parameter in space.searched]
    return Columns(space, np.array(counts, dtype=np.int64))


def _categories(parameter: Parameter) -> int:
    is_category = isinstance(parameter, Choice) and not parameter.ordered
    return len(parameter.values) if is_category and isinstance(parameter, Choice) else 0


def _cell(parameter: Parameter, config: Mapping[str, Any]) -> float:
    if parameter.name not in config:
        return float("nan")
    value = config[parameter.name]
    if _categories(parameter):
        index = index_of(parameter, value)
        return float("nan") if index is None else float(index)
    return to_unit(parameter, value)
