"""Should this trial go on, and which of those that wait comes next? The one door to the pruners.

`judge`, `promotion` and the rest that answers are pure; `enter`, `observe`, `complete`, `fail`
and `send` change the state that they are given, by what has been decided or has happened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tuitune.core.pruning import halving, median
from tuitune.core.pruning.brackets import (
    bracket_count,
    bracket_of,
    bracket_steps,
    milestones,
    plan,
    reach,
)
from tuitune.core.pruning.halving import best_waiting, enter, fail, not_promoted, promotion, send
from tuitune.core.pruning.state import Judgement, Promotion, PrunerState

if TYPE_CHECKING:
    from collections.abc import Container

    from tuitune.core.spec import Mode, PruningSpec

__all__ = [
    "Judgement",
    "Promotion",
    "PrunerState",
    "best_waiting",
    "bracket_count",
    "bracket_of",
    "bracket_steps",
    "choose_style",
    "complete",
    "enter",
    "fail",
    "judge",
    "judged_from",
    "milestones",
    "next_rung",
    "not_promoted",
    "observe",
    "promotion",
    "reach",
    "send",
    "unfilled",
]


def choose_style(
    pruning: PruningSpec,
    can_save: bool,  # noqa: FBT001
) -> tuple[Literal["promote", "stop"], str]:
    """(style, why). `can_save`: the first trial at a rung could write a checkpoint there."""
    if pruning.method == "median":
        return "stop", "median stops trials for good"
    if pruning.style != "auto":
        return pruning.style, "as the study file says"
    if can_save:
        return "promote", "trials can save: they wait at a rung and go on from their checkpoint"
    return "stop", "trials can't save: to send one on later would be to train it from the start"


def unfilled(state: PrunerState, pruning: PruningSpec, trial: int) -> tuple[int, ...]:
    """The steps of the rungs that this trial has yet to fill, ascending.

    A report at or past the first of them fills a rung; between two rungs nothing happens.
    """
    laid = plan(pruning)
    return laid.steps[laid.bracket_of(trial)][state.filled.get(trial, 0) :]


def next_rung(state: PrunerState, pruning: PruningSpec, trial: int) -> int | None:
    """The first of `unfilled`, without the others."""
    steps = plan(pruning).steps[bracket_of(pruning, trial)]
    filled = state.filled.get(trial, 0)
    return steps[filled] if filled < len(steps) else None


def judged_from(pruning: PruningSpec) -> int | None:
    """The step from which on every report is judged; None where only those at rungs are."""
    return pruning.min if pruning.method == "median" else None


def judge(  # noqa: PLR0913, PLR0917 - a report has this many facts
    state: PrunerState,
    pruning: PruningSpec,
    mode: Mode,
    trial: int,
    step: int,
    value: float,
    diverged: bool,  # noqa: FBT001
    available: Container[int],
) -> Judgement | None:
    """The verdict on a report, before `enter` has taken it up; None where none is due.

    stop: at a rung the trial goes on only while in the best max(1, floor(n / reduction)) of every
    rung that this report fills, itself counted among the n; among equals the earlier trial is the
    better one. promote: it goes on if a free slot would take it (see `promotion`) once it is
    entered at the highest rung that this report fills; else it waits there. `available`: those
    that wait and may go on now. For the median see `median.judge`. `diverged`: an earlier report
    of the trial was not finite, so that it counts as worst, and `enter` is to be given a NaN. The
    report that reaches `max` completes the trial, whatever its rank, and gets no verdict here.
    """
    if pruning.method == "median":
        return median.judge(state.averages, pruning, mode, trial, step, value, diverged)
    report = halving.Report(trial, step, value, diverged)
    return halving.judge(state, pruning, mode, report, available)


def observe(  # noqa: PLR0913, PLR0917 - a report has this many facts
    state: PrunerState, pruning: PruningSpec, mode: Mode, trial: int, step: int, value: float
) -> None:
    """Take up a report of a step further than all that the trial has reported."""
    if pruning.method == "median":
        median.observe(state.averages, mode, trial, step, value)


def complete(state: PrunerState, pruning: PruningSpec, trial: int) -> None:
    """Take up that a trial has become COMPLETE."""
    if pruning.method == "median":
        median.complete(state.averages, trial)
