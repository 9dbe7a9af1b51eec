"""Is this trial's best still as good as the finished ones' running averages? (median stopping)"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from math import inf
from typing import TYPE_CHECKING

from tuitune.core.pruning.state import Curve, Judgement
from tuitune.core.pruning.text import compared, diverged, loss_of, value_of

if TYPE_CHECKING:
    from tuitune.core.pruning.state import Averages
    from tuitune.core.spec import Mode, PruningSpec

# With more steps than this the averages are kept at every second of them, then every fourth and so
# on, so that trials that report at each of a million steps don't fill the memory.
_MOST_STEPS = 2000


def judge(  # noqa: PLR0913, PLR0917 - a report has this many facts
    averages: Averages,
    pruning: PruningSpec,
    mode: Mode,
    trial: int,
    step: int,
    value: float,
    spoilt: bool,  # noqa: FBT001
) -> Judgement | None:
    """The verdict on a report at `step`; None where nothing is there to compare it with.

    A trial stops when its best value so far is strictly worse than the median of the running
    averages up to this step of all COMPLETE trials that had reported by then (Golovin et al.
    2017, "Google Vizier: A Service for Black-Box Optimization", 3.2.2). `spoilt`: this report or
    an earlier one is not finite, which ends the trial.
    """
    if step < pruning.min or (pruning.max is not None and step >= pruning.max):
        return None
    column = _column(averages, step)
    newest = loss_of(value, mode)
    if spoilt or newest == inf:
        return _diverged(column, value, mode, pruning, step)
    if not column:
        return None
    curve = averages.curves.get(trial)
    best = newest if curve is None else min(curve.best, newest)
    median = _median(column)
    own, cut = value_of(best, mode), value_of(median, mode)
    within = best <= median
    what = compared(own, cut, within=within) if own != cut else f"{own:.4g} equal to {cut:.4g}"
    number = len(column)
    of = "the running average of 1" if number == 1 else f"the median running average of {number}"
    why = f"{pruning.unit} {step}: best {what}, {of}: {'goes on' if within else 'stopped'}"
    rank = bisect_left(column, best) + 1
    return Judgement("go" if within else "stop", step, rank, number + 1, cut, why)


def observe(averages: Averages, mode: Mode, trial: int, step: int, value: float) -> None:
    """Take up a report of a step further than all that the trial has reported."""
    curve = averages.curves.get(trial)
    if curve is None:
        curve = averages.curves[trial] = Curve()
    loss = loss_of(value, mode)
    curve.best = min(curve.best, loss)
    if curve.counted:
        return
    if curve.count % curve.stride:  # the newest stands for those since the point before it
        curve.steps.pop()
        curve.averages.pop()
    elif len(curve.steps) == _MOST_STEPS:
        del curve.steps[::2], curve.averages[::2]
        curve.stride *= 2
    curve.total += loss
    curve.count += 1
    curve.steps.append(step)
    curve.averages.append(curve.total / curve.count)


def complete(averages: Averages, trial: int) -> None:
    """Count a trial that has become COMPLETE among those that others are compared with, once."""
    curve = averages.curves.get(trial)
    if curve is None or curve.counted:
        return
    steps, columns = averages.steps, averages.columns
    for step in curve.steps:
        place = bisect_left(steps, step)
        if place == len(steps) or steps[place] != step:
            columns.insert(place, list(columns[place - 1]) if place else [])
            steps.insert(place, step)
    for place in range(bisect_left(steps, curve.steps[0]), len(steps)):
        insort(columns[place], curve.averages[bisect_right(curve.steps, steps[place]) - 1])
    if len(steps) > _MOST_STEPS:
        del steps[:-1:2], columns[:-1:2]
    curve.counted = True
    curve.steps, curve.averages = [], []


def _column(averages: Averages, step: int) -> list[float]:
    place = bisect_right(averages.steps, step)
    return averages.columns[place - 1] if place else []


def _median(column: list[float]) -> float:
    middle = len(column) // 2
    if len(column) % 2:
        return column[middle]
    return (column[middle - 1] + column[middle]) / 2


def _diverged(
    column: list[float], value: float, mode: Mode, pruning: PruningSpec, step: int
) -> Judgement:
    cut = value_of(_median(column), mode) if column else None
    rank = bisect_left(column, inf) + 1
    why = diverged(value, f"{pruning.unit} {step}")
    return Judgement("stop", step, rank, len(column) + 1, cut, why)
