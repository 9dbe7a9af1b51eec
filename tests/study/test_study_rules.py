"""One rule a test, each told as a short story of events."""

from __future__ import annotations

import math

import msgspec
import pytest
from msgspec.structs import replace
from story import ASHA, Story, finished, signals, verdicts

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.placement.host import HostResources
from tuitune.core.space import key
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, TrialSpec
from tuitune.core.study import Study
from tuitune.engine.context import opening_events
from tuitune.engine.settings import settings_of
from tuitune.messages.reasons import reason_words


def test_free_slots_are_filled_and_refilled():
    story = Story()
    assert story.states() == [TrialState.RUNNING, TrialState.RUNNING]
    story.report(0, 1, 0.5)
    story.exit(0)
    assert story.states() == [TrialState.COMPLETE, TrialState.RUNNING, TrialState.RUNNING]


def test_the_end_comes_when_all_trials_have_ended():
    story = Story(search=SearchSpec(trials=2, concurrency=2))
    for trial in (1, 0):
        story.report(trial, 1, 0.5)
        facts = story.exit(trial)
    end = finished(facts)
    assert end is not None
    assert end.complete


def test_cpus_bound_what_runs():
    story = Story(cpus=3.0, trial=TrialSpec(target="t.py:train", cpus=1.5), search=SearchSpec())
    assert story.states() == [TrialState.RUNNING, TrialState.RUNNING]


def test_the_maximum_completes_and_the_trial_stays_complete_whatever_its_exit():
    story = Story(pruning=ASHA)
    (verdict,) = verdicts(story.report(0, 9, 0.5))
    assert verdict.action == "complete"
    story.exit(0, "RuntimeError: in the code after the loop")
    assert story.trial(0).state == TrialState.COMPLETE
    assert "after the loop" in reason_words(story.trial(0).note)


def test_only_the_best_finished_trial_writes_its_last_checkpoint():
    story = Story(pruning=PruningSpec("none", "epoch", 1, 9))
    (first,) = verdicts(story.report(0, 9, 0.5))
    (worse,) = verdicts(story.report(1, 9, 0.7))
    story.exit(0)
    (better,) = verdicts(story.report(2, 9, 0.4))
    assert [first.save, worse.save, better.save] == [True, False, True]


def test_the_weaker_trial_stops_at_its_rung_and_is_pruned_whatever_its_exit():
    story = Story(pruning=ASHA)
    (kept,) = verdicts(story.report(0, 1, 0.5))
    (cut,) = verdicts(story.report(1, 1, 0.6))
    assert (kept.action, kept.rank, kept.n) == ("go", 1, 1)
    assert (cut.action, cut.rung, cut.rank, cut.n, cut.cut) == ("stop", 1, 2, 2, 0.5)
    story.exit(1, "killed", code=None, signal=9)
    assert story.trial(1).state == TrialState.PRUNED
    assert "at epoch 1: " in reason_words(story.trial(1).note)


def test_between_rungs_nothing_is_decided():
    story = Story(pruning=ASHA)
    story.report(0, 1, 0.5)
    assert story.report(0, 2, 0.1)[1:] == []


def test_a_value_that_is_not_a_number_ends_the_trial_at_its_next_judgement():
    story = Story(pruning=ASHA)
    story.report(0, 1, 0.5)
    assert story.report(0, 2, math.nan)[1:] == []
    (verdict,) = verdicts(story.report(0, 3, 0.4))
    assert verdict.action == "stop"
    assert "not finite" in reason_words(verdict.why)


def test_without_the_objective_a_report_is_kept_and_not_judged():
    story = Story(pruning=ASHA)
    assert story.report(0, 1, None)[1:] == []
    (verdict,) = verdicts(story.report(0, 2, 0.5))
    assert verdict.rung == 1


def test_an_attempt_that_goes_over_old_steps_is_not_judged_again():
    story = Story(pruning=ASHA, trial=TrialSpec(target="t.py:train", retries=1))
    story.report(0, 1, 0.5)
    story.report(0, 2, 0.4)
    story.exit(0, "ValueError: bad")
    assert (story.trial(0).state, story.trial(0).attempt) == (TrialState.RUNNING, 1)
    assert story.report(0, 1, 0.9)[1:] == []
    assert story.trial(0).value == 0.4
    (verdict,) = verdicts(story.report(0, 3, 0.3))
    assert verdict.rung == 3


def test_a_crash_is_retried_as_often_as_asked():
    story = Story(trial=TrialSpec(target="t.py:train", retries=1))
    story.exit(0, "ValueError: bad")
    assert story.trial(0).state == TrialState.RUNNING
    story.exit(0, "ValueError: bad")
    assert (story.trial(0).state, reason_words(story.trial(0).note)) == (
        TrialState.FAILED,
        "ValueError: bad",
    )


def test_an_attempt_lost_to_the_world_costs_no_retry():
    story = Story()
    for _ in range(5):
        story.exit(0, lost=True)
        assert story.trial(0).state == TrialState.RUNNING
    assert story.trial(0).crashes == 0


def test_returning_without_a_report_fails_and_says_so():
    story = Story()
    story.report(0, 1, None)
    story.exit(0)
    assert story.trial(0).state == TrialState.FAILED
    assert "without a report of loss" in reason_words(story.trial(0).note)


def test_a_failed_trial_counts_as_worst_where_it_would_have_been_judged():
    story = Story(pruning=ASHA, search=SearchSpec(trials=9, concurrency=3))
    story.exit(0, "ValueError: bad")
    story.exit(1, "ValueError: worse")
    (verdict,) = verdicts(story.report(2, 1, 5.0))
    assert (verdict.action, verdict.rank, verdict.n) == ("go", 1, 3)


@pytest.mark.parametrize("how", ["pruned", "killed", "paused", "drained"])
def test_that_a_trial_was_told_to_end_is_no_error_of_it(how: str):
    story = Story(pruning=ASHA, search=SearchSpec(trials=9, concurrency=3))
    for number in range(3):
        story.report(number, 1, float(number))
    if how == "killed":
        story.take(ev.KillAsked(story.now, 2))
    elif how == "paused":
        story.take(ev.PauseAsked(story.now, (2,)))
    elif how == "drained":
        story.take(ev.StopAsked(story.now, finish=False, why="by hand"))
    story.exit(2, "terminated (SIGTERM)", code=None, signal=15)
    assert story.trial(2).state != TrialState.FAILED
    assert story.trial(2).error == ""


def test_three_quick_deaths_of_one_error_before_any_report_stop_the_launching():
    story = Story(search=SearchSpec(trials=50, concurrency=1))
    for number in range(2):
        assert finished(story.exit(number, f"FileNotFoundError: data-{number}")) is None
    end = finished(story.exit(2, "FileNotFoundError: data-2"))
    assert end is not None
    assert not end.complete
    assert "FileNotFoundError" in reason_words(end.why)


@pytest.mark.parametrize("retries", [0, 1])
def test_the_end_after_three_quick_deaths_says_what_they_died_of(retries: int):
    trial = TrialSpec(command=("train",), retries=retries, metrics={"loss": "loss=(.*)"})
    story = Story(trial=trial, search=SearchSpec(trials=50, concurrency=1))
    end = None
    while end is None:
        end = finished(story.exit(next(iter(story.study.state.running))))
    why = "ended without a report of loss: no line of its output matches"
    assert f"all with: {why}" in reason_words(end.why)
    assert reason_words(story.trial(0).error).startswith(why)


def test_three_different_deaths_do_not():
    story = Story(search=SearchSpec(trials=50, concurrency=1))
    for number, error in enumerate(["A: 1", "B: 2", "C: 3", "D: 4"]):
        assert finished(story.exit(number, error)) is None


def test_ten_failures_in_a_row_stop_the_launching_later_on():
    story = Story(search=SearchSpec(trials=50, concurrency=1))
    story.report(0, 1, 0.5)
    story.exit(0)
    for number in range(1, 10):
        assert finished(story.exit(number, "ValueError: bad")) is None
    assert finished(story.exit(10, "ValueError: bad")) is not None


def test_a_kill_asks_then_terms_then_kills():
    story = Story()
    assert signals(story.take(ev.KillAsked(story.now, 0))) == [(0, "ask", "killed")]
    assert signals(story.pass_time(4.9)) == []
    assert signals(story.pass_time(0.2)) == [(0, "term", "killed")]
    assert signals(story.pass_time(10.0)) == [(0, "kill", "killed")]
    story.exit(0, "killed", code=None, signal=9)
    assert story.trial(0).state == TrialState.KILLED


def test_a_waiting_trial_is_killed_at_once():
    story = Story(search=SearchSpec(trials=3, concurrency=1), trial=TrialSpec("t.py:f", retries=1))
    story.take(ev.StopAsked(story.now, finish=True, why="asked"))
    story.exit(0, "ValueError: bad")
    assert story.trial(0).state == TrialState.WAITING
    story.take(ev.KillAsked(story.now, 0))
    assert story.trial(0).state == TrialState.KILLED


def test_a_drain_saves_and_goes_back_to_waiting():
    story = Story()
    facts = story.take(ev.StopAsked(story.now, finish=False, why="asked"))
    asked = [f for f in facts if isinstance(f, ev.Signal)]
    assert [(f.trial, f.how, f.save) for f in asked] == [(0, "ask", True), (1, "ask", True)]
    assert finished(story.exit(0, stopped=True)) is None
    end = finished(story.exit(1, stopped=True))
    assert end is not None
    assert not end.complete
    assert story.states() == [TrialState.WAITING, TrialState.WAITING]


def test_a_trial_that_was_done_before_it_heard_of_the_drain_is_complete():
    story = Story()
    story.report(0, 1, 0.5)
    story.take(ev.StopAsked(story.now, finish=False, why="asked"))
    story.exit(0)
    assert story.trial(0).state == TrialState.COMPLETE


def test_stop_finish_lets_them_end_and_starts_nothing():
    story = Story()
    assert signals(story.take(ev.StopAsked(story.now, finish=True, why="asked"))) == []
    story.report(0, 1, 0.5)
    story.exit(0)
    assert story.states() == [TrialState.COMPLETE, TrialState.RUNNING]


def test_a_second_interrupt_kills_at_once_and_stays_resumable():
    story = Story()
    story.take(ev.StopAsked(story.now, finish=False, why="asked"))
    facts = story.take(ev.StopAsked(story.now, finish=False, why="asked again", now=True))
    assert signals(facts) == [(0, "kill", "drain"), (1, "kill", "drain")]
    story.exit(0, "killed", code=None, signal=9)
    assert story.trial(0).state == TrialState.WAITING


def test_a_timeout_is_a_crash():
    story = Story(trial=TrialSpec(target="t.py:train", timeout=60.0))
    assert signals(story.pass_time(61.0)) == [(0, "ask", "timeout"), (1, "ask", "timeout")]
    story.exit(0, stopped=True)
    assert story.trial(0).state == TrialState.FAILED
    assert "timeout of 60 s" in reason_words(story.trial(0).note)


def test_silence_is_told_once_until_the_trial_speaks_again():
    story = Story(search=SearchSpec(trials=1))
    story.report(0, 1, 0.5)
    silences = [f for f in story.pass_time(3000.0) if isinstance(f, ev.Silent)]
    assert [f.trial for f in silences] == [0]
    story.report(0, 2, 0.5)
    assert not story.trial(0).silent


def test_the_time_limit_counts_over_engines():
    story = Story(limits=Limits(time=100.0))
    story.pass_time(60.0)
    story.report(0, 1, 0.5)  # the engine lives until here, then dies
    story.now += 500.0
    story.take(ev.Opened(story.now, settings_of(story.spec), 4.0, 8 << 30))
    for trial in (0, 1):
        story.exit(trial, lost=True)
    assert story.study.next_deadline() == pytest.approx(story.now + 40.0)
    facts = story.pass_time(41.0)
    assert [reason_words(f.why) for f in facts if isinstance(f, ev.Halted)] == [
        "the study's time limit is reached"
    ]


def test_the_target_ends_the_study_with_its_trial_complete():
    story = Story(limits=Limits(target=0.1))
    facts = story.report(0, 1, 0.05)
    assert signals(facts) == [(0, "ask", "target"), (1, "ask", "drain")]
    story.exit(0, stopped=True)
    end = finished(story.exit(1, stopped=True))
    assert end is not None
    assert "target reached: #0" in reason_words(end.why)
    assert story.states() == [TrialState.COMPLETE, TrialState.WAITING]


def test_opened_again_after_the_target_it_launches_nothing():
    story = Story(limits=Limits(target=0.1))
    story.report(0, 1, 0.05)
    story.exit(0, stopped=True)
    story.exit(1, stopped=True)
    facts = story.take(ev.Opened(story.now, settings_of(story.spec), 4.0, 8 << 30))
    assert not any(isinstance(f, ev.Launch | ev.Ask) for f in facts)
    assert finished(facts) is not None


def test_an_exhausted_space_ends_the_study_and_says_so():
    story = Story(search=SearchSpec(trials=9, concurrency=1))
    story.report(0, 1, 0.5)
    story.study.react(
        ev.Exited(story.now, 0, 0, 0, None, "", "", 0, lost=False)
    )  # the ask stays open
    facts = story.take(ev.Exhausted(story.now, "all 1 configurations have been tried"))
    end = finished(facts)
    assert end is not None
    assert end.complete
    assert "all 1" in reason_words(end.why)


def test_the_best_is_among_the_complete_and_else_the_furthest():
    story = Story(pruning=ASHA, search=SearchSpec(trials=3, concurrency=3))
    story.report(0, 1, 0.3)
    story.report(1, 3, 0.9)
    best, partial = story.study.best()
    assert (best.number, partial) == (1, True)
    story.report(2, 9, 0.95)
    story.exit(2)
    best, partial = story.study.best()
    assert (best.number, partial) == (2, False)


def test_best_of_all_reports_where_the_study_counts_that():
    story = Story(objective=Objective("loss", "min", value="best"))
    for step, loss in enumerate([0.5, 0.2, 0.4], start=1):
        story.report(0, step, loss)
    assert story.trial(0).counted(story.spec.objective) == 0.2


def test_standing_still_is_no_part_of_a_timeout():
    story = Story(trial=TrialSpec(target="t.py:train", timeout=60.0), search=SearchSpec(trials=1))
    story.pass_time(50.0)
    story.take(ev.PauseAsked(story.now, (0,)))
    story.take(ev.Frozen(story.now, 0, 0))
    assert signals(story.pass_time(500.0)) == []
    assert signals(story.take(ev.ResumeAsked(story.now, (0,)))) == [(0, "release", "paused")]
    assert signals(story.pass_time(9.0)) == []
    assert signals(story.pass_time(2.0)) == [(0, "ask", "timeout")]


def test_a_pause_that_was_taken_back_lets_the_trial_go_on_at_once():
    story = Story(search=SearchSpec(trials=1))
    story.take(ev.PauseAsked(story.now, (0,)))
    story.take(ev.ResumeAsked(story.now, (0,)))
    assert signals(story.take(ev.Frozen(story.now, 0, 0))) == [(0, "release", "paused")]
    assert story.trial(0).state == TrialState.RUNNING


def test_the_report_of_a_drained_trial_counts_where_it_saves():
    story = Story(pruning=ASHA)
    story.report(0, 2, 0.5)
    story.take(ev.StopAsked(story.now, finish=False, why="asked"))
    (verdict,) = verdicts(story.report(0, 3, 0.4))
    assert (verdict.action, verdict.rung) == ("go", 3)
    assert (story.trial(0).step, story.trial(0).value) == (3, 0.4)


def test_promotion_waits_for_a_slot_and_takes_the_best_of_the_highest_rung():
    promote = PruningSpec("asha", "epoch", 1, 9, 3, style="promote")
    story = Story(pruning=promote, search=SearchSpec(trials=6, concurrency=1))
    for number, loss in enumerate([0.3, 0.2]):
        (verdict,) = verdicts(story.report(number, 1, loss))
        assert (verdict.action, verdict.save) == ("pause", True)
        story.exit(number, stopped=True)
    (third,) = verdicts(story.report(2, 1, 0.9))
    assert third.action == "pause"
    facts = story.exit(2, stopped=True)
    assert [f.trial for f in facts if isinstance(f, ev.Promoted)] == [1]
    assert story.trial(1).state == TrialState.RUNNING
    assert "at epoch 1: " in reason_words(story.trial(1).note)


@pytest.mark.parametrize(
    ("keep", "then"),
    [("all", TrialState.PAUSED), ("best", TrialState.PRUNED), ("none", TrialState.PRUNED)],
)
def test_those_that_no_slot_needs_any_more_end_and_go_on_where_all_are_kept(keep, then):
    promote = PruningSpec("asha", "epoch", 1, 9, 3, style="promote")
    story = Story(
        pruning=promote,
        search=SearchSpec(trials=2, concurrency=2),
        trial=TrialSpec(target="t.py:train", keep_checkpoints=keep),
    )
    for number, loss in enumerate([0.3, 0.2]):
        story.report(number, 1, loss)
        story.take(ev.Checkpointed(story.now, number, 0, 1))
        story.exit(number, stopped=True)
    story.report(1, 9, 0.2)
    story.exit(1)
    assert story.states() == [TrialState.PRUNED, TrialState.COMPLETE]
    assert "not promoted" in reason_words(story.trial(0).note)
    raised = msgspec.structs.replace(settings_of(story.spec), trials=6)
    story.take(ev.Opened(story.now, raised, 4.0, 8 << 30))
    assert story.states()[:2] == [then, TrialState.COMPLETE]
    for number in range(2, 6):
        (verdict,) = verdicts(story.report(number, 1, 0.9))
        assert verdict.action == "pause"
        story.exit(number, stopped=True)
    assert story.trial(0).state == (
        TrialState.RUNNING if then == TrialState.PAUSED else TrialState.PRUNED
    )


@pytest.mark.parametrize("how", ["fails", "is killed"])
def test_a_retry_goes_on_from_the_checkpoint_until_the_study_is_complete(how):
    spec = TrialSpec(target="t.py:train", keep_checkpoints="none")
    story = Story(search=SearchSpec(trials=2, concurrency=2), trial=spec)
    for number in range(2):
        story.report(number, 1, 0.5)
        story.take(ev.Checkpointed(story.now, number, 0, 1))
    if how == "fails":
        story.exit(0, "it broke")
    else:
        story.take(ev.KillAsked(story.now, 0))
        story.exit(0, stopped=True)
    assert story.trial(0).state in (TrialState.FAILED, TrialState.KILLED)
    story.take(ev.RetryAsked(story.now, 0))
    assert (story.trial(0).state, story.trial(0).checkpoint) == (TrialState.RUNNING, 1)
    story.exit(0, "it broke again")
    story.exit(1)
    assert story.study.state.complete
    assert story.trial(0).checkpoint is None


def run_again(story):
    for event in opening_events(story.study, HostResources(2.0, 0), story.now):
        story.take(event)


@pytest.mark.parametrize("trials", [2, 20])  # 20: it is halted after three
def test_trials_that_failed_before_any_has_reported_are_tried_again_by_the_next_run(trials):
    story = Story(search=SearchSpec(trials=trials, concurrency=1))
    while not story.study.state.finished:
        story.exit(len(story.study.state.trials) - 1, "no such file")
    failed = len(story.study.state.trials)
    for _ in range(2):  # until they work
        run_again(story)
        assert story.trial(0).state == TrialState.RUNNING
        assert story.states()[1:] == [TrialState.WAITING] * (failed - 1)
        for trial in range(failed):
            story.exit(trial, "no such file")
        assert story.study.state.finished
    run_again(story)
    story.report(0, 1, 0.5)
    story.exit(0)
    assert story.trial(0).state == TrialState.COMPLETE


def test_trials_that_kept_failing_after_a_success_are_tried_again_once():
    story = Story(search=SearchSpec(trials=30, concurrency=1))
    story.exit(0, "unlucky")
    story.report(1, 1, 0.5)
    story.exit(1)
    story.now += 1.0
    for trial in range(2, 12):
        story.exit(trial, "the disk is gone")
    assert story.study.state.finished
    run_again(story)
    assert story.trial(0).state == TrialState.FAILED  # it failed by itself
    for trial in range(2, 12):
        assert story.trial(trial).state in (TrialState.RUNNING, TrialState.WAITING)
        story.exit(trial, "the disk is gone")
    assert story.study.state.finished
    run_again(story)
    assert [n for n, state in enumerate(story.states()) if state == TrialState.RUNNING] == [12]


def test_failures_of_a_study_that_came_to_its_end_stay():
    story = Story(search=SearchSpec(trials=2, concurrency=1))
    story.report(0, 1, 0.5)
    story.exit(0)
    story.exit(1, "unlucky")
    run_again(story)
    assert story.trial(1).state == TrialState.FAILED


PROMOTE = PruningSpec("asha", "epoch", 1, 9, 3, style="promote")


def test_many_that_are_not_promoted_end_once_each():
    story = Story(cpus=30.0, pruning=PROMOTE, search=SearchSpec(trials=3, concurrency=3))
    story.report(2, 9, 0.1)
    story.exit(2)
    story.report(0, 1, 0.3)
    story.exit(0, stopped=True)
    story.report(1, 1, 0.2)
    facts = story.exit(1, stopped=True)
    assert [type(f) for f in facts].count(ev.Finished) == 1
    assert [f.trial for f in facts if isinstance(f, ev.Settled)] == [1, 0, 1]


def test_what_a_hand_adds_counts_as_tried():
    story = Story()
    story.take(ev.AddAsked(story.now, {"x": 0.25}, "by hand"))
    story.report(0, 1, 0.5)
    story.exit(0)
    assert key({"x": 0.25}) in story.study.tried


def test_a_trial_that_was_stopped_cannot_be_frozen_back_to_life():
    story = Story(pruning=ASHA)
    story.report(0, 1, 0.5)
    story.take(ev.PauseAsked(story.now, (1,)))
    (verdict,) = verdicts(story.report(1, 1, 0.6))
    assert verdict.action == "stop"
    story.take(ev.Frozen(story.now, 1, 0))
    story.exit(1, stopped=True)
    assert story.trial(1).state == TrialState.PRUNED


def test_a_second_interrupt_leaves_verdicts_as_they_were():
    story = Story(pruning=ASHA)
    story.report(0, 1, 0.5)
    story.report(1, 1, 0.6)
    story.take(ev.StopAsked(story.now, finish=False, why="asked"))
    story.take(ev.StopAsked(story.now, finish=False, why="again", now=True))
    story.exit(1, "killed", code=None, signal=9)
    assert story.trial(1).state == TrialState.PRUNED


def test_a_trial_that_hangs_while_it_is_asked_to_pause_still_times_out():
    story = Story(trial=TrialSpec(target="t.py:train", timeout=60.0), search=SearchSpec(trials=1))
    story.take(ev.PauseAsked(story.now, (0,)))
    assert signals(story.pass_time(61.0))[0] == (0, "ask", "timeout")


def test_a_median_answers_reports_that_an_attempt_repeats():
    median = PruningSpec("median", "epoch", 1, 9)
    story = Story(pruning=median, trial=TrialSpec(target="t.py:train", retries=1))
    for step in (1, 2):
        assert len(verdicts(story.report(0, step, 0.5))) == 1
    story.exit(0, "ValueError: bad")
    assert [v.action for v in verdicts(story.report(0, 1, 0.5, waits=True))] == ["go"]


def test_a_new_entry_may_send_on_another_while_slots_are_free():
    story = Story(cpus=30.0, pruning=PROMOTE, search=SearchSpec(trials=3, concurrency=3))
    for number, loss in enumerate([0.1, 0.5]):
        story.report(number, 1, loss)
        story.exit(number, stopped=True)
    facts = story.report(2, 1, 0.9)
    assert [f.trial for f in facts if isinstance(f, ev.Promoted)] == [0]
    assert story.trial(0).state == TrialState.RUNNING


def test_a_waiting_trial_is_killed_without_launching_another_first():
    story = Story(search=SearchSpec(trials=2, concurrency=2), trial=TrialSpec("t.py:f", retries=1))
    story.take(ev.PauseAsked(story.now, ()))
    for trial in (0, 1):
        story.exit(trial, "ValueError: bad")
    for trial in (0, 1):
        story.take(ev.KillAsked(story.now, trial))
    assert story.states() == [TrialState.KILLED, TrialState.KILLED]


def test_a_kill_that_waits_strikes_when_it_is_due_and_not_before():
    story = Story()
    assert signals(story.take(ev.KillAsked(story.now, 0, 8.0))) == []
    assert story.study.next_deadline() == story.now + 8.0
    assert signals(story.pass_time(7.9)) == []
    assert signals(story.pass_time(0.2)) == [(0, "ask", "killed")]
    assert story.study.state.kills == {}
    story.exit(0, stopped=True)
    assert story.trial(0).state == TrialState.KILLED


def test_a_kill_that_was_taken_back_never_strikes():
    story = Story()
    story.take(ev.KillAsked(story.now, 0, 8.0))
    story.take(ev.UndoKillAsked(story.now, (0, 1)))
    assert signals(story.pass_time(20.0)) == []
    story.exit(0)
    assert story.trial(0).state != TrialState.KILLED


def test_a_kill_at_once_does_not_wait_for_one_that_does():
    story = Story()
    story.take(ev.KillAsked(story.now, 0, 8.0))
    assert signals(story.take(ev.KillAsked(story.now, 0))) == [(0, "ask", "killed")]
    assert story.study.state.kills == {}
    assert signals(story.take(ev.KillAsked(story.now, 0, 8.0))) == []
    assert story.study.state.kills == {}


def test_what_ends_by_itself_is_not_killed_any_more():
    story = Story()
    story.report(0, 1, 0.5)
    story.take(ev.KillAsked(story.now, 0, 8.0))
    story.exit(0)
    assert story.trial(0).state == TrialState.COMPLETE
    assert story.study.state.kills == {}
    assert signals(story.pass_time(20.0)) == []


def test_a_trial_that_is_to_be_killed_is_not_launched_again():
    story = Story(search=SearchSpec(trials=2, concurrency=1), trial=TrialSpec("t.py:f", retries=1))
    story.take(ev.KillAsked(story.now, 0, 8.0))
    story.exit(0, "ValueError: bad")
    assert story.trial(0).state == TrialState.WAITING
    assert story.trial(1).state == TrialState.RUNNING
    story.report(1, 1, 0.5)
    assert finished(story.exit(1)) is None
    assert story.trial(0).state == TrialState.WAITING
    facts = story.pass_time(10.0)
    assert story.trial(0).state == TrialState.KILLED
    assert finished(facts) is not None


def test_a_trial_that_is_to_be_killed_is_not_promoted_unless_it_is_spared():
    story = Story(search=SearchSpec(trials=3, concurrency=3), pruning=ASHA)
    story.take(ev.PauseAsked(story.now, ()))
    for number, value in enumerate((0.1, 0.5)):
        attempt = story.trial(number).attempt
        story.take(ev.Reported(story.now, number, attempt, 1, {"loss": value}, can_save=True))
        story.exit(number, stopped=True)
    assert story.trial(0).state == TrialState.PAUSED
    story.take(ev.KillAsked(story.now, 0, 8.0))
    assert story.study.state.promotable == {1: True}
    story.take(ev.ResumeAsked(story.now, ()))
    story.report(2, 1, 0.9)
    assert story.trial(0).state == TrialState.PAUSED
    facts = story.take(ev.UndoKillAsked(story.now, (0,)))
    assert [f.trial for f in facts if isinstance(f, ev.Promoted)] == [0]


def test_a_study_that_ends_with_a_kill_waiting_is_not_complete():
    story = Story(search=SearchSpec(trials=1), trial=TrialSpec("t.py:f", retries=1))
    story.take(ev.KillAsked(story.now, 0, 8.0))
    story.take(ev.StopAsked(story.now, finish=False, why="asked"))
    end = finished(story.exit(0, stopped=True))
    assert end is not None
    assert not end.complete
    story.now += 1000.0
    story.take(ev.Opened(story.now, settings_of(story.spec), 4.0, 8 << 30))
    facts = story.pass_time(0.1)
    assert story.trial(0).state == TrialState.KILLED
    assert finished(facts) is not None


def test_many_kills_that_are_due_at_once_strike_one_after_the_other():
    story = Story(search=SearchSpec(trials=2, concurrency=2), trial=TrialSpec("t.py:f", retries=1))
    story.take(ev.PauseAsked(story.now, ()))
    for trial in (0, 1):
        story.exit(trial, "ValueError: bad")
        story.take(ev.KillAsked(story.now, trial, 8.0))
    story.pass_time(10.0)
    assert story.states() == [TrialState.KILLED, TrialState.KILLED]


def test_nothing_launches_or_ends_while_launching_is_blocked():
    story = Story(search=SearchSpec(trials=3, concurrency=2))
    story.take(ev.LaunchBlocked(story.now, "code", "train.py: SyntaxError"))
    story.exit(0, "can't start", lost=True)
    story.report(1, 1, 0.5)
    story.exit(1)
    assert story.states() == [TrialState.WAITING, TrialState.COMPLETE]
    assert reason_words(story.trial(0).note) == "can't start; goes on from the start"
    assert (story.trial(0).crashes, story.study.state.finished) == (0, False)
    story.take(ev.LaunchBlocked(story.now, "resources", "no memory"))
    story.take(ev.LaunchBlocked(story.now, "code", ""))
    assert story.states() == [TrialState.WAITING, TrialState.COMPLETE]
    story.take(ev.LaunchBlocked(story.now, "resources", ""))
    assert story.states() == [TrialState.RUNNING, TrialState.COMPLETE, TrialState.RUNNING]


def test_the_last_that_waits_at_a_rung_is_not_pruned_while_launching_is_blocked():
    story = Story(pruning=replace(ASHA, style="promote"), search=SearchSpec(trials=1))
    story.take(ev.LaunchBlocked(story.now, "code", "why"))
    story.report(0, 1, 0.5)
    story.exit(0, stopped=True)
    assert story.states() == [TrialState.PAUSED]
    story.take(ev.LaunchBlocked(story.now, "code", ""))
    assert story.states() != [TrialState.PAUSED]


def test_a_blocked_study_stops_at_once_and_the_next_engine_looks_anew():
    story = Story()
    story.take(ev.LaunchBlocked(story.now, "code", "why"))
    for trial in (0, 1):
        story.exit(trial, "can't start", lost=True)
    end = finished(story.take(ev.StopAsked(story.now, finish=False, why="by hand")))
    assert end is not None
    assert not end.complete
    story.take(ev.Opened(story.now, settings_of(story.spec), 4.0, 8 << 30))
    assert story.states() == [TrialState.RUNNING, TrialState.RUNNING]


def test_three_samples_that_fail_alike_halt_the_study():
    study = Study(Story(search=SearchSpec(trials=20)).spec)
    facts = study.react(ev.Opened(100.0, settings_of(study.spec), 4.0, 8 << 30))
    for number in range(3):
        assert isinstance(facts[-1], ev.Ask)
        failed = ev.SampleFailed(100.0 + 60 * number, number, {"x": 0.1}, "random", "", "no width")
        facts = study.react(failed)
        assert study.state.trials[number].state == TrialState.FAILED
    end = finished(facts)
    assert end is not None
    assert reason_words(end.why) == "the first 3 trials have failed, all with: no width"
    assert study.state.trials[0].started is None
