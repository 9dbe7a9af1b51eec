"""Where do trials get judged, and which of them start how far up?"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, count
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tuitune.core.spec import PruningSpec

_ALMOST = 1e-9  # what floating point takes from a whole number: 33 / 1.1 must be 30, not 29.999
_FIRST_DEAL = 1024
_TRIPLE = 3.0


class RungPlace(NamedTuple):
    """number: of the rung in its bracket, from 0."""

    step: int
    bracket: int
    number: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The rungs of a study.

    steps: for each bracket its rungs, ascending. weights: the brackets' shares of the trials.
    order: all rungs, in the order in which a free slot looks through them: the highest step first,
    then the lower bracket. cycle: after how many trials the dealing starts again. dealt: the
    brackets of its first ones.
    """

    steps: tuple[tuple[int, ...], ...]
    weights: tuple[int, ...]
    order: tuple[RungPlace, ...]
    cycle: int
    dealt: tuple[int, ...]

    def rung(self, bracket: int, number: int) -> RungPlace:
        return RungPlace(self.steps[bracket][number], bracket, number)

    def bracket_of(self, trial: int) -> int:
        """The bracket of a trial; a late one of a long cycle has to be dealt to first."""
        if len(self.weights) == 1:
            return 0
        place = trial % self.cycle
        if place < len(self.dealt):
            return self.dealt[place]
        return _deal(self.weights, 1 << place.bit_length())[place]


@cache
def plan(pruning: PruningSpec) -> Plan:
    """Lay out brackets and rungs. ValueError where the rungs would have no end.

    A bracket's rungs are whole numbers below `max`, equal ones merged. With asha they are
    round(min * reduction^k), k from the bracket's number on (Li et al. 2020, "A System for
    Massively Parallel Hyperparameter Tuning", with the start not anchored at the maximum). With
    hyperband bracket b of s_max + 1 has those at max / reduction^k, k from s_max - b down to 1
    (Li et al. 2018, "Hyperband", Algorithm 1). Where nothing has rungs there is one bracket
    without any.
    """
    if pruning.method not in {"asha", "hyperband"}:
        return Plan(((),), (1,), (), 1, (0,))
    if pruning.max is None:
        raise ValueError("pruning needs a maximum of its resource: set max in [pruning]")
    if pruning.min < 1 or pruning.reduction <= 1:
        raise ValueError("pruning needs min of at least 1 and reduction above 1 in [pruning]")
    held = most_brackets(pruning.min, pruning.max, pruning.reduction)
    brackets = held if pruning.method == "hyperband" else max(1, min(pruning.brackets, held))
    if pruning.method == "hyperband" and pruning.anchor == "max":
        steps = tuple(_down(pruning.max, pruning.reduction, held - 1 - b) for b in range(brackets))
    else:
        steps = tuple(
            _rungs(pruning.min, pruning.max, pruning.reduction, first) for first in range(brackets)
        )
    weights = tuple(_share(held, held - 1 - first, pruning.reduction) for first in range(brackets))
    order = [
        RungPlace(step, bracket, number)
        for bracket, rungs in enumerate(steps)
        for number, step in enumerate(rungs)
    ]
    order.sort(key=lambda rung: (-rung.step, rung.bracket))
    return Plan(steps, weights, tuple(order), sum(weights), _deal(weights, _FIRST_DEAL))


def bracket_count(pruning: PruningSpec) -> int:
    """How many brackets the trials are dealt to; with hyperband as many as its range holds."""
    return len(plan(pruning).steps)


def most_brackets(least: int, most: int, reduction: float) -> int:
    """s_max + 1 of Li et al. 2018: floor(log(most / least) to the base of reduction) + 1."""
    for power in count(1):
        if least * reduction**power > most * (1 + _ALMOST):
            return power
    raise AssertionError  # a count has no end


def bracket_of(pruning: PruningSpec, trial: int) -> int:
    """The bracket of a trial, from 0, by its number alone.

    Trials are dealt in proportion to the brackets' sizes in Li et al. 2018, so that each bracket
    has the same budget: the next one goes where most are missing, which repeats as a fixed cycle.
    """
    return plan(pruning).bracket_of(trial)


def bracket_steps(pruning: PruningSpec, bracket: int) -> tuple[int, ...]:
    """The steps of a bracket's rungs, ascending; the last bracket may have none."""
    return plan(pruning).steps[bracket]


@cache
def milestones(pruning: PruningSpec) -> tuple[int, ...]:
    """The resources at which the curves of two trials can be told apart, ascending.

    The rungs of the lowest bracket, which are those of all of them, and `max`. The median has none
    of its own, and is given min * 3^k. Empty where nothing is pruned.
    """
    if pruning.method == "none" or pruning.max is None:
        return ()
    if pruning.method == "median":
        return (*_rungs(pruning.min, pruning.max, _TRIPLE, 0), pruning.max)
    return (*plan(pruning).steps[0], pruning.max)


def reach(pruning: PruningSpec, trial: int, step: int) -> int:
    """The highest rung of this trial's bracket that is no higher than `step`; 0 where none is."""
    laid = plan(pruning)
    steps = laid.steps[laid.bracket_of(trial)]
    below = bisect_right(steps, step)
    return steps[below - 1] if below else 0


def sent_on(n: int, reduction: float) -> int:
    """floor(n / reduction), of a quotient of decimal numbers."""
    return int(n / reduction + _ALMOST)


def _rungs(least: int, most: int, reduction: float, first: int) -> tuple[int, ...]:
    steps: list[int] = []
    for power in count(first):
        step = round(least * reduction**power)
        if step >= most:
            break
        if not steps or step > steps[-1]:
            steps.append(step)
    return tuple(steps)


def _down(most: int, reduction: float, rungs: int) -> tuple[int, ...]:
    """The nearest whole numbers to most / reduction^k, a half rounded up."""
    steps = {int(most / reduction**power + 0.5 + _ALMOST) for power in range(1, rungs + 1)}
    return tuple(sorted(step for step in steps if step < most))


def _share(held: int, halvings: int, reduction: float) -> int:
    """n of Li et al. 2018: the configurations of the bracket that is cut `halvings` times."""
    return ceil(held / (halvings + 1) * reduction**halvings - _ALMOST)


@cache
def _deal(weights: tuple[int, ...], trials: int) -> tuple[int, ...]:
    """The brackets of the first trials; asked for in doubling lengths, as the cycle can be long."""
    total = sum(weights)
    missing = [0] * len(weights)
    dealt: list[int] = []
    for _ in range(min(trials, total)):
        for bracket, weight in enumerate(weights):
            missing[bracket] += weight
        chosen = max(range(len(weights)), key=missing.__getitem__)
        missing[chosen] -= total
        dealt.append(chosen)
    return tuple(dealt)


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
