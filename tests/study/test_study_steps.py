"""What reports of one step come to: merged, judged once, and heard until the trial ends."""

from __future__ import annotations

import math

import msgspec
import pytest
from story import ASHA, Story, signals, verdicts

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, TrialSpec

MEDIAN = PruningSpec("median", "epoch", 1, 9)


def test_a_step_whose_first_report_lacks_the_objective_is_judged_by_the_one_that_has_it():
    story = Story(pruning=ASHA)
    assert not verdicts(story.report(0, 1, None))
    (verdict,) = verdicts(story.report(0, 1, 0.5))
    assert (verdict.action, verdict.rank) == ("go", 1)
    assert story.trial(0).value == 0.5


def test_a_trial_whose_steps_have_two_reports_each_is_complete():
    story = Story(pruning=PruningSpec("none", "epoch", 1, 9))
    for epoch in range(1, 10):
        story.report(0, epoch, None)
        story.report(0, epoch, 1 / epoch)
    story.exit(0)
    assert story.states()[0] == TrialState.COMPLETE
    assert story.trial(0).value == pytest.approx(1 / 9)


def test_the_last_report_of_a_step_gives_the_value_and_the_rung_keeps_the_first():
    story = Story(pruning=ASHA)
    story.report(0, 1, 0.9)
    assert not verdicts(story.report(0, 1, 0.2))
    assert story.trial(0).value == 0.2
    (verdict,) = verdicts(story.report(1, 1, 0.5))
    assert (verdict.action, verdict.rank, verdict.n) == ("go", 1, 2)  # 0.9 stands in the rung


def test_the_best_of_all_steps_takes_the_last_report_of_each():
    story = Story(objective=Objective("loss", "min", "best"), pruning=PruningSpec(max=9))
    story.report(0, 1, 0.1)  # a lucky batch
    story.report(0, 1, 0.6)
    story.report(0, 2, 0.3)
    story.report(0, 2, 0.5)
    assert story.trial(0).best == 0.5


def test_a_lower_step_is_the_newest_value_and_judged_nowhere():
    story = Story(pruning=ASHA)
    story.report(0, 2, 0.5)
    facts = story.report(0, 1, 0.4)
    assert not verdicts(facts)
    assert (story.trial(0).value, story.trial(0).step) == (0.4, 2)


def test_an_attempt_that_repeats_the_last_step_of_the_one_before_corrects_its_value():
    story = Story(pruning=ASHA)
    story.report(0, 2, 0.9)  # the first of several, and its process is lost
    story.exit(0, error="", code=None, lost=True)
    story.report(0, 1, 0.95)
    assert story.trial(0).value == 0.9
    story.report(0, 2, 0.9)
    story.report(0, 2, 0.5)
    assert story.trial(0).value == 0.5


def test_an_open_step_is_judged_once_it_is_closed_and_with_its_last_value():
    story = Story(pruning=ASHA)
    for loss in (0.9, 0.8, 0.4):
        assert not verdicts(story.report(0, 1, loss, more=True))
    (verdict,) = verdicts(story.report(0, 1, 0.4))
    assert (verdict.action, verdict.step) == ("go", 1)
    (verdict,) = verdicts(story.report(1, 1, 0.5))
    assert (verdict.action, verdict.rank) == ("stop", 2)  # 0.4 stands in the rung


def test_an_open_step_that_is_never_closed_still_counts_for_the_median():
    story = Story(pruning=MEDIAN, search=SearchSpec(trials=3, concurrency=2))
    story.report(0, 1, 0.9, more=True)
    story.report(0, 1, 0.1, more=True)
    story.report(0, 9, 0.1)
    story.exit(0)
    (verdict,) = verdicts(story.report(1, 1, 0.5))
    assert verdict.action == "stop"
    assert verdict.cut == pytest.approx(0.1)


def test_a_step_that_an_attempt_left_open_is_judged_when_the_next_one_closes_it():
    story = Story(pruning=ASHA)
    story.report(0, 1, 0.9, more=True)
    story.exit(0, code=None, lost=True)
    story.report(0, 1, 0.9, more=True)
    (verdict,) = verdicts(story.report(0, 1, 0.4, waits=True))
    assert (verdict.rung, verdict.rank) == (1, 1)


def test_a_rung_that_was_left_for_another_reason_is_judged_when_the_trial_is_taken_up_again():
    search = SearchSpec(trials=1, concurrency=1)
    story = Story(pruning=ASHA, limits=Limits(target=0.2), search=search)
    assert not verdicts(story.report(0, 1, 0.1, waits=True))  # the target
    story.take(ev.KillAsked(story.now, 0))
    story.exit(0, stopped=True)
    settings = story.study.state.settings
    assert settings is not None
    without = msgspec.structs.replace(settings, target=None, trials=2)
    story.take(ev.RetryAsked(story.now, 0))
    story.take(ev.Opened(story.now, without, 4.0, 8 << 30))
    (verdict,) = verdicts(story.report(0, 1, 0.1, waits=True))
    assert verdict.rung == 1


def test_a_lower_step_does_not_close_one_that_was_left_open():
    story = Story(pruning=ASHA)
    story.report(0, 2, 0.9, more=True)
    story.report(0, 4, None, more=True)
    assert not verdicts(story.report(0, 2, 0.4))


def test_a_batch_that_is_not_finite_does_not_end_a_trial_whose_step_ends_well():
    story = Story(pruning=ASHA)
    story.report(0, 1, math.nan, more=True)
    (verdict,) = verdicts(story.report(0, 1, 0.4))
    assert verdict.action == "go"
    assert not story.trial(0).diverged


def test_that_steps_are_reported_several_times_is_known_of_the_study_from_then_on():
    story = Story(pruning=ASHA)
    story.report(0, 1, 0.9)
    assert not story.study.state.repeats
    story.report(0, 1, 0.8)
    assert story.study.state.repeats


def test_at_the_maximum_a_trial_is_heard_until_it_returns():
    story = Story(pruning=ASHA)
    story.report(0, 9, 0.9)
    assert not signals(story.report(0, 9, 0.3))
    assert story.states()[0] == TrialState.RUNNING
    story.exit(0)
    assert (story.states()[0], story.trial(0).value) == (TrialState.COMPLETE, 0.3)


def test_what_is_reported_beyond_the_maximum_does_not_count():
    story = Story(pruning=ASHA)
    story.report(0, 9, 0.3)
    story.report(0, 10, 0.1)
    story.exit(0)
    assert (story.trial(0).value, story.trial(0).step) == (0.3, 9)


def test_a_last_report_that_is_worse_gives_the_lead_back():
    story = Story(pruning=PruningSpec(max=9))
    story.report(0, 9, 0.5)
    story.exit(0)
    story.report(1, 9, 0.4)
    assert story.study.state.leader == 1
    story.report(1, 9, 0.6)
    assert story.study.state.leader == 0
    story.exit(1)
    best, partial = story.study.best()
    assert best is not None
    assert (best.number, partial) == (0, False)


def test_the_target_is_reached_by_the_value_that_a_complete_trial_ends_with():
    story = Story(pruning=PruningSpec(max=9), limits=Limits(target=0.2))
    story.report(0, 9, 0.5)
    facts = story.report(0, 9, 0.1)
    assert any(isinstance(fact, ev.Halted) for fact in facts)
    assert (0, "ask", "target") not in signals(facts)


def test_the_report_that_a_trial_saves_after_the_target_is_the_one_that_counts():
    story = Story(pruning=ASHA, limits=Limits(target=0.2))
    assert (0, "ask", "target") in signals(story.report(0, 4, 0.1))
    assert not verdicts(story.report(0, 5, 0.15))  # it saves this one and leaves
    story.exit(0, stopped=True)
    assert (story.states()[0], story.trial(0).value) == (TrialState.COMPLETE, 0.15)


def seconds_of(story, trial=0):
    told = story.trial(trial)
    return told.first_units, told.first_seconds, told.more_units, told.more_seconds


def test_the_seconds_of_a_first_report_are_kept_apart_from_those_of_later_ones():
    story = Story(pruning=PruningSpec(max=9))
    story.pass_time(62.0)
    story.report(0, 1, 0.9)
    story.pass_time(4.0)
    story.report(0, 2, 0.8)
    story.report(0, 2, 0.7)  # of the same step
    story.pass_time(6.0)
    story.report(0, 5, 0.6)
    assert seconds_of(story) == (1, 62.0, 4, 10.0)


def test_a_trial_that_went_on_counts_from_its_checkpoint_and_no_time_of_standing_still():
    story = Story(pruning=PruningSpec(max=9), trial=TrialSpec(target="t.py:train", retries=1))
    story.pass_time(10.0)
    story.report(0, 3, 0.9)
    story.checkpointed(0)
    story.exit(0, "broken", signal=None)
    story.take(ev.Started(story.now, 0, 1, 77, 3, "", "", dirty=None))
    story.pass_time(5.0)
    story.report(0, 4, 0.8)
    assert seconds_of(story) == (4, 15.0, 0.0, 0.0)
    story.take(ev.PauseAsked(story.now, (0,)))
    story.take(ev.Frozen(story.now, 0, 1))
    story.pass_time(1000.0)
    story.take(ev.ResumeAsked(story.now, (0,)))
    story.pass_time(2.0)
    story.report(0, 5, 0.7)
    assert seconds_of(story) == (4, 15.0, 1, 2.0)
