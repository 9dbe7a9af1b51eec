"""Trials of earlier studies, converted to the space of this study."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tuitune.core import events, spec
from tuitune.core.search.proposal import Fate, Past
from tuitune.core.space import families, parameters, priors, searchspace


class Earlier(msgspec.Struct, frozen=True):
    """A trial of an earlier study, with its number and configuration converted to this study.

    points: (resource, value) of its reports, resources rising, None where missing or not finite;
    value: what counts for it in its own study, which is called `study`.
    """

    number: int
    config: dict[str, Any]
    state: events.TrialState
    step: int
    value: float | None
    points: Sequence[tuple[int, float | None]]
    study: str = ""


def past_of(earlier: Earlier, objective: spec.Objective, rungs: Sequence[int]) -> Past | None:
    """The trial for this study's model; None where it has no information.

    rungs: those of its own study. There a trial that was pruned counts by the rung that it came to
    and its value there; without rungs only complete ones count.
    """
    diverged = earlier.value is None and earlier.state in (
        events.TrialState.COMPLETE,
        events.TrialState.PRUNED,
    )
    fate: Fate = "failed" if diverged or earlier.state == events.TrialState.FAILED else "ended"
    curve: tuple[tuple[int, float], ...] = ()
    if rungs:
        curve = _curve(earlier, objective, rungs)
    elif earlier.state == events.TrialState.COMPLETE and earlier.value is not None:
        curve = ((1, earlier.value),)
    if not curve and fate != "failed":
        return None
    return Past(earlier.number, earlier.config, curve, fate, earlier.study)


def _curve(
    earlier: Earlier, objective: spec.Objective, rungs: Sequence[int]
) -> tuple[tuple[int, float], ...]:
    """(rung, value) of each rung that it has passed."""
    curve: list[tuple[int, float]] = []
    best = math.inf if objective.mode == "min" else -math.inf
    better = min if objective.mode == "min" else max
    for step, value in earlier.points:
        if value is None:
            continue
        best = better(best, value)
        passed = bisect_right(rungs, step)
        if passed and (not curve or curve[-1][0] < rungs[passed - 1]):
            curve.append((rungs[passed - 1], best if objective.value == "best" else value))
    return tuple(curve)


class UnfitError(Exception):
    """A configuration that is impossible in this space; str() says which parameter, and why."""


def fitted(
    space: searchspace.SearchSpace, config: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """(the configuration in this space, names that it lacked and that are set to the middle).

    Numbers are moved to the nearest possible value, unknown parameters are left out. Raises
    UnfitError.
    """
    ordered, _ = families.parents_first(space.parameters)
    known: dict[str, Any] = {}
    lacking: list[str] = []
    for parameter in ordered:
        if not space.is_active(parameter, known):
            continue
        if parameter.name in config:
            known[parameter.name] = _fitted(parameter, config[parameter.name])
        elif isinstance(parameter, parameters.Fixed):
            known[parameter.name] = parameter.value
        elif not isinstance(parameter, parameters.Sampled):
            known[parameter.name] = parameters.from_unit(parameter, priors.middle(parameter))
            lacking.append(parameter.name)
    return {p.name: known[p.name] for p in space.parameters if p.name in known}, lacking


def _fitted(parameter: parameters.Parameter, value: Any) -> parameters.Value:
    match parameter:
        case parameters.Sampled():
            found: parameters.Value = value
            return found
        case parameters.Fixed():
            if not parameters.same(parameter.value, value):
                raise UnfitError(
                    f"{parameter.name} is always {parameters.spell(parameter.value)} here"
                )
            return parameter.value
        case parameters.Choice():
            index = parameters.index_of(parameter, value)
            if index is None:
                raise UnfitError(f"{parameter.name} is never {parameters.spell(value)} here")
            return parameter.values[index]
    if not parameters.is_number(value):
        raise UnfitError(f"{parameter.name} is a number here")
    if not parameter.low <= value <= parameter.high:
        raise UnfitError(f"{parameter.name} is from {parameter.low} to {parameter.high} here")
    if isinstance(parameter, parameters.FloatRange) and parameter.step is None:
        return float(value)
    index, count = (
        parameters.nearest_index(parameter, value) or 0,
        parameters.levels(parameter) or 1,
    )
    return parameters.value_at(parameter, min(max(index, 0), count - 1))
