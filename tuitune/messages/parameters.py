"""Domains and conditions of parameters, in the words of the study file."""

from __future__ import annotations

from tuitune.core.space import (
    Choice,
    Fixed,
    FloatRange,
    IntRange,
    Parameter,
    PowerRange,
    Sampled,
    spell,
)


def domain(parameter: Parameter) -> str:
    """The bounds or the values of a parameter."""
    match parameter:
        case FloatRange(low=low, high=high, log=log, step=step):
            steps = f", in steps of {step}" if step else ""
            return f"{low} to {high}{', log' if log else ''}{steps}"
        case IntRange(low=low, high=high, log=log, step=step):
            steps = f", in steps of {step}" if step > 1 else ""
            return f"{low} to {high}, whole{', log' if log else ''}{steps}"
        case PowerRange(low=low, high=high, base=base):
            return f"{low} to {high}, powers of {base}"
        case Choice(values=values, ordered=ordered):
            return f"one of {', '.join(map(spell, values))}{' (ordered)' if ordered else ''}"
        case Fixed(value=value):
            return f"always {spell(value)}"
        case Sampled(target=target):
            return f"sampled by {target}"


def condition(parameter: Parameter) -> str:
    """When a parameter is active, as 'when optimizer = "sgd"'; empty for always."""
    parents = " and ".join(
        f"{name} = {' or '.join(spell(v) for v in values)}"
        for name, values in parameter.when.items()
    )
    return f"when {parents}" if parents else ""
