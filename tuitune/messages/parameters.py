"""Domains, conditions and importance of parameters in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tuitune.core import space

if TYPE_CHECKING:
    from tuitune.core.search.importance import Importance, ParameterImportance


def domain(parameter: space.Parameter) -> str:  # noqa: PLR0911 - one for each kind
    """The bounds or the values of a parameter."""
    match parameter:
        case space.FloatRange(low=low, high=high, log=log, step=step):
            steps = f", in steps of {step}" if step else ""
            return f"{low} to {high}{_scale(parameter, log=log)}{steps}"
        case space.IntRange(low=low, high=high, log=log, step=step):
            steps = f", in steps of {step}" if step > 1 else ""
            return f"{low} to {high}, whole{_scale(parameter, log=log)}{steps}"
        case space.PowerRange(low=low, high=high, base=base):
            return f"{low} to {high}, powers of {base}"
        case space.Choice(values=values, weights=weights) if weights:
            both = zip(map(space.spell, values), weights, strict=True)
            return f"one of {', '.join(f'{value} ({weight:g})' for value, weight in both)}"
        case space.Choice(values=values, ordered=ordered):
            return f"one of {', '.join(map(space.spell, values))}{' (ordered)' if ordered else ''}"
        case space.Fixed(value=value):
            return f"always {space.spell(value)}"
        case space.Sampled(target=target):
            return f"sampled by {target}"


def _scale(parameter: space.FloatRange | space.IntRange, *, log: bool) -> str:
    if parameter.normal is None:
        return ", log" if log else ""
    mean, deviation = parameter.normal
    if log:
        return f", lognormal about {math.exp(mean):.4g}, standard deviation {deviation:g}"
    return f", normal about {mean:g}, standard deviation {deviation:g}"


_USELESS: Final = 0.1  # R2 below which the figures are meaningless
_WEAK: Final = 0.4


def is_useless(importance: Importance) -> bool:
    """Whether its figures say nothing."""
    return importance.r2 < _USELESS


def score(importance: Importance) -> str:
    """How well the forest behind it predicts."""
    return f"R2 {importance.r2:.2f}, rank correlation {importance.rank:.2f}"


def caution(importance: Importance) -> str:
    """How far it can be trusted; empty if it can be."""
    if is_useless(importance):
        return "the model predicts nothing: don't trust it"
    return "a weak model: trust large figures only" if importance.r2 < _WEAK else ""


def by_importance(importance: Importance) -> list[ParameterImportance]:
    """The parameters, the most important first."""
    return sorted(importance.parameters, key=lambda one: -one.rise)


def condition(parameter: space.Parameter) -> str:
    """When a parameter is active, as 'when optimizer = "sgd"'; empty for always."""
    parents = " and ".join(
        f"{name} = {' or '.join(space.spell(v) for v in values)}"
        for name, values in parameter.when.items()
    )
    return f"when {parents}" if parents else ""
