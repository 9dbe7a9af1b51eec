"""Parameters, configurations, and their places in the unit cube."""

from tuitune.core.space.constraints import ConstraintError, read_constraint
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
    any_of,
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
    value_problem,
)
from tuitune.core.space.priors import (
    grid_axis,
    has_prior,
    likely_of,
    likely_units,
    middle,
    normal_quantile,
    normal_units,
    weights_of,
)
from tuitune.core.space.searchspace import SearchSpace, grid_size, key
