"""Entries of rungs from a study's tables: those that the pruner itself has."""

from __future__ import annotations

from bisect import bisect_left
from math import inf

import pytest
from hypothesis import given, strategies as st
from pruning_world import Pruner

from tuitune.core.pruning.rungs import Rung, Standing, follow
from tuitune.core.spec import PruningSpec

REPORTS = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.floats(0, 1)), max_size=60)


def losses_at(rungs, steps, losses):
    """The losses with which a trial fills its rungs: of the first report at or past each.

    rungs: their steps, ascending. steps, losses: of the trial's reports, ascending by step.
    """
    places = (bisect_left(steps, rung) for rung in rungs)
    return tuple(losses[place] for place in places if place < len(steps))


def entries_of(steps, trials):
    """The rungs of each bracket, the lowest first; steps: of the brackets, as in a `Plan`."""
    brackets = [[Rung() for _ in rungs] for rungs in steps]
    for standing in trials:
        follow(brackets, None, standing)
    return brackets


@given(REPORTS, st.sets(st.integers(0, 9)), st.sampled_from([1, 3]))
def test_entries_are_those_of_the_pruner(reports, failed, brackets):
    pruning = PruningSpec("asha", max=81, brackets=brackets, style="stop")
    pruner, seen = Pruner(pruning, style="stop"), {}
    book = [[Rung() for _ in steps] for steps in pruner.plan.steps]
    before = {}

    def standing(trial, *, failed=False):
        bracket = pruner.plan.bracket_of(trial)
        points = seen.get(trial, [])
        steps, losses = [step for step, _ in points], [loss for _, loss in points]
        filled = losses_at(pruner.plan.steps[bracket], steps, losses)
        return Standing(trial, bracket, filled, failed)

    for trial, further, loss in reports:
        points = seen.setdefault(trial, [])
        points.append(((points[-1][0] if points else 0) + further, loss))
        pruner.report(trial, *points[-1])
        now = standing(trial)
        follow(book, before.get(trial), now)
        before[trial] = now
    for trial in failed & seen.keys():
        pruner.fail(trial)
        follow(book, before[trial], standing(trial, failed=True))

    known = pruner.state.memory.brackets or book
    assert [[rung.entries for rung in rungs] for rungs in book] == [
        [rung.entries for rung in rungs] for rungs in known
    ]
    whole = entries_of(
        pruner.plan.steps, [standing(trial, failed=trial in failed) for trial in seen]
    )
    assert whole == book


def test_a_failed_trial_that_fills_its_rung_after_all_counts_there_with_its_value():
    book = [[Rung(), Rung()]]
    failed = Standing(0, 0, (), failed=True)
    follow(book, None, failed)
    assert book[0][0].entries == [(inf, 0)]
    follow(book, failed, Standing(0, 0, (0.5,), waits=True))
    assert (book[0][0].entries, book[0][0].waiting) == ([(0.5, 0)], [(0.5, 0)])
    follow(book, Standing(0, 0, (0.5,), waits=True), Standing(0, 0, (0.5, 0.4)))
    assert (book[0][0].waiting, book[0][1].entries) == ([], [(0.4, 0)])


@pytest.mark.parametrize(("entries", "cut"), [(2, None), (3, 0.0), (7, 1.0)])
def test_the_cut_is_the_loss_of_the_last_one_that_may_be_sent_on(entries, cut):
    assert Rung([(float(n), n) for n in range(entries)]).cut(3.0) == cut
