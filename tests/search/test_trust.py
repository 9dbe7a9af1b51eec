"""How far an expectation is trusted, and the first results, beside their definitions."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core.search.proposal import Past
from tuitune.core.search.trust import faith, results, trust

RUNGS = (1, 3, 9)
VALUES = st.sampled_from([0.1, 0.2, 0.2, 0.5, 1.0, 3.0, math.nan, math.inf, -math.inf])


@st.composite
def pasts(draw, most=9):
    made = []
    for number in range(draw(st.integers(0, most))):
        steps = sorted(draw(st.sets(st.integers(0, 12), max_size=5)))
        curve = tuple((step, draw(VALUES)) for step in steps)
        state = draw(st.sampled_from(["running", "ended", "failed"]))
        made.append(Past(number, {"x": number}, curve, state))
    return made


def loss(value, mode):
    """Small is good; what is not finite is worse than every number."""
    if not math.isfinite(value):
        return math.inf
    return value if mode == "min" else -value


def alike(value, expected):
    return math.isnan(value) if expected is None else value == expected


def at_rung(past, rung, rungs, mode):
    """The loss of the first report at a rung or after it, and before the next; None: none."""
    index = rungs.index(rung)
    until = rungs[index + 1] if index + 1 < len(rungs) else math.inf
    found = [loss(value, mode) for step, value in past.curve if rung <= step < until]
    return found[0] if found else None


@given(pasts(), st.sampled_from(["min", "max"]))
def test_a_trials_losses_are_those_of_its_first_report_after_each_rung(given_pasts, mode):
    found = results(given_pasts, RUNGS, mode)
    assert [past.trial for past in found.trials] == sorted(past.trial for past in found.trials)
    for past, row in zip(found.trials, found.losses, strict=True):
        expected = [at_rung(past, rung, RUNGS, mode) for rung in RUNGS]
        changed = [place for place, value in enumerate(row) if not alike(value, expected[place])]
        assert [row[place] for place in changed] == [math.inf] * len(changed)
        if past.state == "failed":  # at one rung that it missed, or at the last one
            assert math.inf in row.tolist()
            assert [place for place in changed if expected[place] is not None] in ([], [2])
        assert len(changed) <= (past.state == "failed")
    left_out = [past for past in given_pasts if past not in found.trials]
    for past in left_out:
        assert past.state != "failed"
        assert all(at_rung(past, rung, RUNGS, mode) is None for rung in RUNGS)


@given(pasts(), st.sampled_from(["min", "max"]))
def test_without_rungs_the_last_report_counts(given_pasts, mode):
    found = results(given_pasts, (), mode)
    assert found.losses.shape == (len(found.trials), 1)
    for past, (value,) in zip(found.trials, found.losses, strict=True):
        failed = past.state == "failed"
        assert value == (math.inf if failed else loss(past.curve[-1][1], mode))


def test_only_the_first_trials_are_ranked():
    many = [Past(number, {}, ((1, float(number)),), "ended") for number in range(40)]
    found = results(many, (1,), "min")
    assert [past.trial for past in found.trials] == list(range(24))


# --- trust ----------------------------------------------------------------------------------------


def compared(one, other):
    """-1, 0 or 1 at the highest rung that both have; None: there is none."""
    both = [
        (a, b) for a, b in zip(one, other, strict=True) if not math.isnan(a) and not math.isnan(b)
    ]
    if not both:
        return None
    a, b = both[-1]
    return (a > b) - (a < b)


def by_pairs(expected, losses):
    """The share of ordered pairs that are as expected, with 6 pairs of which 3/4 are; then 0 to 1."""
    right = whole = 0.0
    for one, other in itertools.combinations(range(len(expected)), 2):
        order = compared(losses[one], losses[other])
        if not order:
            continue
        belief = float(np.sign(expected[one] - expected[other]))
        whole += 1
        right += (1 + belief * order) / 2
    share = (right + 0.75 * 6) / (whole + 6)
    return min(max((share - 0.55) / 0.2, 0.0), 1.0)


@settings(max_examples=60)
@given(pasts(), st.data())
def test_trust_is_the_share_of_pairs_in_the_expected_order(given_pasts, data):
    found = results(given_pasts, RUNGS, "min")
    size = len(found.trials)
    guesses = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.5]), min_size=size, max_size=size)
    expected = np.array(data.draw(guesses))
    assert trust(expected, found) == pytest.approx(by_pairs(expected, found.losses.tolist()))


@given(pasts(), st.randoms(use_true_random=False))
def test_trust_does_not_depend_on_the_order_of_trials_or_on_a_scale(given_pasts, random):
    found = results(given_pasts, RUNGS, "min")
    expected = np.array([float(random.randrange(9)) for _ in found.trials])
    order = random.sample(range(len(expected)), len(expected))
    shuffled = results(
        [given_pasts[past.trial] for past in np.take(found.trials, order)] if order else [],
        RUNGS,
        "min",
    )
    assert trust(expected, found) == pytest.approx(trust(expected[order], shuffled))
    assert trust(expected, found) == trust(7 * expected - 100, found)


def ended(losses):
    return results([Past(n, {}, ((9, v),), "ended") for n, v in enumerate(losses)], RUNGS, "min")


def test_trust_is_whole_at_first_stays_where_the_order_is_right_and_goes_where_it_is_wrong():
    assert trust(np.zeros(0), ended([])) == 1.0
    rising = np.arange(12.0)
    assert trust(rising, ended(list(range(12)))) == 1.0
    assert trust(-rising, ended(list(range(12)))) == 0.0
    fewer = [trust(-rising[:count], ended(list(range(count)))) for count in range(1, 8)]
    assert fewer == sorted(fewer, reverse=True)
    assert fewer[0] == 1.0
    assert fewer[-1] == 0.0


def test_what_expects_nothing_is_not_trusted_for_long():
    """All equal: a pair is half right."""
    found = [trust(np.zeros(count), ended(list(range(count)))) for count in (3, 6, 12)]
    # (half of the pairs + 4.5) / (the pairs + 6), of 3, 15 and 66 pairs
    assert found == pytest.approx([(6 / 9 - 0.55) / 0.2, (12 / 21 - 0.55) / 0.2, 0.0])


def test_faith_falls_with_the_number_of_trials():
    rising, own = np.arange(12.0), ended(list(range(12)))
    assert [faith(rising, own, trials) for trials in (0, 1, 10, 20)] == [10.0, 10.0, 1.0, 0.5]
    assert faith(-rising, own, 1) == 0.0
