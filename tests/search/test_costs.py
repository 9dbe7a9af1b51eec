"""The seconds of trials: what is learnt of them, when it counts, and what it changes."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from msgspec.structs import replace

from tuitune.core.paces import ENOUGH, Times
from tuitune.core.search.bayes.encoding import RowCache, encoding_of
from tuitune.core.search.bayes.model import bayes_model
from tuitune.core.search.costs import JUDGED, CostModel, timed
from tuitune.core.search.proposal import History, Past, identity
from tuitune.core.search.registry import make_model
from tuitune.core.search.sobol import sobol_searcher
from tuitune.core.space import Choice, FloatRange, IntRange, SearchSpace
from tuitune.core.spec import SearchSpec
from tuitune.messages.reasons import reason_words

SPACE = SearchSpace(
    (
        FloatRange("lr", 1e-5, 1.0, log=True),
        IntRange("layers", 1, 8),
        FloatRange("width", 16.0, 1024.0, log=True),
        Choice("optimizer", ("sgd", "adam", "lion")),
    )
)
RUNGS = (1, 3, 9)


def loss(config):
    return (math.log10(config["lr"]) + 2) ** 2 + 0.1 * (config["optimizer"] == "sgd")


def by_size(config):
    return 0.01 * config["layers"] * config["width"]


def history(count, seconds, *, limited=False, of=loss, seed=1):
    """Trials of Sobol's sequence, each of which took `seconds(trial, config)`."""
    configs = [sobol_searcher(SPACE, seed).planned(trial).config for trial in range(count)]
    past = [
        Past(n, c, ((1, of(c)),), "ended", times=Times(1.0, seconds(n, c)))
        for n, c in enumerate(configs)
    ]
    return History(tuple(past), limited=limited)


def learnt(of, rungs=()):
    encoding = encoding_of(SPACE)
    return CostModel(encoding, RowCache(encoding)).costs(of, rungs)


def tried(of):
    return {identity(SPACE, past.config) for past in of.past}


# --- seconds of a trial --------------------------------------------------------------------------


def test_the_start_of_a_trial_is_told_apart_from_its_training():
    """With rungs a trial that was stopped at its first report costs no more an epoch for that."""
    stopped = Past(0, {}, ((1, 0.5),), "ended", times=Times(1.0, 62.0))
    long = [
        Past(n, {}, ((9, 0.5),), "ended", times=Times(1.0, 60.0 + n, 8.0, 8.0 * n))
        for n in (1, 2, 3)
    ]
    found = timed([stopped, *long], RUNGS)
    assert [past.trial for past in found.trials] == [0, 1, 2, 3]
    # 60 s to start, then seven epochs, which is the mean
    assert found.seconds[1:] == pytest.approx([67.0, 74.0, 81.0])
    assert found.seconds[0] == pytest.approx(74.0, abs=10.0)


def test_without_rungs_a_trial_counts_with_its_own_length_once_it_has_ended():
    short = Past(0, {}, ((10, 0.5),), "ended", times=Times(1.0, 2.0, 9.0, 18.0))
    long = Past(1, {}, ((100, 0.5),), "ended", times=Times(1.0, 2.0, 99.0, 198.0))
    running = Past(2, {}, ((50, 0.5),), "pending", times=Times(1.0, 2.0, 49.0, 98.0))
    unknown = Past(3, {}, ((50, 0.5),), "ended")
    found = timed([short, long, running, unknown], ())
    assert [past.trial for past in found.trials] == [0, 1]
    assert found.seconds == pytest.approx([20.0, 200.0])


# --- when they count -----------------------------------------------------------------------------


def test_seconds_that_differ_threefold_count_from_six_trials_on():
    assert learnt(history(ENOUGH - 1, lambda _, c: by_size(c))) is None
    assert learnt(history(ENOUGH, lambda _, c: by_size(c))) is not None
    costs = learnt(history(30, lambda _, c: by_size(c)))
    small = {"lr": 0.01, "layers": 2, "width": 64.0, "optimizer": "adam"}
    rows = encoding_of(SPACE).rows([small, {**small, "width": 512.0}])
    found = np.exp(costs.log(rows)) * costs.median
    assert found == pytest.approx([by_size(small), 8 * by_size(small)], rel=0.5)


@pytest.mark.parametrize("strays", [1, 2])
def test_a_few_stragglers_do_not_make_seconds_count(strays):
    """Of twenty trials: that two of them took fifty times as long says nothing."""
    places = set(Random(3).sample(range(20), strays))
    assert learnt(history(20, lambda n, _: 500.0 if n in places else 10.0 + n % 2)) is None


def test_a_straggler_does_not_bend_what_is_learnt():
    plain = learnt(history(30, lambda _, c: by_size(c)))
    stray = learnt(history(30, lambda n, c: by_size(c) * (1e4 if n == 7 else 1.0)))
    rows = encoding_of(SPACE).rows([p.config for p in history(60, lambda *_: 1.0).past[30:]])
    off = np.abs(plain.log(rows) - stray.log(rows))
    assert np.median(off) < 0.4


def test_differences_that_no_configuration_explains_do_not_count():
    """As where trials share a GPU with one, two or four others."""
    chosen = [Random(seed) for seed in range(20)]
    found = [learnt(history(JUDGED, lambda _, _c, r=r: 10.0 * r.choice((1, 3, 5)))) for r in chosen]
    assert sum(costs is not None for costs in found) <= 2


def test_with_a_time_limit_smaller_differences_count():
    def seconds(_, config):
        return 10.0 + config["layers"]

    assert learnt(history(30, seconds)) is None
    assert learnt(history(30, seconds, limited=True)) is not None
    assert learnt(history(30, lambda *_: 10.0, limited=True)) is None


def test_their_slopes_are_those_of_their_values():
    costs = learnt(history(40, lambda _, c: by_size(c)))
    encoding = encoding_of(SPACE)
    rows = np.random.default_rng(0).random((5, 4))
    rows[:, 3] = 1.0
    values, slopes = costs.sloped(rows, encoding.numbers)
    assert values == pytest.approx(costs.log(rows))
    for column, place in enumerate(encoding.numbers):
        near = rows.copy()
        near[:, place] += 1e-5
        assert slopes[:, column] == pytest.approx((costs.log(near) - values) / 1e-5, abs=1e-3)


# --- what they change ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["bayes", "tpe"])
@pytest.mark.parametrize("limited", [False, True])
def test_trials_that_take_equally_long_are_proposed_as_without_a_clock(method, limited):
    seen = history(40, lambda n, _: 10.0 + 0.1 * (n % 7), limited=limited)
    blind = History(tuple(replace(past, times=None) for past in seen.past))
    for trial in range(40, 46):
        timely, plain = (
            make_model(SPACE, SearchSpec(method), "min", ()).propose(trial, of, tried(of))
            for of in (seen, blind)
        )
        assert timely == plain


@pytest.mark.parametrize("method", ["bayes", "tpe"])
def test_of_equally_good_configurations_the_quick_ones_are_proposed(method):
    spent = {}
    for seed in (2, 4, 5):
        seen = history(60, lambda _, c: by_size(c), seed=seed)
        blind = History(tuple(replace(past, times=None) for past in seen.past))
        for clock, of in (("with", seen), ("without", blind)):
            model = make_model(SPACE, SearchSpec(method), "min", ())
            proposals = [model.propose(trial, of, tried(of)) for trial in range(60, 70)]
            sizes = [by_size(p.config) for p in proposals if p.origin == method]
            spent.setdefault(clock, []).append(np.median(sizes))
    assert np.mean(spent["with"]) < np.mean(spent["without"]) / 3


def test_the_reason_has_the_figures():
    seen = history(40, lambda _, c: by_size(c))
    model = bayes_model(SPACE, 0, "min")
    proposals = [model.propose(trial, seen, tried(seen)) for trial in range(40, 46)]
    paces = [p.why.pace for p in proposals if p.origin == "bayes"]
    assert paces
    assert any(pace.rate is not None and pace.rate > 1.0 for pace in paces)
    for pace in paces:
        assert pace.rate is None or pace.rate >= 1.0
        assert pace.seconds > 0
    told = next(reason_words(p.why) for p in proposals if p.origin == "bayes" and p.why.pace.rate)
    assert "expected to take " in told
    assert " x the median trial; improvement a second " in told
    dense = make_model(SPACE, SearchSpec("tpe"), "min", ()).propose(41, seen, tried(seen))
    assert "expected to take " in reason_words(dense.why)


@pytest.mark.parametrize("method", ["bayes", "tpe"])
def test_a_fresh_model_answers_the_same(method):
    """Whatever was asked before, and in whatever order."""
    whole = history(90, lambda _, c: by_size(c))
    asked = make_model(SPACE, SearchSpec(method), "min", ())
    counts = (12, 40, 41, 85, 90, 41, 12)
    for count in counts:
        of = History(whole.past[:count])
        fresh = make_model(SPACE, SearchSpec(method), "min", ())
        assert fresh.propose(count, of, tried(of)) == asked.propose(count, of, tried(of))
