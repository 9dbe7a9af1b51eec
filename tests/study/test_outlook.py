"""What the next hour is worth: right on draws whose distribution is known, and silent without."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

import pytest

from tuitune.core.events import TrialState
from tuitune.core.spec import Objective
from tuitune.core.study.outlook import improvement, next_hour
from tuitune.messages.outlook import outlook_words, study_outlook

DRAWS = {
    "exponential": lambda random: random.expovariate(1),
    "normal": lambda random: random.gauss(0, 1),
    "uniform": lambda random: random.random(),
    "heavy": lambda random: math.exp(2 * random.gauss(0, 1)),
}


@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize(("seen", "more"), [(20, 10), (40, 40), (80, 30)])
def test_the_interval_holds_in_most_studies(draws, seen, more):
    """Where values have a bound, the best come closer together than is assumed: it holds more often."""
    held, chances, better = 0, 0.0, 0
    for seed in range(300):
        random = Random(f"{draws}/{seed}")
        losses = [DRAWS[draws](random) for _ in range(seen + more)]
        found = improvement(losses[:seen], more)
        gain = max(0.0, min(losses[:seen]) - min(losses))
        held += found.low <= gain <= found.high
        chances += found.chance
        better += gain > 0
    assert held / 300 >= 0.7
    assert draws != "normal" or held / 300 <= 0.95
    assert chances / 300 == pytest.approx(better / 300, abs=0.1)


def test_the_mean_improvement_is_that_of_exponential_draws():
    expected, real = 0.0, 0.0
    for seed in range(400):
        random = Random(seed)
        losses = [-random.expovariate(1) for _ in range(80)]
        expected += improvement(losses[:40], 40).expected
        real += max(0.0, min(losses[:40]) - min(losses))
    assert expected == pytest.approx(real, rel=0.2)


def test_a_searcher_that_still_finds_better_ones_is_worth_more():
    random = Random(1)
    flat = [random.gauss(0, 1) for _ in range(40)]
    falling = [value - 0.1 * n for n, value in enumerate(flat)]
    assert improvement(falling, 10).chance > 2 * improvement(flat, 10).chance


def test_nothing_is_said_without_enough_trials():
    assert improvement([1.0] * 5, 10) is None
    assert improvement([1.0] * 5 + [math.inf] * 20, 10) is None
    assert improvement([float(n) for n in range(20)], 0) is None
    assert next_hour([(5.0, float(n)) for n in range(20)], 10) is None  # all at one moment


def test_equal_values_promise_nothing():
    found = improvement([0.693] * 30, 10)
    assert (found.expected, found.low, found.high) == (0.0, 0.0, 0.0)


def test_the_hour_is_as_long_as_trials_are_left():
    ends = [(60.0 * n, float(-n % 7)) for n in range(30)]
    assert next_hour(ends, 500).trials == 60
    assert next_hour(ends, 12).trials == 12


def test_its_words():
    ends = [(60.0 * n, Random(n).gauss(0, 1)) for n in range(30)]
    assert outlook_words(next_hour(ends, 500), 500).startswith("next hour (60 trials): ")
    assert outlook_words(next_hour(ends, 12), 12).startswith("rest of the study (12 trials): ")
    best_first = [(60.0 * n, float(n)) for n in range(60)]
    assert outlook_words(next_hour(best_first, 3), 3).endswith("better; it may as well stop")


class Row(NamedTuple):
    ended: float | None
    state: TrialState
    value: float | None


def test_trials_that_ended_without_a_complete_value_count_as_draws():
    random = Random(3)
    complete = [Row(60.0 * n, TrialState.COMPLETE, random.gauss(0, 1)) for n in range(30)]
    failed = [Row(60.0 * n + 30, TrialState.FAILED, None) for n in range(30)]
    running = [Row(None, TrialState.RUNNING, -9.0)]
    ends = [(one.ended, one.value) for one in complete] + [(one.ended, math.inf) for one in failed]
    told = study_outlook([*complete, *failed, *running], Objective("loss", "min"), 100)
    assert told == outlook_words(next_hour(ends, 40), 40)
