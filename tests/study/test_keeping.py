"""How many of a trial's newest checkpoints stay."""

from __future__ import annotations

import pytest

from tuitune.core import events as ev
from tuitune.core.events import ENDED, TrialState
from tuitune.core.study import checkpoints
from tuitune.core.study.state import State, Trial


def state(keep: str, *trials: Trial, leader: int | None = None, **more: bool | int) -> State:
    settings = ev.Settings(9, None, 1.0, None, 0, None, None, None, keep_checkpoints=keep)
    return State(settings=settings, trials=list(trials), leader=leader, **more)


def trial(number: int, state: str, *, not_promoted: bool = False) -> Trial:
    return Trial(number, {}, "random", "", state=state, not_promoted=not_promoted, checkpoint=3)


@pytest.mark.parametrize("keep", ["best", "all", "none"])
@pytest.mark.parametrize("name", sorted(set(TrialState) - ENDED))
def test_one_that_goes_on_keeps_all_that_it_has(keep, name):
    one = trial(0, name)
    assert checkpoints.kept(state(keep, one), one) == checkpoints.WRITTEN


@pytest.mark.parametrize(
    ("keep", "number", "stays"),
    [("best", 0, 0), ("best", 1, 1), ("all", 0, 1), ("none", 0, 0), ("none", 1, 0)],
)
@pytest.mark.parametrize("complete", [False, True])
def test_of_complete_trials_the_best_keeps_its_last(keep, number, stays, complete):
    trials = [trial(0, "COMPLETE"), trial(1, "COMPLETE")]
    now = state(keep, *trials, leader=1, complete=complete)
    assert checkpoints.kept(now, trials[number]) == stays


def test_the_best_before_keeps_its_own_until_the_new_one_has_written_its():
    before, new = trial(0, "COMPLETE"), trial(1, "RUNNING")
    now = state("best", before, new, leader=1, former_leader=0)
    assert checkpoints.kept(now, before) == 1
    new.state = "COMPLETE"
    assert checkpoints.kept(now, before) == 0


def test_a_trial_that_was_beaten_does_not_keep_one_again_while_a_new_best_ends():
    first, second, third = trial(0, "COMPLETE"), trial(1, "COMPLETE"), trial(2, "RUNNING")
    now = state("best", first, second, third, leader=2, former_leader=1)
    assert [checkpoints.kept(now, one) for one in (first, second)] == [0, 1]


@pytest.mark.parametrize("keep", ["best", "all", "none"])
@pytest.mark.parametrize(
    ("name", "not_promoted"), [("FAILED", False), ("KILLED", False), ("PRUNED", True)]
)
def test_what_may_go_on_keeps_one_until_the_study_is_complete_and_what_broke_off_longer(
    keep, name, not_promoted
):
    one = trial(0, name, not_promoted=not_promoted)
    assert checkpoints.kept(state(keep, one), one) == 1
    complete = state(keep, one, complete=True)
    stays = keep == "all" or (keep == "best" and not not_promoted)
    assert checkpoints.kept(complete, one) == stays
    checkpoints.forget(complete)
    assert (one.checkpoint is None) == (not stays)


@pytest.mark.parametrize("keep", ["best", "all", "none"])
def test_a_pruned_one_keeps_none(keep):
    one = trial(0, "PRUNED")
    assert checkpoints.kept(state(keep, one), one) == 0
