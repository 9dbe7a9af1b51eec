"""How many trials does it take until the rungs are sure to send one to the end?"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from math import ceil
from typing import TYPE_CHECKING

from tuitune.core.pruning.brackets import plan, sent_on

if TYPE_CHECKING:
    from tuitune.core.pruning.brackets import Plan
    from tuitune.core.spec import PruningSpec


def trials_needed(pruning: PruningSpec) -> int:
    """With fewer, no trial of a study that promotes may be sent to `max` by its rank alone.

    It is the bracket that is there first that counts. In one that is dealt to later than the
    first thousand trials this is right to within a trial or two.
    """
    laid = plan(pruning)
    needed = (_entries_needed(len(rungs), pruning.reduction) for rungs in laid.steps)
    return min(_dealt(laid, bracket, count) for bracket, count in enumerate(needed))


def too_few(pruning: PruningSpec, trials: int, style: str) -> str:
    """Words to a user whose study has so few; empty where it has enough.

    style: how verdicts fall; empty where that is still to be found out.
    """
    if pruning.method not in {"asha", "hyperband"} or (style or pruning.style) == "stop":
        return ""
    needed = trials_needed(pruning)
    if trials >= needed:
        return ""
    sooner = "if trials wait at rungs, " if (style or pruning.style) == "auto" else ""
    end = f"{pruning.unit} {pruning.max}"
    return (
        f"{sooner}{trials} trials are too few for the rungs to be sure to send one to {end} by "
        f"its rank ({needed} are needed): if they send none, the best goes on at the end"
    )


def _entries_needed(rungs: int, reduction: float) -> int:
    """So many that one is left when each of these rungs has sent its best on.

    This is reduction^rungs where the reduction is a whole number.
    """
    entries = 1
    for _ in range(rungs):
        wanted = entries
        entries = int(wanted * reduction)
        while sent_on(entries, reduction) < wanted:
            entries += 1
    return entries


def _dealt(laid: Plan, bracket: int, count: int) -> int:
    """How many trials have been dealt to all brackets when this one has got so many."""
    if len(laid.weights) == 1:
        return count
    cycles, rest = divmod(count - 1, laid.weights[bracket])
    got = list(accumulate(dealt == bracket for dealt in laid.dealt))
    if rest < got[-1]:
        return cycles * laid.cycle + bisect_left(got, rest + 1) + 1
    return ceil(count * laid.cycle / laid.weights[bracket])
