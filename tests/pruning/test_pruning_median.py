"""Median stopping: verdicts are the reference's."""

from __future__ import annotations

import math
from random import Random

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from pruning_reference import Median
from pruning_world import ODD, Pruner, told, words

from tuitune.core.spec import PruningSpec

INF, NAN = math.inf, math.nan


def median(low=1, high=9):
    return PruningSpec("median", min=low, max=high)


def completed(pruner, *curves):
    """Let trials 100, 101 … report these values at steps 1, 2 … and become COMPLETE."""
    for trial, curve in enumerate(curves, start=100):
        for step, value in enumerate(curve, start=1):
            pruner.report(trial, step, value)
        pruner.complete(trial)
    return pruner


def play(random):
    """Trials in any interleaving: sparse steps, ties, NaN, early ends, retries, new engines."""
    low = random.randint(1, 3)
    pruning, mode = median(low, low + random.randint(1, 20)), random.choice(["min", "max"])
    pruner, reference = Pruner(pruning, mode), Median(pruning, mode)
    states, steps = {}, {}
    odd, jump = random.choice([0.0, 0.04]), random.choice([1, 1, 4])
    for _ in range(random.randint(1, 120)):
        running = [trial for trial, state in states.items() if state == "running"]
        if len(running) < 4 and random.random() < 0.7:
            trial = len(states)
            states[trial], steps[trial] = "running", 0
        elif running:
            trial = random.choice(running)
            steps[trial] = step = steps[trial] + random.randint(1, jump)
            value = random.choice(ODD) if random.random() < odd else random.randint(0, 12) / 4
            verdict = pruner.report(trial, step, value)
            if step >= pruning.max:
                reference.report(trial, step, value)
                states[trial] = "complete"
            else:
                assert told(verdict) == reference.report(trial, step, value)
                if verdict is not None and verdict.action == "stop":
                    states[trial] = "pruned"
                elif random.random() < 0.1:
                    states[trial] = "complete"  # it returned early
            if states[trial] == "complete":
                pruner.complete(trial)
                reference.completed.add(trial)
        if random.random() < 0.05 and states:
            trial = random.choice(list(states))
            retried = states[trial] == "pruned"
            states[trial] = "running" if retried else states[trial]
            pruner.fail(trial)  # counts for nothing here
        if random.random() < 0.05:
            pruner.store()


@settings(max_examples=2000)
@given(st.integers(0, 2**40))
def test_verdicts_are_the_references(seed):
    play(Random(seed))


@settings(max_examples=100)
@given(st.randoms(use_true_random=False))
def test_they_are_so_in_the_smallest_studies(random):
    play(random)


def test_nothing_is_judged_before_the_first_complete_trial():
    pruner = Pruner(median())
    assert [pruner.report(0, step, 99.0) for step in range(1, 9)] == [None] * 8
    pruner.complete(0)
    assert pruner.report(1, 1, 100.0).action == "stop"


def test_a_worse_best_than_the_median_of_averages_ends_a_trial_with_its_figures():
    pruner = completed(Pruner(median()), [1, 3, 2], [2, 4, 6], [5, 5, 5])
    verdict = pruner.report(0, 3, 4.5)
    assert told(verdict) == ("stop", (3, 3, 4, 4.0))
    assert (
        words(verdict) == "stopped at report 3: needed 4, had 4.5 (median of running averages of 3)"
    )
    verdict = pruner.report(1, 2, 2.5)
    assert told(verdict) == ("go", (2, 2, 4, 3.0))
    assert (
        words(verdict) == "goes on at report 2: needed 3, had 2.5 (median of running averages of 3)"
    )


def test_an_equal_best_goes_on():
    pruner = completed(Pruner(median()), [2.0])
    verdict = pruner.report(0, 1, 2.0)
    assert told(verdict) == ("go", (1, 1, 2, 2.0))
    assert words(verdict) == "goes on at report 1: needed 2, had 2 (running average of 1)"


def test_the_best_so_far_counts_and_not_the_newest():
    pruner = completed(Pruner(median()), [2, 2, 2])
    assert pruner.report(0, 1, 1.0).action == "go"
    assert pruner.report(0, 2, 50.0).action == "go"


def test_of_two_the_median_lies_between():
    pruner = completed(Pruner(median(), "max"), [1.0], [2.0])
    assert told(pruner.report(0, 1, 1.25)) == ("stop", (1, 2, 3, 1.5))


def test_averages_go_up_to_the_step_and_later_ones_count_on():
    pruner = completed(Pruner(median()), [8, 4])
    assert pruner.report(0, 1, 7.0).cut == 8.0
    assert pruner.report(0, 6, 7.0).cut == 6.0


def test_who_had_not_reported_by_then_does_not_count():
    pruner = Pruner(median())
    pruner.report(9, 5, 1.0)
    pruner.complete(9)
    assert pruner.report(0, 4, 3.0) is None
    assert pruner.report(0, 5, 3.0).action == "stop"


def test_before_min_nothing_is_judged():
    pruner = completed(Pruner(median(low=3)), [1, 1, 1])
    assert pruner.pruner.judged_from == 3
    assert [pruner.report(0, step, 9.0) for step in (1, 2)] == [None, None]
    assert pruner.report(0, 3, 9.0).action == "stop"


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_what_is_not_finite_ends_a_trial_even_the_first(value):
    pruner = Pruner(median())
    verdict = pruner.report(0, 1, value)
    assert (verdict.action, verdict.rank, verdict.n, verdict.cut) == ("stop", 1, 1, None)
    assert words(verdict) == f"stopped at report 1: the value is {value:g}"


def test_one_before_min_ends_it_at_min():
    pruner = Pruner(median(low=2))
    assert pruner.report(0, 1, NAN) is None
    assert words(pruner.report(0, 2, 0.5)) == "stopped at report 2: an earlier value was not finite"


def test_a_complete_trial_that_diverged_counts_as_worst():
    pruner = completed(Pruner(median()), [1.0], [NAN], [NAN])
    assert told(pruner.report(0, 1, 1e9)) == ("go", (1, 2, 4, None))


def test_a_trial_counts_once_though_it_completes_again():
    pruner = completed(Pruner(median()), [1.0], [3.0])
    pruner.complete(100)
    pruner.report(100, 5, 90.0)
    pruner.complete(100)
    assert told(pruner.report(0, 5, 1.5)) == ("go", (5, 2, 3, 2.0))


def test_judging_changes_nothing_and_order_of_observing_and_judging_does_not_matter():
    pruner = completed(Pruner(median()), [1.0, 2.0])
    before = msgspec.msgpack.encode(pruner.state)
    early = pruner.judge(0, 1, 0.5, False, ())
    assert msgspec.msgpack.encode(pruner.state) == before
    assert pruner.report(0, 1, 0.5) == early


def test_a_report_at_every_one_of_very_many_steps_keeps_the_state_small():
    pruner = Pruner(median(high=10**6))
    for trial in (100, 101):
        for step in range(1 + trial % 2, 30_001):
            pruner.observe(trial, step, float(step))
        pruner.complete(trial)
    assert len(msgspec.msgpack.encode(pruner.state)) < 60_000
    cut = pruner.report(0, 20_000, 0.0).cut
    assert cut == pytest.approx(10_000, rel=0.01)
