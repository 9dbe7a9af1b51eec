"""What the study does with trials whose GPU memory is moved to the host, and back."""

from __future__ import annotations

from typing import Any

import pytest
from parking_story import GB, TALES, Parking
from story import signals

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import GpuAside, GpuBarred, GpusAllowed
from tuitune.core.reasons import Interrupted
from tuitune.core.study import Study
from tuitune.messages.reasons import reason_words
from tuitune.store.projection import trial_row


def of(kind: type[ev.Fact], facts: list[ev.AnyFact]) -> list[Any]:
    return [fact for fact in facts if isinstance(fact, kind)]


def note(story: Parking, trial: int) -> str:
    return trial_row(story.spec, story.study.state, story.trial(trial)).note


def test_a_pause_frees_the_gpu_and_the_slot_and_a_resume_brings_it_back():
    story = Parking(trials=2)
    story.report(0, 1)
    asked = story.pause(0)
    assert signals(asked) == [(0, "ask", "paused")]
    assert of(ev.Signal, asked)[0].park
    assert of(ev.Park, story.held(0)) == [ev.Park(story.now, 0, 0)]
    assert story.where() == {0: ("g0",)}  # until its memory is gone from there
    assert of(ev.Launch, story.parked(0))[0].trial == 1
    assert story.where() == {0: (), 1: ("g0",)}
    assert (
        note(story, 0) == "paused by hand on GPU 0; holds no slot, and 4.7 GiB of the host's memory"
    )
    assert not of(ev.Unpark, story.resume(0))  # its GPU is taken
    story.report(1, 1)
    unpark = of(ev.Unpark, story.exit(1))
    assert [(u.trial, u.gpus, u.memory) for u in unpark] == [(0, ("g0",), 5 * GB)]
    assert signals(story.restored(0)) == [(0, "release", "paused")]
    assert story.states() == ["RUNNING", "COMPLETE"]
    story.report(0, 2)
    story.exit(0)
    assert story.states() == ["COMPLETE", "COMPLETE"]
    assert story.study.state.complete


def test_a_pause_without_park_asks_for_a_save():
    story = Parking(pause="save")
    assert [fact.park for fact in of(ev.Signal, story.pause(0))] == [False]
    story = Parking(wish=2, count=2)  # on two GPUs
    assert [fact.park for fact in of(ev.Signal, story.pause(0))] == [False]


def test_one_that_is_resumed_before_it_is_parked_goes_on_as_soon_as_it_can():
    story = Parking(trials=1)
    story.pause(0)
    story.resume(0)
    assert signals(story.held(0)) == [(0, "release", "paused")]
    assert story.states() == ["RUNNING"]
    story.pause(0)
    story.held(0)
    story.resume(0)  # the driver is at work
    assert of(ev.Unpark, story.parked(0))
    story.pause(0)  # again at work
    assert signals(story.restored(0)) == [(0, "release", "paused"), (0, "ask", "paused")]


def test_trials_make_way_one_after_the_other_and_come_back():
    story = Parking(1, 0.5, trials=2)
    asked = story.claim(0)
    assert [(s.trial, s.park, s.reason) for s in of(ev.Signal, asked)] == [(1, True, "moved")]
    story.held(1)
    assert signals(story.change(0, busy=0.5)) == []  # one at a time
    assert signals(story.parked(1)) == [(0, "ask", "moved")]
    story.held(0)
    story.parked(0)
    assert note(story, 0).startswith(
        "made way on GPU 0, and goes on when that is free; holds no slot"
    )
    (unpark,) = of(ev.Unpark, story.leave(0))
    assert unpark.trial == 0  # the oldest
    story.restored(0)
    assert story.where()[1] == ()  # only an empty GPU is sure to have room while memory comes back
    story.report(0, 1)
    assert of(ev.Unpark, story.exit(0))[0].trial == 1


def test_a_trial_goes_to_another_gpu_of_its_model_only_where_the_driver_can():
    for moves, expected in ((False, []), (True, [("g0",)])):
        story = Parking(2, trials=2)
        story.report(1, 1)
        story.exit(1)  # g0 is free
        story.claim(1)
        story.held(0)
        assert [u.gpus for u in of(ev.Unpark, story.parked(0, moves=moves))] == expected
    story = Parking(2, trials=2)
    story.change(0, name="V100")
    story.report(1, 1)
    story.exit(1)
    story.claim(1)
    story.held(0)
    assert not of(ev.Unpark, story.parked(0, moves=True))


@pytest.mark.parametrize(
    "obstacle", [GpuBarred("spare"), GpuBarred("left free"), GpusAllowed(1), "anna's"]
)
def test_a_parked_trial_goes_before_new_ones_where_another_gpu_is_given_up_for_its_own(
    obstacle: Any,
):
    story = Parking(2, trials=4)
    story.claim(1)
    story.held(0)
    story.parked(0)
    story.change(1, foreign=False, claimed=False, obstacle=obstacle)
    story.report(1, 1)
    launched = of(ev.Launch, story.exit(1))
    assert [one.trial for one in launched] == ([2] if obstacle == "anna's" else [])
    if not launched:
        story.change(0, obstacle=GpuBarred("spare"))
        assert of(ev.Unpark, story.change(1, obstacle=""))


def test_a_gpu_is_kept_for_the_parked_trial_that_wants_it_back():
    story = Parking(1, 0.25, trials=9)
    story.park(0)
    assert set(story.where()) == {0, 1, 2, 3, 4}
    story.resume(0)
    for number in (1, 2, 3, 4):
        story.report(number, 1)
        facts = story.exit(number)
        assert not of(ev.Launch, facts)
    assert of(ev.Unpark, facts)[0].trial == 0
    assert set(story.where()) == {0}
    story.restored(0)
    assert set(story.where()) == {0, 5, 6, 7}  # others may join it once its memory is back


def test_one_that_can_not_be_parked_leaves_if_it_has_saved_and_else_runs_on():
    story = Parking(trials=1)
    story.report(0, 1)
    story.claim(0)
    story.save(0)
    story.held(0)
    assert signals(story.fails(0)) == [(0, "ask", "moved")]
    story.exit(0, stopped=True)
    assert story.states() == ["WAITING"]
    story = Parking(trials=1)
    story.report(0, 1)
    story.claim(0)
    story.held(0)
    assert signals(story.fails(0)) == [(0, "release", "paused")]
    assert signals(story.change(0, busy=0.5)) == []  # it is not asked again
    assert story.states() == ["RUNNING"]


def test_one_that_is_paused_and_can_not_be_parked_is_frozen_as_ever():
    story = Parking(trials=1)
    story.report(0, 1)
    story.pause(0)
    story.held(0)
    asked = of(ev.Signal, story.fails(0))
    assert [(s.how, s.reason, s.park) for s in asked] == [("ask", "paused", False)]
    story.held(0)
    assert story.trial(0).frozen is not None
    assert signals(story.resume(0)) == [(0, "release", "paused")]


def test_one_that_is_broken_is_ended_and_starts_again_with_no_retry_spent():
    story = Parking(trials=1)
    story.park(0)
    story.resume(0)
    assert signals(story.fails(0, broken=True)) == [(0, "kill", "not restored")]
    facts = story.exit(0, "killed by SIGKILL")
    (settled,) = of(ev.Settled, facts)
    assert (settled.state, settled.crashed) == ("WAITING", False)
    words = reason_words(settled.why)
    assert words.startswith(
        "its process ended while it was parked: too little memory at step 1; goes"
    )
    assert story.trial(0).crashes == 0


def test_a_parked_trial_whose_process_ends_starts_again_with_no_retry_spent():
    story = Parking(trials=1)
    story.park(0)
    (settled,) = of(ev.Settled, story.exit(0, "killed by SIGKILL"))
    assert (settled.state, settled.crashed) == ("PAUSED", False)  # the user has paused it
    assert isinstance(settled.why, Interrupted)
    assert (settled.why.cause, settled.why.unsaved) == ("parked", "parked")


@pytest.mark.parametrize("saved", [False, True])
def test_a_stop_and_a_kill_end_parked_trials_at_once(saved: bool):
    story = Parking(trials=1)
    story.report(0, 1)
    if saved:
        story.save(0)
    story.park(0)
    assert signals(story.take(ev.StopAsked(story.now, finish=False, why="stop"))) == [
        (0, "kill", "drain")
    ]
    (settled,) = of(ev.Settled, story.exit(0, "killed by SIGKILL"))
    assert settled.why.unsaved == ("" if saved else "parked")
    story = Parking(trials=1)
    story.park(0)
    assert signals(story.take(ev.KillAsked(story.now, 0))) == [(0, "kill", "killed")]
    story.exit(0, "killed by SIGKILL")
    assert story.states() == ["KILLED"]


def test_a_parked_trial_may_come_to_its_end_where_the_study_is_to_finish():
    story = Parking(trials=3)
    story.claim(0)
    story.held(0)
    story.parked(0)
    story.take(ev.StopAsked(story.now, finish=True, why="stop"))
    assert [u.trial for u in of(ev.Unpark, story.leave(0))] == [0]
    story.restored(0)
    story.report(0, 1)
    story.exit(0)
    assert story.study.state.finished


def test_a_restore_that_was_not_tried_is_tried_again_after_a_while():
    story = Parking(trials=1)
    story.park(0)
    assert of(ev.Unpark, story.resume(0))
    facts = story.restored(0, "too little of the GPU's memory is free")
    assert not of(ev.Unpark, facts)
    assert story.where() == {0: ()}
    assert not of(ev.Unpark, story.pass_time(29.0))
    assert of(ev.Unpark, story.pass_time(2.0))[0].gpus == ("g0",)


def test_one_that_makes_way_for_an_hour_goes_on_elsewhere_if_nothing_is_lost_by_that():
    for saved in (True, False):
        story = Parking(trials=1)
        story.report(0, 1)
        if saved:
            story.save(0)
        story.claim(0)
        story.held(0)
        story.parked(0)
        assert signals(story.pass_time(3590.0)) == []
        assert signals(story.pass_time(15.0)) == ([(0, "kill", "moved")] if saved else [])


def test_a_trial_is_not_left_at_a_gpu_that_never_comes_back():
    for change in ({"lost": True, "obstacle": "lost"}, {"obstacle": GpuAside("sick", None, 0.0)}):
        story = Parking(2, trials=2)
        story.claim(1)
        story.held(0)
        story.parked(0)
        assert signals(story.change(1, **change)) == [(0, "kill", "moved")]
        story.exit(0, "killed by SIGKILL")
        assert story.states()[0] == "WAITING"


def test_parked_time_counts_for_no_timeout_and_what_is_parked_for_the_hosts_memory():
    story = Parking(2, trials=3, trial={"timeout": 100.0, "memory": 20 * GB})
    story.park(0, memory=40 * GB)
    assert set(story.where()) == {0, 1}  # 20 and 40 for it, and 20 for the other: of 68.7 GB
    story.now += 1000.0
    story.resume(0)
    story.restored(0)
    story.report(1, 1)
    story.exit(1)
    assert not [s for s in signals(story.pass_time(50.0)) if s[0] == 0]
    assert (0, "ask", "timeout") in signals(story.pass_time(60.0))


def test_gpu_time_does_not_run_while_it_is_parked():
    story = Parking(trials=1)
    story.now += 9.0
    story.park(0)  # held after one second more
    story.now += 1000.0
    story.resume(0)
    story.now += 5.0  # on its way back
    story.restored(0)
    story.now += 5.0
    story.report(0, 2)
    story.exit(0)
    assert story.trial(0).gpu_seconds == 20.0


def test_a_study_that_is_opened_again_starts_its_parked_trials_anew():
    story = Parking(trials=1)
    story.park(0)
    story.resume(0)
    settings = story.study.state.settings
    story.take(ev.Opened(story.now, settings, 16.0, 64 << 30, gpus=story.gpus))
    (settled,) = of(ev.Settled, story.exit(0, lost=True))
    assert settled.state == "WAITING"
    assert story.where() == {0: ("g0",)}
    assert story.trial(0).attempt == 1


@pytest.mark.parametrize("tale", TALES)
def test_a_replay_and_a_snapshot_have_the_same_state(tale):
    story = tale()
    again = Study(story.spec)
    again.replay(story.journal)
    assert again.snapshot() == story.study.snapshot()
    assert Study(story.spec, again.snapshot()).state == story.study.state


def test_what_comes_too_late_changes_nothing():
    story = Parking(trials=1)
    story.park(0)
    story.take(ev.KillAsked(story.now, 0))
    for facts in (story.parked(0), story.fails(0), story.restored(0), story.held(0)):
        assert len(facts) == 1
    story.exit(0, "killed by SIGKILL")
    assert story.states() == ["KILLED"]
