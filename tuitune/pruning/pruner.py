"""Where do trials get judged, and what has each of them shown there?"""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from tuitune.spec import PruningSpec


class Judgement(msgspec.Struct, frozen=True):
    """A verdict with its figures.

    rung: the resource step of the rung that decided. rank: from 1, the newcomer included.
    n: entries in that rung, the newcomer included. cut: the worst value that goes on, in the
    objective's own direction; None where that place is held by a trial that diverged or failed.
    """

    action: Literal["go", "stop"]
    rung: int
    rank: int
    n: int
    cut: float | None
    why: str


class Rungs(msgspec.Struct, array_like=True):
    """Who has filled the rungs of one bracket.

    entries: for each rung, lowest first, its (loss, trial), best first; the loss is the value in
    the direction of "min", infinity for trials that diverged or failed. filled: trial -> how many
    rungs its reports have filled; always the lowest ones.
    """

    entries: list[list[tuple[float, int]]] = []
    filled: dict[int, int] = {}

    def reached(self, trial: int) -> int:
        """How many rungs this trial's reports have filled."""
        return self.filled.get(trial, 0)

    def at(self, rung: int) -> list[tuple[float, int]]:
        """The entries of a rung, counted from 0; those of one that nobody reached are empty."""
        return self.entries[rung] if rung < len(self.entries) else []


@cache
def rung_steps(pruning: PruningSpec) -> tuple[int, ...]:
    """The whole numbers round(min * reduction^k) below `max`, ascending, equal ones merged.

    Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", with the start not
    anchored at the maximum. Empty where nothing prunes. ValueError where the rungs have no end.
    """
    if pruning.method == "none":
        return ()
    if pruning.max is None:
        raise ValueError("pruning needs a maximum of its resource: set max in [pruning]")
    if pruning.min < 1 or pruning.reduction <= 1:
        raise ValueError("pruning needs min of at least 1 and reduction above 1 in [pruning]")
    steps: list[int] = []
    for power in count():
        step = round(pruning.min * pruning.reduction**power)
        if step >= pruning.max:
            break
        if not steps or step > steps[-1]:
            steps.append(step)
    return tuple(steps)


def unfilled(rungs: Rungs, pruning: PruningSpec, trial: int) -> tuple[int, ...]:
    """The steps of the rungs that this trial has yet to fill, ascending.

    A report at or past the first of them fills a rung; between two rungs nothing happens.
    """
    return rung_steps(pruning)[rungs.reached(trial) :]
