"""What the next hour is worth: right on draws whose distribution is known, and silent without."""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

import pytest

from tuitune.core.events import TrialState
from tuitune.core.space import SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study.forecast import improvement, next_hour
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


def spec_of(method):
    trial, objective = TrialSpec(target="t.py:train"), Objective("loss", "min")
    search = SearchSpec(method)
    return StudySpec(
        "s", objective, trial, SearchSpace(()), search, PruningSpec(), Limits(), "/s/s.toml"
    )


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
    for method, learns in (("random", False), ("bayes", True)):
        told = study_outlook([*complete, *failed, *running], spec_of(method), 100)
        assert told == outlook_words(next_hour(ends, 40, learns=learns), 40)


def test_trials_that_wait_at_rungs_are_no_ends_to_come():
    complete = [Row(60.0 * n, TrialState.COMPLETE, Random(n).gauss(0, 1)) for n in range(20)]
    held = [Row(None, TrialState.PAUSED, 1.0)] * 60
    told = study_outlook([*complete, *held], spec_of("random"), 120)
    assert told.startswith("rest of the study (10 trials): ")  # a quarter of forty


@pytest.mark.parametrize("learns", [False, True])
def test_after_the_advice_to_stop_few_studies_find_anything_better(learns):
    """Draws, and a searcher that finds better ones until it has found the best."""
    told, better = 0, 0
    for seed in range(400):
        random = Random(seed)
        depth = [0.1 * min(n, 20) if learns else 0.0 for n in range(90)]
        losses = [random.gauss(0, 1) - down for down in depth]
        found = improvement(losses[:80], 4, learns=learns)
        if "may as well stop" in outlook_words(found, 4):
            told += 1
            better += min(losses[80:84]) < min(losses[:80])
    assert told > 200
    assert better / told < 0.1


def test_a_model_is_expected_to_find_better_ones_sooner():
    losses = [Random(seed).gauss(0, 1) for seed in range(14)]
    plain, modelled = (improvement(losses, 10, learns=learns) for learns in (False, True))
    assert modelled.chance > plain.chance
    assert modelled.expected > plain.expected
