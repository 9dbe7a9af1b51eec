"""How many trials are sure to bring one to the end, by rank alone?"""

from __future__ import annotations

import math
from random import Random

import pytest
from msgspec.structs import replace
from pruning_reference import Brackets
from pruning_world import Pruner

from tuitune.core.pruning.registry import pruner_kind
from tuitune.core.spec import PruningSpec
from tuitune.messages.reasons import too_few


def asha(high=200, reduction=3.0, **others):
    return PruningSpec("asha", "epoch", max=high, reduction=reduction, **others)


def needed_of(pruning):
    return pruner_kind(pruning).trials_needed(pruning)


def by_floors(rungs, reduction):
    """The least n of which floor(floor(n / reduction) / reduction) ... leaves one."""
    n = 1
    while True:
        left = n
        for _ in range(rungs):
            left = math.floor(left / reduction + 1e-9)
        if left >= 1:
            return n
        n += 1


def completes(pruning, trials, order):
    """Whether one comes to the end by rank, where nobody runs beside another."""
    pruner, parked, going = Pruner(pruning, style="promote"), set(), []
    brackets = Brackets(pruning)
    left = list(range(trials))
    while True:
        promotion = pruner.promotion(parked)
        if promotion is not None:
            pruner.send(promotion)
            parked.discard(promotion.trial)
            going.append(promotion.trial)
        elif left:
            going.append(left.pop(0))
        else:
            return False
        trial = going.pop()
        while True:
            rungs = brackets.rungs[brackets.of(trial)]
            filled = pruner.state.filled.get(trial, 0)
            if filled == len(rungs):
                return True
            verdict = pruner.report(trial, rungs[filled], order[trial], parked)
            if verdict.action == "pause":
                parked.add(trial)
                break


@pytest.mark.parametrize(
    ("high", "reduction", "needed"),
    [(200, 3.0, 243), (243, 3.0, 243), (244, 3.0, 729), (9, 3.0, 9), (100, 2.0, 128), (3, 4.0, 4)],
)
def test_one_bracket_needs_the_reduction_to_the_power_of_its_rungs(high, reduction, needed):
    assert needed_of(asha(high, reduction)) == needed


@pytest.mark.parametrize("reduction", [1.3, 1.5, 2.0, 2.5, 3.0, 3.3, 4.0])
@pytest.mark.parametrize("high", [2, 5, 10, 30])
def test_it_is_what_rounding_down_at_every_rung_leaves(high, reduction):
    pruning = asha(high, reduction)
    (rungs,) = Brackets(pruning).rungs
    assert needed_of(pruning) == by_floors(len(rungs), reduction)


@pytest.mark.parametrize(
    "pruning",
    [
        asha(9),
        asha(10, 2.0),
        asha(20, 2.5),
        asha(27, 3.0, brackets=2),
        asha(27, 3.0, brackets=3),
        asha(30, 2.0, brackets=3),
        PruningSpec("hyperband", "epoch", max=27),
        PruningSpec("hyperband", "epoch", max=100, reduction=2),
    ],
)
def test_so_many_are_enough_in_whatever_order_and_one_fewer_is_not(pruning):
    needed = needed_of(pruning)
    worst_last = list(range(needed))
    assert completes(pruning, needed, worst_last)
    assert not completes(pruning, needed - 1, worst_last)
    for seed in range(20):
        assert completes(pruning, needed, Random(seed).sample(worst_last, needed))


def test_a_long_cycle_is_told_nearly():
    pruning = asha(10**6, 10.0, brackets=2)
    brackets = Brackets(pruning)
    share = brackets.sizes[1] / sum(brackets.sizes)
    assert needed_of(pruning) == pytest.approx(10**5 / share, rel=1e-4)


def test_the_words_say_how_many_are_needed_and_what_happens_else():
    assert too_few(asha(style="promote"), 100, "") == (
        "100 trials are too few for the rungs to be sure to send one to epoch 200 by its rank "
        "(243 are needed): if they send none, the best goes on at the end"
    )
    assert too_few(asha(), 100, "").startswith("if trials wait at rungs, 100 trials are too few")
    assert too_few(asha(), 100, "promote").startswith("100 trials are too few")


@pytest.mark.parametrize(
    ("pruning", "style"),
    [
        (PruningSpec(), ""),
        (PruningSpec(max=9), ""),
        (PruningSpec("median", max=9), ""),
        (asha(style="stop"), ""),
        (asha(), "stop"),
        (asha(81), ""),
        (PruningSpec("hyperband", max=200), ""),
    ],
)
def test_where_nothing_is_to_be_said_nothing_is(pruning, style):
    assert not too_few(replace(pruning), 100, style)
