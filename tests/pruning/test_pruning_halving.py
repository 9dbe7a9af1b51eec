"""ASHA and Hyperband, both styles: verdicts and promotions are the reference's."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise, permutations
from random import Random

import pytest
from hypothesis import given, settings, strategies as st
from pruning_world import Pruner, World, any_pruning, made, sent, told, words

from tuitune.core.spec import PruningSpec

INF, NAN = math.inf, math.nan


def asha(low=1, high=81, reduction=3.0, style="promote", **others):
    return PruningSpec("asha", min=low, max=high, reduction=reduction, style=style, **others)


def waiting(pruning, losses, step=1):
    """A pruner at whose lowest rung everybody waits, whatever their value; and who they are."""
    pruner = Pruner(pruning, style="promote")
    for trial, loss in enumerate(losses):
        pruner.enter(trial, step, loss, "pause")
    return pruner, set(range(len(losses)))


def play(random):
    """One study, that is given more trials once it has come to its end."""
    world = World(
        random,
        any_pruning(random),
        trials=random.randint(1, 14),
        slots=random.randint(1, 6),
        style=random.choice(["promote", "promote", "stop"]),
        mode=random.choice(["min", "max"]),
    )
    world.run()
    world.end(more=random.choice([0, 3, 8]))
    world.run()
    world.drain()
    return world


@settings(max_examples=1500)
@given(st.integers(0, 2**40))
def test_verdicts_and_promotions_are_the_references(seed):
    play(Random(seed))


@settings(max_examples=100)
@given(st.randoms(use_true_random=False))
def test_they_are_so_in_the_smallest_studies(random):
    play(random)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", ["asha", "hyperband"])
@pytest.mark.parametrize("style", ["promote", "stop"])
def test_they_are_so_in_a_longer_one(method, style, seed):
    random = Random(seed)
    pruning = PruningSpec(method, max=27, style=style, reduction=random.choice([2.0, 3.0]))
    world = World(random, pruning, trials=60, slots=8, style=style, mode="max")
    world.quality, world.jump, world.trouble = "any", 1, 0.02
    world.run()
    assert {"go", "complete", "pause" if style == "promote" else "stop"} <= set(world.verdicts)
    assert bool(world.promotions) == (style == "promote")
    world.drain()


# --- promote: who goes on ------------------------------------------------------------------------


@settings(max_examples=200)
@given(st.permutations(range(30)), st.integers(1, 8), st.sampled_from([2.0, 3.0, 4.0]))
def test_in_the_end_all_of_the_best_have_gone_on_in_whatever_order_they_came(order, slots, eta):
    pruning = asha(high=10, reduction=eta)
    pruner, going, parked = Pruner(pruning, style="promote"), [], set()
    left, reached = list(order), dict.fromkeys(order, 0)
    while True:
        while len(going) < slots:
            promotion = pruner.promotion(parked)
            if promotion is not None:
                pruner.send(promotion)
                parked.remove(promotion.trial)
                going.append(promotion.trial)
            elif left:
                going.append(left.pop(0))
            else:
                break
        if not going:
            break
        trial = going.pop(0)
        at = pruner.unfilled(trial)
        reached[trial] = step = at[0] if at else 10
        verdict = pruner.report(trial, step, float(trial), parked)
        if verdict == "complete":
            continue
        going += [trial] if verdict.action == "go" else []
        parked |= set() if verdict.action == "go" else {trial}
    for rung, above in pairwise((*made(pruning).plan.steps[0], 10)):
        came = sorted(trial for trial in order if reached[trial] >= rung)
        best = came[: math.floor(len(came) / eta)]
        assert all(reached[trial] >= above for trial in best)


@pytest.mark.parametrize("worse", [True, False])
def test_worst_last_and_best_last_send_on_their_share(worse):
    """Where the stopping kind sends on 1 of 60, or all 60."""
    pruning = asha(high=3)
    pruner, gone, parked = Pruner(pruning, style="promote"), 0, set()
    for trial in range(60):
        verdict = pruner.report(trial, 1, float(trial if worse else -trial), parked)
        parked |= {trial} if verdict.action == "pause" else set()
        gone += verdict.action == "go"
        while (promotion := pruner.promotion(parked)) is not None:
            pruner.send(promotion)
            parked.remove(promotion.trial)
            gone += 1
    assert gone == 20 if worse else 20 <= gone <= 60


def test_the_first_at_a_rung_waits_since_a_third_of_one_is_none():
    verdict = Pruner(asha(), style="promote").report(7, 1, 123.0)
    assert told(verdict) == ("pause", (1, 1, 1, None))
    assert words(verdict) == "held at report 1: 1st of 1, promotion needs 3"


def test_a_newcomer_among_the_best_keeps_its_slot():
    pruner, parked = waiting(asha(), [0.3, 0.4])
    verdict = pruner.report(2, 1, 0.2, parked)
    assert told(verdict) == ("go", (1, 1, 3, 0.2))
    assert words(verdict) == "goes on at report 1: 1st of 3, needed 0.2, had 0.2"
    assert pruner.promotion(parked) is None


def test_a_newcomer_that_makes_room_for_another_waits_and_the_other_goes():
    pruner, parked = waiting(asha(), [0.3, 0.4])
    verdict = pruner.report(2, 1, 0.5, parked)
    assert told(verdict) == ("pause", (1, 3, 3, 0.3))
    assert words(verdict) == "held at report 1: 3rd of 3, needed 0.3, had 0.5"
    promotion = pruner.promotion({*parked, 2})
    assert sent(promotion) == (0, 1, 1, 3, 0.3)
    assert words(promotion) == "promoted at report 1: 1st of 3, needed 0.3, had 0.3"


def test_a_newcomer_lets_whoever_comes_first_have_the_slot():
    pruner, parked = waiting(asha(), [0.3, 0.4, 0.5, 0.6, 0.7])
    verdict = pruner.report(5, 1, 0.35, parked)
    assert told(verdict) == ("pause", (1, 2, 6, 0.35))
    assert words(verdict) == ("held at report 1: 2nd of 6; #0 at report 1 comes first")


def test_the_highest_rung_comes_first_over_all_brackets():
    pruning = asha(brackets=2, reduction=2.0, high=5)
    dealt = [made(pruning).plan.bracket_of(trial) for trial in range(12)]
    low, high = ([trial for trial in range(12) if dealt[trial] == b] for b in (0, 1))
    pruner = Pruner(pruning, style="promote")
    for trial in [*low[:2], *high[:2]]:
        pruner.enter(trial, 2, 0.5 + trial, "pause")
    everybody = set(range(12))
    assert pruner.promotion(everybody).trial == low[0]  # rung 2 of both: the lower bracket
    assert pruner.promotion(set(high)).trial == high[0]
    for trial in high[2:4]:
        pruner.enter(trial, 4, 9.0, "pause")
    assert sent(pruner.promotion(everybody)) == (high[2], 4, 1, 2, 9.0)


def test_a_rung_is_named_by_its_number_its_resource_and_its_bracket_of_several():
    pruning = asha(brackets=2, reduction=2.0, high=5, resource="epoch")
    dealt = [made(pruning).plan.bracket_of(trial) for trial in range(12)]
    low, high = ([trial for trial in range(12) if dealt[trial] == b] for b in (0, 1))
    pruner = Pruner(pruning, style="promote")
    for trial in high[:2]:
        pruner.enter(trial, 4, 0.5, "pause")
    pruner.report(low[0], 2, 0.4)
    assert words(pruner.report(low[1], 2, 0.3, high)) == (
        f"held at epoch 2 of bracket 0: 1st of 2; #{high[0]} at epoch 4 of bracket 1 comes first"
    )


def test_who_is_held_by_hand_keeps_its_place_and_nobody_takes_it():
    pruner, parked = waiting(asha(), [0.1, 0.2, 0.3])
    assert pruner.promotion(parked - {0}) is None
    assert pruner.promotion(parked).trial == 0


def test_who_was_sent_on_is_not_sent_again_and_does_not_make_room():
    pruner, parked = waiting(asha(), [0.1, 0.2, 0.3, 0.4, 0.5])
    pruner.send(pruner.promotion(parked))
    assert pruner.promotion(parked) is None
    pruner.report(5, 1, 9.0, parked)
    assert sent(pruner.promotion(parked)) == (1, 1, 2, 6, 0.2)


@pytest.mark.parametrize("failures", [1, 7])
def test_those_that_failed_or_diverged_count_but_never_go_on(failures):
    pruner, parked = waiting(asha(reduction=2.0), [0.5])
    for trial in range(1, 1 + failures):
        pruner.fail(trial)
        parked.add(trial)
    pruner.enter(50, 1, NAN, "pause")
    promotion = pruner.promotion({*parked, 50})
    cut = 0.5 if failures == 1 else None
    assert sent(promotion) == (0, 1, 1, 2 + failures, cut)
    pruner.send(promotion)
    assert pruner.promotion({*parked, 50}) is None


def test_where_all_diverged_nobody_goes_on():
    pruner, everybody = waiting(asha(reduction=2.0), [NAN, INF, -INF, NAN])
    assert pruner.promotion(everybody) is None


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_not_finite_ends_a_trial_and_waits_nowhere(value):
    pruner = Pruner(asha(), style="promote")
    verdict = pruner.report(0, 3, value)
    assert (verdict.action, verdict.rung, verdict.rank, verdict.n) == ("stop", 3, 1, 1)
    assert words(verdict) == f"stopped at report 3: the value is {value:g}"


def test_a_report_that_crosses_several_rungs_waits_at_the_highest():
    pruner = Pruner(asha(reduction=2.0), style="promote")
    assert pruner.report(0, 9, 0.4).rung == 8
    assert pruner.unfilled(0) == (16, 32, 64)
    pruner.report(1, 1, 0.5)  # two at rung 1 now, and the best of them is long past it
    assert pruner.promotion({0, 1}) is None
    pruner.report(2, 8, 0.6)
    assert sent(pruner.promotion({0, 1, 2})) == (0, 8, 1, 2, 0.4)


def test_a_trial_taken_up_again_is_not_sent_on_from_where_it_once_waited():
    pruner, _ = waiting(asha(reduction=2.0), [0.1, 0.2])
    verdict = pruner.report(0, 2, 0.1)  # a hand has let it go on
    assert told(verdict) == ("pause", (2, 1, 1, None))
    assert pruner.promotion({0, 1}) is None


# --- stop ----------------------------------------------------------------------------------------


def test_stop_the_first_at_a_rung_goes_on():
    verdict = Pruner(asha(style="stop")).report(7, 1, 123.0)
    assert told(verdict) == ("go", (1, 1, 1, 123.0))
    assert words(verdict) == "goes on at report 1: 1st of 1, needed 123, had 123"


def test_stop_a_third_goes_on_and_says_by_which_figures():
    pruner = Pruner(asha(style="stop"))
    for trial in range(5):
        pruner.report(trial, 1, 0.1 + trial / 100)
    assert told(pruner.report(5, 1, 0.105)) == ("go", (1, 2, 6, 0.105))
    verdict = pruner.report(6, 1, 0.107)
    assert told(verdict) == ("stop", (1, 3, 7, 0.105))
    assert words(verdict) == "stopped at report 1: 3rd of 7, needed 0.105, had 0.107"


def test_stop_sends_nobody_on():
    pruner = Pruner(asha(style="stop"))
    for trial in range(9):
        pruner.report(trial, 1, float(trial))
    assert pruner.promotion(set(range(9))) is None


def test_stop_ever_worse_ends_all_but_the_first_and_ever_better_nobody():
    worse, better = Pruner(asha(style="stop")), Pruner(asha(style="stop"))
    assert [worse.report(t, 1, float(t)).action for t in range(60)] == ["go"] + ["stop"] * 59
    assert {better.report(t, 1, -float(t)).action for t in range(60)} == {"go"}


def test_stop_a_report_has_to_be_among_the_best_of_every_rung_that_it_crosses():
    pruner = Pruner(asha(style="stop"))
    pruner.report(0, 1, 0.1)
    verdict = pruner.report(1, 9, 0.2)  # first at rungs 3 and 9, second at rung 1
    assert told(verdict) == ("stop", (1, 2, 2, 0.1))


# --- both ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["promote", "stop"])
def test_a_rung_once_filled_is_never_filled_again(style):
    pruner = Pruner(asha(style=style))
    pruner.report(0, 9, 0.4)
    assert [pruner.report(0, step, 99.0) for step in (9, 10, 11, 26)] == [None] * 4
    assert [pruner.report(0, step, 0.0) for step in (1, 3, 9)] == [None] * 3  # a later attempt
    assert pruner.report(1, 9, 0.5).n == 2


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_among_equals_the_earlier_trial_is_better_whoever_arrives_first(order):
    pruner = Pruner(asha(reduction=2.0, style="stop"))
    ranks = {trial: pruner.report(trial, 1, 0.5).rank for trial in order}
    seen = []
    for trial in order:
        seen.append(trial)
        assert ranks[trial] == sorted(seen).index(trial) + 1


def test_a_tie_that_ends_a_trial_says_so():
    pruner = Pruner(asha(style="stop"))
    pruner.report(0, 1, 0.5)
    verdict = pruner.report(1, 1, 0.5)
    assert (
        words(verdict)
        == "stopped at report 1: 2nd of 2, tied with the cut-off; the earlier trial wins"
    )


def test_numbers_that_look_alike_get_more_digits():
    pruner = Pruner(asha(style="stop"))
    pruner.report(0, 1, 0.12345678)
    assert "needed 0.12345678, had 0.12345679" in words(pruner.report(1, 1, 0.12345679))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.sampled_from(["promote", "stop"]))
def test_the_two_directions_mirror_each_other(losses, style):
    down, up = (Pruner(asha(style=style), mode, style) for mode in ("min", "max"))
    parked = set()
    for trial, loss in enumerate(losses):
        one, other = down.report(trial, 1, loss, parked), up.report(trial, 1, -loss, parked)
        assert (one.action, one.rank, one.n) == (other.action, other.rank, other.n)
        assert one.cut == (None if other.cut is None else -other.cut)
        if one.action == "pause":
            parked.add(trial)
    promotion, mirrored = down.promotion(parked), up.promotion(parked)
    assert (promotion is None) == (mirrored is None)
    if promotion is not None:
        assert (promotion.trial, promotion.cut) == (mirrored.trial, -mirrored.cut)


def test_a_trial_that_diverged_between_rungs_ends_at_the_next():
    pruner = Pruner(asha(style="stop"))
    pruner.report(0, 1, 0.1)
    assert pruner.report(0, 2, NAN) is None
    verdict = pruner.report(0, 3, 0.1)
    assert verdict.action == "stop"
    assert words(verdict) == "stopped at report 3: an earlier value was not finite"
    assert told(pruner.report(1, 3, 0.2))[1][:3] == (1, 2, 2)


def test_a_failed_trial_is_worst_in_its_next_rung_once_until_it_fills_it_after_all():
    pruner = Pruner(asha(reduction=2.0, style="stop"))
    pruner.report(0, 1, 0.1)
    pruner.fail(0)
    pruner.fail(0)
    assert told(pruner.report(1, 2, 0.05)) == ("go", (2, 1, 2, 0.05))
    assert told(pruner.report(0, 2, 0.2)) == ("stop", (2, 2, 2, 0.05))
    assert pruner.report(2, 2, 0.01).n == 3


def test_a_failure_beyond_the_last_rung_enters_none():
    pruner = Pruner(asha(high=9, style="stop"))
    pruner.report(0, 3, 0.1)
    pruner.fail(0)
    assert pruner.report(1, 3, 0.2).n == 2


@pytest.mark.parametrize("value", [0.5, NAN])
@pytest.mark.parametrize("style", ["promote", "stop"])
def test_the_report_that_reaches_the_maximum_is_not_judged_but_counts(value, style):
    pruner = Pruner(asha(high=27, style=style))
    assert pruner.judge(0, 27, value, False, ()) is None
    pruner.report(0, 27, value)
    assert pruner.report(1, 9, 0.7).n == 2
    assert pruner.promotion({0}) is None


@given(st.integers(1, 400), st.sampled_from(["1.1", "1.5", "2", "2.5", "3", "3.3", "4"]))
def test_how_many_go_on_is_the_exact_quotients_floor(n, reduction):
    pruner, parked = waiting(asha(reduction=float(reduction)), [float(t) for t in range(n)])
    sent_on = 0
    while (promotion := pruner.promotion(parked)) is not None:
        pruner.send(promotion)
        sent_on += 1
    assert sent_on == math.floor(n / Fraction(reduction))


@given(st.permutations(range(9)))
def test_the_state_does_not_depend_on_the_order_of_arrival(order):
    pruner, in_order = Pruner(asha(), style="promote"), Pruner(asha(), style="promote")
    for trial in order:
        pruner.enter(trial, 1, trial / 10, "pause")
    for trial in range(9):
        in_order.enter(trial, 1, trial / 10, "pause")
    assert pruner.state == in_order.state


# --- the last resort -----------------------------------------------------------------------------


def test_who_goes_on_where_nothing_else_is_left_is_the_references_choice():
    """It is compared in every study above; here that it happens often enough to tell."""
    worlds = [play(Random(seed)) for seed in range(300)]
    assert sum(len(world.last_resorts) > 0 for world in worlds) > 30
    assert sum(len(world.last_resorts) > 2 for world in worlds) > 5


def test_sent_on_beyond_its_rank_it_leaves_its_rung_and_comes_back_no_more():
    pruner, parked = waiting(asha(), [0.3, 0.4])
    promotion = pruner.last_resort(parked)
    assert sent(promotion) == (0, 1, 1, 2, None)
    pruner.send(promotion)
    assert pruner.state.memory.waiting == {1: 0.4}
    assert pruner.report(0, 3, 0.3, {1}).action == "pause"
    pruner.report(2, 1, 0.9, {0, 1})  # of three at rung 0 the best has gone on
    assert pruner.promotion({0, 1, 2}) is None
    assert sent(pruner.last_resort({0, 1, 2}))[:2] == (0, 3)


def test_without_anybody_that_waits_nobody_goes_on():
    pruner, _ = waiting(asha(), [NAN, INF])
    assert pruner.last_resort(()) is None
