"""Which rung is modelled, and which of its trials are the good ones? (Falkner et al. 2018, 4.1)"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from tuitune.core.search.history import Past
    from tuitune.core.spec import Mode

GOOD = 0.1  # q: the share of the good ones
LEAST, MOST = 2, 25  # good ones
ENOUGH = 10  # trials to model, in whatever space


@dataclass(frozen=True, slots=True)
class Split:
    """rung: the resource whose values are compared, None without rungs; trials: those with one."""

    rung: int | None
    good: Sequence[Mapping[str, Any]]
    poor: Sequence[Mapping[str, Any]]
    trials: int


Observed = list[tuple[float, int, "Past"]]  # (loss, number in the order given, trial)


def split(pasts: Iterable[Past], rungs: Sequence[int], mode: Mode, parameters: int) -> Split | None:
    """Of the highest rung with enough trials; None where none has enough.

    Enough is N_min + 2 with N_min = parameters + 1, as in the paper, or ENOUGH if that is less.
    There the good are at least N_min, as their bandwidths need that many: half of all trials, early
    in a wide space. Ours don't, and a tenth is good (Bergstra et al. 2011). All others are poor,
    and so are trials that run and have not come to that rung, lest those asked for meanwhile be
    near them (a constant liar); in the paper they count for nothing.
    """
    told = tuple(pasts)
    at = observations(told, rungs, mode)
    for rung in sorted(at, reverse=True):
        found = sorted(at[rung], key=lambda one: one[:2])
        if len(found) < min(parameters + 3, ENOUGH):
            continue
        most = max(LEAST, min(math.ceil(GOOD * len(found)), MOST))
        good = [past.config for loss, _, past in found[:most] if isfinite(loss)]
        if good:
            poor = [past.config for _, _, past in found[most:]]
            running = _running(told, [past for _, _, past in found])
            return Split(rung if rungs else None, good, [*poor, *running], len(found))
    return None


def _running(pasts: Sequence[Past], reached: Sequence[Past]) -> list[Mapping[str, Any]]:
    there = {past.trial for past in reached if past.state == "pending"}
    return [p.config for p in pasts if p.state == "pending" and p.trial not in there]


def observations(pasts: Iterable[Past], rungs: Sequence[int], mode: Mode) -> dict[int, Observed]:
    """The losses at each rung; without rungs all of them are at 0.

    A trial that failed is worst at the first rung that it did not reach; one that diverged, where
    it did.
    """
    found: dict[int, Observed] = {rung: [] for rung in rungs} or {0: []}
    for order, past in enumerate(pasts):
        losses = _losses(past, rungs, mode)
        for rung, loss in losses.items():
            found[rung].append((loss, order, past))
        if past.state == "failed" and inf not in losses.values():
            missed = next((rung for rung in found if rung not in losses), None)
            if missed is not None:
                found[missed].append((inf, order, past))
    return found


def _losses(past: Past, rungs: Sequence[int], mode: Mode) -> dict[int, float]:
    if rungs:
        return {at: _loss(value, mode) for at, value in past.curve if at in rungs}
    if past.state == "failed":
        return {0: inf}
    if past.state == "pending" or not past.curve:
        return {}
    return {0: _loss(past.curve[-1][1], mode)}


def _loss(value: float, mode: Mode) -> float:
    if not isfinite(value):
        return inf
    return value if mode == "min" else -value
