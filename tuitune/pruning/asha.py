"""Is this trial among the best of the rungs that its report fills? (ASHA, style "stop")"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from math import inf, isfinite
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tuitune.pruning.pruner import Judgement, rung_steps

if TYPE_CHECKING:
    from tuitune.pruning.pruner import Rungs
    from tuitune.spec import Mode, PruningSpec


def judge(  # noqa: PLR0913, PLR0917 - a report has this many facts
    rungs: Rungs,
    pruning: PruningSpec,
    mode: Mode,
    trial: int,
    step: int,
    value: float,
    diverged: bool,  # noqa: FBT001
) -> Judgement | None:
    """The verdict on a report, before `enter` has taken it up; None where none is due.

    A trial goes on only while in the best max(1, floor(n / reduction)) of every rung that this
    report fills, itself counted among the n; among equals the earlier trial is the better one.
    `diverged`: an earlier report of the trial was not finite, so that it counts as worst and
    `enter` is to be given a NaN. The report that reaches `max` completes the trial, whatever its
    rank, and gets no verdict here.
    """
    if pruning.max is not None and step >= pruning.max:
        return None
    newcomer = (inf if diverged else _loss(value, mode), trial)
    judgement = None
    steps = rung_steps(pruning)
    for rung in _crossed(rungs, steps, trial, step):
        judgement = _judge_rung(rungs.at(rung), steps[rung], newcomer, pruning.reduction, mode)
        if judgement.action == "stop":
            break
    if judgement is not None and newcomer[0] == inf:
        return _diverged(judgement, value)
    return judgement


def enter(  # noqa: PLR0913, PLR0917 - a report has this many facts
    rungs: Rungs, pruning: PruningSpec, mode: Mode, trial: int, step: int, value: float
) -> None:
    """Fill, with this report's value, every rung up to `step` that the trial has not filled."""
    newcomer = (_loss(value, mode), trial)
    for rung in _crossed(rungs, rung_steps(pruning), trial, step):
        _insert(rungs, rung, newcomer)
        rungs.filled[trial] = rung + 1


def fail(rungs: Rungs, pruning: PruningSpec, trial: int) -> None:
    """Count a failed trial as worst in the next rung that it would have reached, once."""
    rung = rungs.reached(trial)
    newcomer = (inf, trial)
    entries = rungs.at(rung)
    found = bisect_left(entries, newcomer)
    known = found < len(entries) and entries[found] == newcomer
    if rung < len(rung_steps(pruning)) and not known:
        _insert(rungs, rung, newcomer)


def _crossed(rungs: Rungs, steps: tuple[int, ...], trial: int, step: int) -> range:
    """The rungs, counted from 0, that a report at `step` fills."""
    first = rungs.reached(trial)
    return range(first, max(first, bisect_right(steps, step)))


def _insert(rungs: Rungs, rung: int, newcomer: tuple[float, int]) -> None:
    while len(rungs.entries) <= rung:
        rungs.entries.append([])
    insort(rungs.entries[rung], newcomer)


def _loss(value: float, mode: Mode) -> float:
    if not isfinite(value):
        return inf
    return value if mode == "min" else -value


def _judge_rung(
    entries: list[tuple[float, int]],
    step: int,
    newcomer: tuple[float, int],
    reduction: float,
    mode: Mode,
) -> Judgement:
    rank = bisect_left(entries, newcomer) + 1
    n = len(entries) + 1
    kept = max(1, int(n / reduction + 1e-9))  # 33 / 1.1 must be 30, not 29.999
    if rank < kept:
        last = entries[kept - 2]
    elif rank == kept:
        last = newcomer
    else:
        last = entries[kept - 1]
    value, cut = _value(newcomer[0], mode), _value(last[0], mode)
    place = f"rung {step}: rank {rank} of {n}"
    if rank <= kept:
        why = f"{place}, {_compared(value, 'within', cut)}: goes on"
        return Judgement("go", step, rank, n, cut, why)
    why = f"{place}, {_compared(value, 'not within', cut)}: stopped"
    return Judgement("stop", step, rank, n, cut, why)


def _diverged(judgement: Judgement, value: float) -> Judgement:
    """The same figures, and the end all the same."""
    what = "an earlier report was not finite" if isfinite(value) else f"{value:g}"
    why = f"diverged: {what}, rung {judgement.rung}"
    return replace(judgement, action="stop", why=why)


def _value(loss: float, mode: Mode) -> float | None:
    if loss == inf:
        return None
    return loss if mode == "min" else 0.0 - loss


def _compared(value: float | None, how: str, cut: float | None) -> str:
    """Both numbers with as many digits as it takes to tell them apart."""
    if value is None or cut is None:
        return f"{how} the best"
    if value == cut:
        return f"{value:.4g} {how} {cut:.4g}" + ("" if how == "within" else " of earlier trials")
    digits = 4
    while digits < 17 and f"{value:.{digits}g}" == f"{cut:.{digits}g}":
        digits += 1
    return f"{value:.{digits}g} {how} {cut:.{digits}g}"
