"""How does the model see values that the user's own functions draw?

It can't choose them, but they may explain outcomes. Numbers get a place in [0, 1] by the range of
those seen so far, on a log scale where they span much; anything else is a category.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuitune.core.space import key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tuitune.core.space import Sampled

WIDE = 100.0  # the largest over the smallest: beyond, a log scale
MANY = 20  # kinds of values that are no numbers; further ones look alike


@dataclass(frozen=True)
class SampledColumns:
    """columns: (configurations, sampled parameters). categories: 0 for a number.

    typical: the values to expect of a draw to come.
    """

    columns: NDArray[np.float64]
    categories: tuple[int, ...]
    typical: NDArray[np.float64]


def drawn(parameters: Sequence[Sampled], configs: Sequence[Mapping[str, Any]]) -> SampledColumns:
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
            typical.append(float(np.bincount(codes.astype(np.intp)).argmax()))
    table = np.column_stack(columns) if columns else np.zeros((len(configs), 0))
    return SampledColumns(table, tuple(categories), np.array(typical))


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) < 1e150  # and neither infinite nor NaN
    )


def _numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    known = np.array([float(value) for value in values if value is not None])
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    if low > 0.0 and high / low > WIDE:
        low, high = float(np.log(low)), float(np.log(high))
        values = [None if value is None else float(np.log(value)) for value in values]
    if high <= low:
        return np.full(len(values), 0.5)
    return np.array([0.5 if value is None else (value - low) / (high - low) for value in values])


def _codes(values: Sequence[Any]) -> tuple[NDArray[np.float64], int]:
    numbers: dict[str, int] = {}
    codes = []
    for value in values:
        name = key({"": value})
        codes.append(numbers.setdefault(name, min(len(numbers), MANY - 1)))
    return np.array(codes, dtype=np.float64), min(len(numbers), MANY)
