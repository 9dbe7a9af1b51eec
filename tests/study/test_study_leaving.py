"""How long trials have to save and leave, what is lost where they don't, and what becomes of them."""

from __future__ import annotations

import msgspec
import pytest
from story import ASHA, Story, signals

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.spec import PruningSpec, SearchSpec, TrialSpec
from tuitune.messages.reasons import reason_words

PROMOTE = PruningSpec("asha", "epoch", 1, 9, 3, style="promote")


def stopped(story: Story) -> list[ev.AnyFact]:
    return story.take(ev.StopAsked(story.now, finish=False, why="by hand"))


def test_the_slowest_step_seen_is_waited_for():
    story = Story(pruning=ASHA, search=SearchSpec(trials=4, concurrency=1))
    for epoch in (1, 2):
        story.pass_time(28.0)
        story.report(0, epoch, 0.5)
    stopped(story)
    assert not signals(story.pass_time(41.0))
    assert signals(story.pass_time(2.0)) == [(0, "term", "drain")]


def test_a_first_step_under_way_for_long_is_waited_for_as_long_again():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.pass_time(300.0)
    stopped(story)
    assert not signals(story.pass_time(299.0))
    assert signals(story.pass_time(2.0)) == [(0, "term", "drain")]


def test_reports_between_two_steps_do_not_shorten_the_step():
    story = Story(pruning=ASHA, search=SearchSpec(trials=4, concurrency=1))
    for _ in range(3):
        story.pass_time(20.0)
        story.report(0, 1, 0.5)
    story.pass_time(20.0)
    story.report(0, 2, 0.5)
    assert story.study.state.slowest == pytest.approx(60.0)


def test_a_study_file_may_say_how_long():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    settings = story.study.state.settings
    assert settings is not None
    changed = msgspec.structs.replace(settings, leave_within=3.0)
    story.take(ev.SettingsChanged(story.now, changed))
    stopped(story)
    assert not signals(story.pass_time(2.9))
    assert signals(story.pass_time(0.2)) == [(0, "term", "drain")]


def test_a_save_under_way_is_not_cut_short():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 1, 0.5)
    stopped(story)
    story.save_started(0)
    assert not signals(story.pass_time(3600.0))
    story.checkpointed(0)
    assert not signals(story.pass_time(19.0))
    story.exit(0, stopped=True)
    assert (story.states()[0], story.trial(0).checkpoint) == (TrialState.WAITING, 1)
    assert reason_words(story.trial(0).note) == "interrupted; goes on from step 1"


def test_a_second_stop_cuts_it_short_and_says_what_is_lost():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 4, 0.5)
    stopped(story)
    story.save_started(0)
    facts = story.take(ev.StopAsked(story.now, finish=False, why="again", now=True))
    assert signals(facts) == [(0, "kill", "drain")]
    story.exit(0, error="killed (SIGKILL)", code=None, signal=9)
    note = reason_words(story.trial(0).note)
    assert "at step 4" in note
    assert "the start" in note
    assert "a checkpoint was being written" in note


def test_a_save_that_fails_lets_the_trial_be_ended():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    stopped(story)
    story.save_started(0)
    story.pass_time(100.0)
    story.take(ev.SaveFailed(story.now, 0, 0, 1, "OSError: no space left"))
    assert signals(story.pass_time(21.0)) == [(0, "term", "drain")]


def test_what_did_not_leave_in_time_is_said():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 2, 0.5)
    stopped(story)
    story.pass_time(25.0)
    story.exit(0, error="terminated (SIGTERM)", code=None, signal=15)
    assert "it did not leave in time" in reason_words(story.trial(0).note)


@pytest.mark.parametrize("saved", [True, False])
def test_a_trial_that_waits_at_a_rung_without_its_checkpoint_says_so(saved: bool):
    story = Story(pruning=PROMOTE, search=SearchSpec(trials=4, concurrency=1))
    story.report(0, 1, 0.5)
    story.save_started(0)
    story.pass_time(25.0)
    if saved:
        story.checkpointed(0)
    story.exit(0, stopped=True)
    assert story.states()[0] == TrialState.PAUSED
    assert ("no checkpoint of step 1" in reason_words(story.trial(0).note)) is not saved


def test_an_exit_of_0_after_a_signal_is_not_complete():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 1, 0.5)
    stopped(story)
    story.pass_time(25.0)  # a SIGTERM, which the script answers with sys.exit(0)
    story.exit(0)
    assert story.states() == [TrialState.WAITING]


def test_a_function_that_had_returned_is_complete_however_its_process_is_ended():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 1, 0.5)
    story.take(ev.Returned(story.now, 0, 0))
    stopped(story)
    story.pass_time(120.0)
    story.exit(0, code=None, signal=15)
    assert story.states() == [TrialState.COMPLETE]


def test_a_process_that_does_not_exit_after_its_function_has_returned_is_ended():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 1, 0.5)
    story.take(ev.Returned(story.now, 0, 0))
    assert not signals(story.pass_time(59.0))
    facts = story.pass_time(30.0)
    assert signals(facts)[:2] == [(0, "term", "returned"), (0, "kill", "returned")]
    story.exit(0, code=None, signal=9)
    assert story.states() == [TrialState.COMPLETE]


def test_a_kill_gives_a_process_that_does_not_exit_no_more_time():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 1, 0.5)
    story.take(ev.Returned(story.now, 0, 0))
    story.pass_time(58.0)
    assert signals(story.take(ev.KillAsked(story.now, 0))) == [(0, "ask", "killed")]
    assert signals(story.pass_time(2.1)) == [(0, "term", "killed")]


def test_one_that_raised_and_does_not_exit_has_failed():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.take(ev.Returned(story.now, 0, 0))
    story.pass_time(70.0)
    story.exit(0, error="ValueError: it went wrong", code=None, signal=15)
    assert story.states() == [TrialState.FAILED]


def test_a_paused_trial_that_does_not_exit_is_ended():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 1, 0.5)
    story.take(ev.PauseAsked(story.now, (0,)))
    story.take(ev.Returned(story.now, 0, 0))
    assert signals(story.pass_time(61.0)) == [(0, "term", "paused")]


def test_a_complete_trial_without_a_sign_of_life_gives_its_slot_back():
    story = Story(pruning=ASHA, search=SearchSpec(trials=2, concurrency=1))
    story.report(0, 9, 0.5)
    assert not signals(story.pass_time(599.0))
    facts = story.pass_time(30.0)
    assert signals(facts)[0] == (0, "ask", "overdue")
    story.exit(0, error="killed (SIGKILL)", code=None, signal=9)
    assert story.states() == [TrialState.COMPLETE, TrialState.RUNNING]


def test_a_complete_trial_that_saves_is_left_alone():
    story = Story(pruning=ASHA, search=SearchSpec(trials=2, concurrency=1))
    story.report(0, 9, 0.5)
    story.save_started(0)
    assert not signals(story.pass_time(5000.0))
    story.checkpointed(0)
    assert signals(story.pass_time(601.0))[0] == (0, "ask", "overdue")


@pytest.mark.parametrize("by", [-3600.0, 3600.0])
def test_a_clock_that_is_set_moves_no_deadline(by: float):
    story = Story(search=SearchSpec(trials=2, concurrency=2))
    story.take(ev.KillAsked(story.now, 0, 8.0))
    story.take(ev.PauseAsked(story.now, (1,)))
    story.take(ev.Frozen(story.now, 1, 0))
    story.pass_time(4.0)
    story.now += by
    story.take(ev.ClockStepped(story.now, by))
    assert not signals(story.pass_time(3.9))
    assert signals(story.pass_time(0.2)) == [(0, "ask", "killed")]
    story.pass_time(1.9)
    story.take(ev.ResumeAsked(story.now, (1,)))
    assert story.trial(1).launched == pytest.approx(story.now)  # it stood still from its launch on
    state = story.study.state
    assert story.now - state.opened == pytest.approx(10.0)


def test_a_resumed_trial_no_longer_says_that_it_is_paused():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.report(0, 1, 0.5)
    story.take(ev.PauseAsked(story.now, (0,)))
    story.exit(0, stopped=True)
    assert "paused by hand" in reason_words(story.trial(0).note)
    story.take(ev.ResumeAsked(story.now, (0,)))
    assert story.states() == [TrialState.RUNNING]
    assert "paused" not in reason_words(story.trial(0).note)


def test_its_timeout_ends_a_save_that_hangs_and_the_trial_leaves_as_it_was_to():
    trial = TrialSpec(target="t.py:train", timeout=100.0)
    story = Story(pruning=PROMOTE, search=SearchSpec(trials=4, concurrency=1), trial=trial)
    story.report(0, 1, 0.5)
    story.save_started(0)
    assert not signals(story.pass_time(99.0))
    assert signals(story.pass_time(2.0)) == [(0, "term", "parked")]
    story.exit(0, error="terminated (SIGTERM)", code=None, signal=15)
    assert story.states()[0] == TrialState.PAUSED
    assert "no checkpoint of step 1" in reason_words(story.trial(0).note)


def test_a_save_that_takes_long_is_told_of():
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    stopped(story)
    story.save_started(0)
    facts = story.pass_time(601.0)
    assert any(isinstance(fact, ev.Silent) for fact in facts)
    assert not signals(facts)


def test_a_trial_that_waits_for_changed_code_to_be_imported_is_not_timed_out():
    trial = TrialSpec(target="t.py:train", timeout=100.0)
    story = Story(search=SearchSpec(trials=1, concurrency=1), trial=trial)
    story.pass_time(5.0)
    story.take(ev.LaunchBlocked(story.now, "code", "train.py has changed and is being imported"))
    assert not story.pass_time(3600.0)
    story.take(ev.LaunchBlocked(story.now, "code", ""))
    story.take(ev.Started(story.now, 0, 0, 4711, None, "", "", None))
    assert not signals(story.pass_time(99.0))
    assert signals(story.pass_time(2.0)) == [(0, "ask", "timeout")]
