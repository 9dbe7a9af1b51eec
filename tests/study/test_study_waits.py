"""Which reports are answered: each that its trial waits with, and no other."""

from __future__ import annotations

import math

import msgspec
import pytest
from story import ASHA, Story, signals, verdicts

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.spec import Limits, PruningSpec, SearchSpec, TrialSpec
from tuitune.messages.reasons import reason_words

MEDIAN = PruningSpec("median", "epoch", 1, 9)
TARGET = Limits(target=0.2)


def set_target(story: Story, target: float | None) -> None:
    settings = story.study.state.settings
    assert settings is not None
    changed = msgspec.structs.replace(settings, target=target)
    story.take(ev.SettingsChanged(story.now, changed))


def test_a_step_that_was_left_behind_without_an_objective_is_judged_no_more():
    story = Story(pruning=ASHA)
    story.report(0, 3, None)
    assert not verdicts(story.report(0, 1, 0.5))  # the trial doesn't wait with it
    assert story.trial(0).value == 0.5
    (verdict,) = verdicts(story.report(0, 3, 0.4))
    assert (verdict.action, verdict.step) == ("go", 3)


def test_of_several_reports_of_a_step_the_first_is_answered():
    story = Story(pruning=MEDIAN)
    assert len(verdicts(story.report(0, 1, 0.5, waits=True))) == 1
    assert not verdicts(story.report(0, 1, 0.4))  # an answer would be taken for the next step's
    assert len(verdicts(story.report(0, 2, 0.4, waits=True))) == 1


def test_a_step_that_an_earlier_attempt_has_reported_is_answered_once():
    story = Story(pruning=MEDIAN)
    story.report(0, 2, 0.5)
    story.exit(0, code=None, lost=True)
    (verdict,) = verdicts(story.report(0, 1, 0.5, waits=True))
    assert (verdict.action, reason_words(verdict.why)) == ("go", "seen before: never judged again")
    assert not verdicts(story.report(0, 1, 0.5))


def test_a_value_as_good_as_the_target_is_answered_while_running_trials_end():
    story = Story(pruning=ASHA, limits=TARGET)
    story.report(0, 1, 0.9)
    story.take(ev.StopAsked(story.now, finish=True, why="by hand"))
    (verdict,) = verdicts(story.report(0, 2, 0.1, waits=True))
    assert verdict.action == "go"
    (verdict,) = verdicts(story.report(0, 3, 0.1, waits=True))  # a rung
    assert verdict.rank == 1


@pytest.mark.parametrize("target", [None, 0.05])
def test_a_value_as_good_as_the_target_that_the_trial_was_told_is_answered(target: float | None):
    story = Story(pruning=ASHA, limits=TARGET)
    story.report(0, 1, 0.9)
    set_target(story, target)
    (verdict,) = verdicts(story.report(0, 2, 0.1, waits=True))
    assert verdict.action == "go"
    assert not verdicts(story.report(0, 2, 0.1))
    story.report(0, 3, 0.5)
    assert not verdicts(story.report(0, 4, 0.5))


def test_an_infinity_that_passes_for_the_target_is_answered():
    story = Story(pruning=ASHA, limits=TARGET)
    story.report(0, 1, 0.9)
    facts = story.report(0, 2, -math.inf, waits=True)
    assert [verdict.action for verdict in verdicts(facts)] == ["go"]
    assert not story.study.state.halted


def test_a_command_waits_once_more_where_its_step_is_closed():
    trial = TrialSpec(command=("./train",))
    story = Story(trial=trial, pruning=ASHA, limits=TARGET)
    story.report(0, 1, 0.9)
    set_target(story, None)
    assert len(verdicts(story.report(0, 2, 0.1, waits=True))) == 1
    assert not verdicts(story.report(0, 2, 0.1, more=True))
    assert len(verdicts(story.report(0, 2, 0.1, waits=True))) == 1


def test_a_step_beyond_the_maximum_that_completes_a_trial_is_heard_to_its_end():
    story = Story(pruning=ASHA)
    for epoch in (5, 10):
        story.report(0, epoch, 0.5)
    assert story.trial(0).at_maximum
    story.report(0, 10, 0.3)
    story.report(0, 11, 0.1)
    story.exit(0)
    assert (story.states()[0], story.trial(0).value) == (TrialState.COMPLETE, 0.3)


def test_a_trial_that_was_asked_to_pause_leaves_when_its_study_is_stopped():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 1, 0.5)
    assert signals(story.take(ev.PauseAsked(story.now, (0,)))) == [(0, "ask", "paused")]
    facts = story.take(ev.StopAsked(story.now, finish=False, why="by hand"))
    assert signals(facts) == [(0, "ask", "drain")]
    story.take(ev.Frozen(story.now, 0, 0))  # it had heard of the pause alone, and can't save
    assert story.states() == [TrialState.RUNNING]
    assert signals(story.pass_time(60.0))[0] == (0, "term", "drain")
    story.exit(0, error="terminated (SIGTERM)", code=None, signal=15)
    assert story.states() == [TrialState.PAUSED]
    assert story.study.state.finished


def test_what_a_verdict_has_found_is_not_forgotten_by_a_resume():
    story = Story(pruning=ASHA)
    story.report(0, 1, 0.5)
    story.take(ev.PauseAsked(story.now, (1,)))
    story.report(1, 1, 0.9)
    story.take(ev.ResumeAsked(story.now, (1,)))
    story.exit(1, stopped=True)
    assert "2nd of 2" in reason_words(story.trial(1).note)


def test_nothing_is_launched_nor_wound_up_while_nothing_can_be_launched():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.take(ev.LaunchBlocked(story.now, "code", "SyntaxError: invalid syntax"))
    story.exit(0, error="can't start", code=None, lost=True)
    assert story.states() == [TrialState.WAITING]
    assert "can't start" in reason_words(story.trial(0).note)
    assert not story.study.state.finished
    story.take(ev.LaunchBlocked(story.now, "code", ""))
    assert story.states() == [TrialState.RUNNING]
    assert story.trial(0).crashes == 0


def test_an_attempt_tells_which_checkpoint_there_was():
    """A power cut may have taken what the journal knew of it, or the disk what was there."""
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    for number, step in enumerate((None, 3, None)):
        attempt = story.trial(0).attempt
        story.take(ev.Started(story.now, 0, attempt, 1, step, "", "", None))
        assert (attempt, story.trial(0).checkpoint) == (number, step)
        story.exit(0, code=None, lost=True)
