"""BOHB, compared with a plain implementation of Falkner et al. 2018 on the same random draws."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core.search.proposal import History, Past, identity
from tuitune.core.search.registry import make_model, make_searcher
from tuitune.core.space import Choice, FloatRange, SearchSpace, to_unit
from tuitune.core.spec import SearchSpec
from tuitune.messages.reasons import reason_words

RUNGS = (1, 3, 9)
SPACE = SearchSpace(
    (
        FloatRange("lr", 1e-4, 1.0, log=True),
        FloatRange("momentum", 0.0, 1.0),
        Choice("optimizer", ("sgd", "adam", "lion", "rmsprop")),
    )
)
CONDITIONAL = SearchSpace(
    (*SPACE.parameters, FloatRange("beta", 0.0, 1.0, when={"optimizer": ("adam", "lion")}))
)


def model(space=SPACE, *, rungs=RUNGS, mode="min"):
    return make_model(space, SearchSpec("bohb", seed=5), mode, rungs)


def loss(config):
    return abs(math.log10(config["lr"]) + 2) + config["momentum"] + len(config["optimizer"])


def studied(count, space=SPACE, *, worst=()):
    """A study of which every third trial reached rung 3, every ninth rung 9; `worst` have failed."""
    draws = make_searcher(space, SearchSpec("random", seed=1))
    pasts = []
    for number in range(count):
        config = draws.propose(number, set()).config
        reached = [rung for rung in RUNGS if number % rung == 0]
        curve = tuple((rung, loss(config) / rung) for rung in reached)
        failed = number in worst
        pasts.append(Past(number, config, () if failed else curve, "failed" if failed else "ended"))
    return tuple(pasts)


# --- the paper, as plainly as can be -------------------------------------------------------------


def units(space, config):
    """One number for each parameter; None where it does not exist."""
    return [
        None
        if p.name not in config
        else p.values.index(config[p.name])
        if isinstance(p, Choice)
        else to_unit(p, config[p.name])
        for p in space.searched
    ]


def filled(rows, counts, rng):
    """The missing values replaced by those of random other rows, column by column."""
    for j, count in enumerate(counts):
        holes = [i for i, row in enumerate(rows) if row[j] is None]
        there = [row[j] for row in rows if row[j] is not None]
        if not holes:
            continue
        if there:
            values = [there[k] for k in rng.integers(len(there), size=len(holes))]
        else:
            values = rng.integers(count, size=len(holes)) if count else rng.random(len(holes))
        for i, value in zip(holes, values, strict=True):
            rows[i][j] = float(value)
    return rows


def bandwidths(rows, counts):
    n, d = len(rows), len(counts)
    found = []
    for j, count in enumerate(counts):
        column = [row[j] for row in rows]
        mean = sum(column) / n
        spread = math.sqrt(sum((x - mean) ** 2 for x in column) / n)
        width = max(1.06 * spread * n ** (-1 / (4 + d)), 1e-3)
        found.append(min(width, (count - 1) / count) if count else width)
    return found


def kernel(x, own, width, count):
    if count:
        return 1 - width if x == own else width / (count - 1)
    return NormalDist(own, width).pdf(x)


def pdf(x, rows, widths, counts):
    every = [
        math.prod(kernel(x[j], row[j], widths[j], counts[j]) for j in range(len(counts)))
        for row in rows
    ]
    return sum(every) / len(rows)


def sample(own, width, share, count):
    if not count:
        normal = NormalDist(own, width)
        low, high = normal.cdf(0), normal.cdf(1)
        return min(max(normal.inv_cdf(low + share * (high - low)), 0.0), 1.0)
    width = min(width, (count - 1) / count)
    if share < 1 - width:
        return own
    others = [value for value in range(count) if value != own]
    return others[min(int((share - (1 - width)) / width * (count - 1)), count - 2)]


def reference(space, pasts, rng):
    """Algorithm 2 after its random configurations; `rng` gives the draws of the model."""
    counts = [len(p.values) if isinstance(p, Choice) else 0 for p in space.searched]
    least = len(counts) + 1
    for rung in reversed(RUNGS):
        there = [(dict(p.curve)[rung], p.trial, p) for p in pasts if rung in dict(p.curve)]
        if rung == RUNGS[0]:
            there += [(math.inf, p.trial, p) for p in pasts if p.state == "failed"]
        if len(there) >= least + 2:
            break
    ranked = [p.config for _, _, p in sorted(there, key=lambda one: one[:2])]
    good = max(least, int(0.15 * len(ranked)))
    poor = max(least, len(ranked) - good)
    lower = filled([units(space, c) for c in ranked[:good]], counts, rng)
    upper = filled([units(space, c) for c in ranked[-poor:]], counts, rng)
    narrow, wide = bandwidths(lower, counts), bandwidths(upper, counts)
    picks = rng.integers(len(lower), size=64)
    shares = rng.random((64, len(counts)))
    candidates = []
    for pick, row in zip(picks, shares, strict=True):
        point = [
            sample(own, 3 * width, share, count)
            for own, width, share, count in zip(lower[pick], narrow, row, counts, strict=True)
        ]
        middle = [(x + 0.5) / n if n else x for x, n in zip(point, counts, strict=True)]
        candidates.append(space.configuration(middle))
    at = filled([units(space, c) for c in candidates], counts, rng)
    ratios = [pdf(x, lower, narrow, counts) / pdf(x, upper, wide, counts) for x in at]
    return candidates[int(np.argmax(ratios))], max(ratios)


@pytest.mark.parametrize("space", [SPACE, CONDITIONAL], ids=["plain", "conditional"])
@pytest.mark.parametrize(("count", "worst"), [(8, ()), (20, (3, 4)), (60, (7,)), (150, ())])
def test_its_proposals_are_those_of_the_paper(space, count, worst):
    pasts = studied(count, space, worst=worst)
    compared = 0
    for trial in range(count, count + 15):
        rng = np.random.default_rng([5, trial])
        found = model(space).propose(trial, History(pasts), set())
        if rng.random() < 1 / 3:
            assert found.origin == "exploration"
            continue
        config, ratio = reference(space, pasts, rng)
        assert found.config == config
        assert found.why.ratio == pytest.approx(min(ratio, math.exp(50)), rel=1e-6)
        compared += 1
    assert compared > 5


def test_a_rung_needs_two_trials_more_than_a_density():
    found = model().propose(1, History(studied(5)), set())
    assert found.origin == "exploration"
    assert {model().propose(n, History(studied(6)), set()).origin for n in range(9)} == {
        "bohb",
        "exploration",
    }


def test_before_there_can_be_a_model_its_trials_are_those_of_random():
    both = (
        make_searcher(SPACE, SearchSpec("bohb", seed=2)),
        make_searcher(SPACE, SearchSpec("random", seed=2)),
    )
    for trial in range(len(SPACE.searched) + 3):
        assert both[0].propose(trial, set()).config == both[1].propose(trial, set()).config


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.sampled_from(["min", "max"]), st.integers(0, 10**6))
def test_every_proposal_is_of_the_space_and_new(count, mode, trial):
    pasts = studied(count, CONDITIONAL, worst=(1, 2))
    found = model(CONDITIONAL, mode=mode).propose(trial, History(pasts), set())
    assert CONDITIONAL.normalised(found.config) == found.config
    assert model(CONDITIONAL, mode=mode).propose(trial, History(pasts), set()) == found


def test_it_ends_where_all_is_tried():
    space = SearchSpace((Choice("a", (1, 2)), Choice("b", (1, 2))))
    pasts = tuple(
        Past(n, {"a": a, "b": b}, ((1, a + b),), "ended")
        for n, (a, b) in enumerate([(1, 1), (1, 2), (2, 1), (2, 2)])
    )
    searcher = make_searcher(space, SearchSpec("random", seed=0))
    tried = {identity(space, past.config) for past in pasts}
    assert searcher.propose(4, tried) is None
    assert model(space, rungs=(1,)).propose(4, History(pasts), tried) is None


def test_the_reason_names_both_sides():
    found = next(
        f
        for n in range(20)
        if (f := model().propose(n, History(studied(60)), set())).origin == "bohb"
    )
    words = reason_words(found.why)
    assert "4 good and 4 poor trials at 9" in words
    assert "running" not in words
