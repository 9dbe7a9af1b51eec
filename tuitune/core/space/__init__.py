"""Parameters, configurations, and their places in the unit cube."""

from __future__ import annotations

from tuitune.core.space.parameters import (
    Choice,
    Fixed,
    FloatRange,
    IntRange,
    Parameter,
    PowerRange,
    Sampled,
    Value,
    from_unit,
    grid_axis,
    grid_width,
    index_of,
    is_number,
    levels,
    likely_of,
    likely_units,
    same,
    spell,
    to_unit,
    value_at,
)
from tuitune.core.space.searchspace import SearchSpace, grid_size, key, parents_first
from tuitune.core.space.text import any_of, value_problem

__all__ = [
    "Choice",
    "Fixed",
    "FloatRange",
    "IntRange",
    "Parameter",
    "PowerRange",
    "Sampled",
    "SearchSpace",
    "Value",
    "any_of",
    "from_unit",
    "grid_axis",
    "grid_size",
    "grid_width",
    "index_of",
    "is_number",
    "key",
    "levels",
    "likely_of",
    "likely_units",
    "parents_first",
    "same",
    "spell",
    "to_unit",
    "value_at",
    "value_problem",
]
