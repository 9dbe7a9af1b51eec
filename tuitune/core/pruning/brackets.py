"""Brackets and rungs of successive halving: the steps at which trials are judged."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import cache
from itertools import accumulate, count
from math import ceil
from typing import Final, Literal, NamedTuple

import msgspec

_ALMOST = 1e-9  # rounding error of quotients: 33 / 1.1 must be 30, not 29.999
_FIRST_DEAL = 1024
_TRIPLE = 3.0


class RungPlace(NamedTuple):
    """A rung of a plan; number: of the rung in its bracket, from 0."""

    step: int
    bracket: int
    number: int


class Plan(msgspec.Struct, frozen=True):
    """The rungs of a study.

    steps: for each bracket its rungs, ascending; the last bracket may have none. weights: the
    brackets' shares of the trials. order: all rungs, in the order in which promotions
    are looked for: the highest step first, then the lower bracket. cycle: the number of trials
    after which the assignment to brackets repeats. dealt: the brackets of its first trials.
    """

    steps: tuple[tuple[int, ...], ...]
    weights: tuple[int, ...]
    order: tuple[RungPlace, ...]
    cycle: int
    dealt: tuple[int, ...]

    def rung(self, bracket: int, number: int) -> RungPlace:
        """Raises IndexError where the bracket has no such rung."""
        return RungPlace(self.steps[bracket][number], bracket, number)

    def bracket_of(self, trial: int) -> int:
        """The bracket of a trial, from 0, by its number alone.

        Trials are assigned in proportion to the brackets' sizes in Li et al. 2018, so that each
        bracket has the same budget: the next one goes to the bracket that lacks most, which
        repeats as a fixed cycle.
        """
        if len(self.weights) == 1:
            return 0
        place = trial % self.cycle
        if place < len(self.dealt):
            return self.dealt[place]
        return _deal(self.weights, 1 << place.bit_length())[place]

    def steps_of(self, trial: int) -> tuple[int, ...]:
        """The steps of the rungs in a trial's bracket, ascending."""
        return self.steps[self.bracket_of(trial)]

    def unfilled(self, filled: Mapping[int, int], trial: int) -> tuple[int, ...]:
        """The steps of the rungs that this trial has yet to fill, ascending.

        filled: trial -> how many rungs it has filled. A report at or past the first of them fills
        a rung; a report between two rungs fills none.
        """
        return self.steps_of(trial)[filled.get(trial, 0) :]

    def next_rung(self, filled: Mapping[int, int], trial: int) -> int | None:
        """The first of `unfilled`; None where the trial has filled all."""
        steps, done = self.steps_of(trial), filled.get(trial, 0)
        return steps[done] if done < len(steps) else None

    def reach(self, trial: int, step: int) -> int:
        """The highest rung of this trial's bracket that is not above `step`; 0 for none."""
        steps = self.steps_of(trial)
        below = bisect_right(steps, step)
        return steps[below - 1] if below else 0

    def trials_needed(self, reduction: float) -> int:
        """The trials after which one is sure to be promoted up to `max` by its rank.

        The bracket that gets there first counts. For one that gets its trials after the first
        thousand, the result may be off by one or two.
        """
        needed = (_entries_needed(len(rungs), reduction) for rungs in self.steps)
        return min(_dealt(self, bracket, count) for bracket, count in enumerate(needed))


NO_RUNGS: Final = Plan(((),), (1,), (), 1, (0,))


def asha_plan(least: int, most: int | None, reduction: float, brackets: int) -> Plan:
    """Rungs at round(least * reduction^k), k from the bracket's number on, below `most`.

    Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning". Rungs are whole
    numbers, equal ones merged. ValueError without a maximum.
    """
    most = _checked(least, most, reduction)
    held = most_brackets(least, most, reduction)
    return _upward(least, most, reduction, max(1, min(brackets, held)), held)


def hyperband_plan(
    least: int, most: int | None, reduction: float, anchor: Literal["min", "max"] = "max"
) -> Plan:
    """Bracket b of s_max + 1 has rungs at most / reduction^k, k from s_max - b down to 1.

    Li et al. 2018, "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization",
    Algorithm 1. With the anchor "min" the rungs are those of `asha_plan`, in as many brackets.
    ValueError without a maximum.
    """
    most = _checked(least, most, reduction)
    held = most_brackets(least, most, reduction)
    if anchor == "min":
        return _upward(least, most, reduction, held, held)
    steps = (_down(most, reduction, held - 1 - bracket) for bracket in range(held))
    return _plan(tuple(steps), held, reduction)


def most_brackets(least: int, most: int, reduction: float) -> int:
    """s_max + 1 of Li et al. 2018: floor(log(most / least) to the base of reduction) + 1."""
    for power in count(1):
        if least * reduction**power > most * (1 + _ALMOST):
            return power
    raise AssertionError  # a count has no end


def spaced(least: int, most: int | None) -> tuple[int, ...]:
    """least * 3^k below `most`, and `most`: milestones without rungs; empty without a maximum."""
    return () if most is None else (*_rungs(least, most, _TRIPLE, 0), most)


def sent_on(n: int, reduction: float) -> int:
    """floor(n / reduction), of a quotient of decimal numbers."""
    return int(n / reduction + _ALMOST)


def _checked(least: int, most: int | None, reduction: float) -> int:
    if most is None:
        raise ValueError("pruning needs a maximum of its resource: set max in [pruning]")
    if least < 1 or reduction <= 1:
        raise ValueError("pruning needs min of at least 1 and reduction above 1 in [pruning]")
    return most


def _upward(least: int, most: int, reduction: float, brackets: int, held: int) -> Plan:
    steps = (_rungs(least, most, reduction, first) for first in range(brackets))
    return _plan(tuple(steps), held, reduction)


def _plan(steps: tuple[tuple[int, ...], ...], held: int, reduction: float) -> Plan:
    weights = tuple(_share(held, held - 1 - first, reduction) for first in range(len(steps)))
    order = [
        RungPlace(step, bracket, number)
        for bracket, rungs in enumerate(steps)
        for number, step in enumerate(rungs)
    ]
    order.sort(key=lambda rung: (-rung.step, rung.bracket))
    return Plan(steps, weights, tuple(order), sum(weights), _deal(weights, _FIRST_DEAL))


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
    """The brackets of the first trials, computed in doubling lengths, as the cycle can be long."""
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


def _entries_needed(rungs: int, reduction: float) -> int:
    """The entries in the first rung from which one trial gets past all these rungs.

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
    """The number of trials over all brackets at which this bracket has got `count` of them."""
    if len(laid.weights) == 1:
        return count
    cycles, rest = divmod(count - 1, laid.weights[bracket])
    got = list(accumulate(dealt == bracket for dealt in laid.dealt))
    if rest < got[-1]:
        return cycles * laid.cycle + bisect_left(got, rest + 1) + 1
    return ceil(count * laid.cycle / laid.weights[bracket])
