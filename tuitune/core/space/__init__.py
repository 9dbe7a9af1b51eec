"""Parameters, configurations, and their places in the unit cube."""

from __future__ import annotations

from tuitune.core.space.constraints import Constraint, ConstraintError, read_constraint
from tuitune.core.space.families import EndlessError, parents_first
from tuitune.core.space.groups import SHARE_DRAWS
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
    grid_width,
    index_of,
    is_number,
    levels,
    listed,
    same,
    spell,
    to_unit,
    value_at,
)
from tuitune.core.space.priors import (
    grid_axis,
    has_prior,
    likely_of,
    likely_units,
    middle,
    normal_quantile,
    normal_units,
    quantile,
    weights_of,
)
from tuitune.core.space.searchspace import SearchSpace, grid_size, key
from tuitune.core.space.text import any_of, value_problem

__all__ = [
    "SHARE_DRAWS",
    "Choice",
    "Constraint",
    "ConstraintError",
    "EndlessError",
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
    "has_prior",
    "index_of",
    "is_number",
    "key",
    "levels",
    "likely_of",
    "likely_units",
    "listed",
    "middle",
    "normal_quantile",
    "normal_units",
    "parents_first",
    "quantile",
    "read_constraint",
    "same",
    "spell",
    "to_unit",
    "value_at",
    "value_problem",
    "weights_of",
]
