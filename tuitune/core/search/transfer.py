"""Trials of earlier studies, as this study's model sees them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tuitune.core.events import TrialState
from tuitune.core.search.proposal import Fate, Past

if TYPE_CHECKING:
    from tuitune.core.spec import Objective


class Earlier(msgspec.Struct, frozen=True):
    """A trial as its own study has it, but for its number and configuration, which are of here.

    points: (resource, value) of its reports, resources rising, None where missing or not finite;
    value: what it counts with there.
    """

    number: int
    config: dict[str, Any]
    state: TrialState
    step: int
    value: float | None
    points: Sequence[tuple[int, float | None]]


def past_of(
    earlier: Earlier, objective: Objective, rungs: Sequence[int], *, comparable: bool
) -> Past | None:
    """The trial here; None where it tells nothing.

    comparable: its resource is that of this study. Else, as without rungs, only its end counts.
    """
    diverged = earlier.value is None and earlier.state in (TrialState.COMPLETE, TrialState.PRUNED)
    fate: Fate = "failed" if diverged or earlier.state == TrialState.FAILED else "ended"
    if rungs and comparable:
        curve = _curve(earlier, objective, rungs)
    elif earlier.state == TrialState.COMPLETE and earlier.value is not None:
        curve = ((rungs[-1] if rungs else earlier.step, earlier.value),)
    else:
        curve = ()
    if not curve and fate != "failed":
        return None
    return Past(earlier.number, earlier.config, curve, fate)


def _curve(
    earlier: Earlier, objective: Objective, rungs: Sequence[int]
) -> tuple[tuple[int, float], ...]:
    """As a trial of this study would have left it: at the rungs, and its furthest report."""
    curve: list[tuple[int, float]] = []
    best = math.inf if objective.mode == "min" else -math.inf
    better = min if objective.mode == "min" else max
    last: tuple[int, float] | None = None
    for step, value in earlier.points:
        if value is None:
            continue
        best = better(best, value)
        last = step, best if objective.value == "best" else value
        passed = bisect_right(rungs, step)
        if passed and (not curve or curve[-1][0] < rungs[passed - 1]):
            curve.append((rungs[passed - 1], last[1]))
    if last is not None and last[0] < rungs[-1] and (not curve or curve[-1][0] < last[0]):
        curve.append(last)
    return tuple(curve)
