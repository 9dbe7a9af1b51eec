"""Importance of the parameters of a study."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from tuitune.core.events import TrialState
from tuitune.core.space import Choice, Fixed, Parameter, Sampled, is_number, key, spell, to_unit
from tuitune.core.spec import StudySpec
from tuitune.core.study.ranking import Ranked, merit

FINISHED: Final = frozenset({TrialState.COMPLETE, TrialState.PRUNED})
LEAST: Final = 8  # finished trials below which there is no importance
MOST: Final = 400  # finished trials that it is computed from
GROWTH: Final = 0.1  # of the finished trials have to be new before it is computed again
# a sampled parameter with more distinct values must be a number, or is ignored
_CATEGORIES: Final = 12


class Configured(Ranked, Protocol):
    """A trial with its configuration; a row of the store is one."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Parameter names to values; inactive parameters are absent."""


class ParameterImportance(msgspec.Struct, frozen=True):
    """The importance of one parameter.

    rise: of the squared error when its values are permuted, over the variance of the ranks.
    present: the number of configurations that have it.
    """

    name: str
    rise: float
    present: int


class Importance(msgspec.Struct, frozen=True):
    """Permutation importance by a forest, as it is stored with a study.

    The forest predicts the ranks of trials (0: the best). r2 and rank (Spearman's correlation): of
    the trials that a tree was not fitted to. why: the reason where there are no parameters.
    """

    finished: int  # complete and pruned trials when it was computed
    configurations: int = 0  # different ones that the forest was fitted to
    parameters: tuple[ParameterImportance, ...] = ()
    r2: float = 0.0
    rank: float = 0.0
    trees: int = 0
    why: str = ""


def is_due(known: Importance | None, finished: int, growth: float = GROWTH) -> bool:
    """Whether to compute it: enough trials are finished, and enough of them since `known`."""
    if finished < LEAST or known is None:
        return finished >= LEAST
    return finished >= known.finished + max(1.0, growth * known.finished)


def importance_of(spec: StudySpec, trials: Sequence[Configured]) -> Importance:
    """The importance of each parameter that varies, from the finished ones of `trials`.

    Equal configurations count once, with the mean of their ranks. Needs numpy.
    """
    from tuitune.core.search import forest  # noqa: PLC0415 - numpy, which showing a result does not need

    finished = [trial for trial in trials if trial.state in FINISHED]
    stride = -(-len(finished) // MOST) or 1
    chosen = finished[::-1][::stride][::-1]
    if not chosen:
        return Importance(0, why=f"needs {LEAST} finished trials, has 0")
    merits = [merit(trial, spec.objective)[:-1] for trial in chosen]
    by_config: dict[str, list[float]] = defaultdict(list)
    for trial, rank in zip(chosen, forest.ranks(merits), strict=True):
        by_config[key(trial.config)].append(float(rank))
    configs = list({key(trial.config): trial.config for trial in chosen}.values())
    columns = [column for p in spec.space.parameters if (column := _column(p, configs))]
    if not columns:
        return Importance(len(finished), why="no parameter has taken more than one value")
    targets = [sum(own) / len(own) for own in by_config.values()]
    if len(set(targets)) < 2:
        return Importance(len(finished), why="all finished trials rank equal: nothing to explain")
    values = [list(row) for row in zip(*(column.values for column in columns), strict=True)]
    fit = forest.fit_forest(values, [column.ordered for column in columns], targets)
    parameters = (
        ParameterImportance(column.name, float(rise), sum(not math.isnan(v) for v in column.values))
        for column, rise in zip(columns, fit.importance, strict=True)
    )
    return Importance(
        len(finished), len(configs), tuple(parameters), fit.r2, fit.rank, forest.TREES
    )


class _Column(NamedTuple):
    """One parameter in every configuration: values in [0, 1], NaN where it does not exist."""

    name: str
    values: list[float]
    ordered: bool


def _column(parameter: Parameter, configs: Sequence[Mapping[str, Any]]) -> _Column | None:
    """The column of a parameter; None if it does not vary, or its values can't be compared."""
    name = parameter.name
    if isinstance(parameter, Fixed):
        return None
    if isinstance(parameter, Sampled):
        sampled = [config.get(name) for config in configs]
        values, ordered = _places(sampled)
    else:
        values = [_place(parameter, config.get(name)) for config in configs]
        ordered = not isinstance(parameter, Choice) or _is_ordered(parameter)
    varies = len({-1.0 if math.isnan(value) else value for value in values}) > 1
    return _Column(name, values, ordered) if varies else None


def _place(parameter: Parameter, value: Any) -> float:
    try:
        return to_unit(parameter, value)
    except ValueError:  # it does not exist in this configuration
        return math.nan


def _places(values: Sequence[Any]) -> tuple[list[float], bool]:
    """The places of a sampled parameter's values, and whether they are ordered."""
    there = [value for value in values if value is not None]
    numbers = all(is_number(value) for value in there)
    order = sorted(set(there)) if numbers else list(dict.fromkeys(map(spell, there)))
    if len(order) > _CATEGORIES and not numbers:
        return [math.nan] * len(values), True
    last = max(1, len(order) - 1)
    index = {value: place / last for place, value in enumerate(order)}
    keys = [value if numbers or value is None else spell(value) for value in values]
    return [math.nan if value is None else index[value] for value in keys], numbers


def _is_ordered(choice: Choice) -> bool:
    return choice.ordered or all(is_number(value) for value in choice.values)
