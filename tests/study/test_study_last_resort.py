"""A study whose rungs sent nobody to the end sends the best that waits; each rule a short story."""

from __future__ import annotations

import msgspec
import pytest
from taking import take
from test_study_rules import Story, finished, verdicts

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.pruning.registry import pruner_kind
from tuitune.core.spec import Objective, PruningSpec, SearchSpec, TrialSpec
from tuitune.core.study import Study
from tuitune.engine.settings import settings_of
from tuitune.messages.reasons import reason_words

PROMOTE = PruningSpec("asha", "epoch", 1, 9, 3, style="promote")


def story_of(trials: int, **parts) -> Story:
    """All run at once, and launching is paused until `go`."""
    search = SearchSpec(trials=trials, concurrency=trials)
    story = Story(**{"cpus": 30.0, "pruning": PROMOTE, "search": search, **parts})
    story.take(ev.PauseAsked(story.now, ()))
    return story


def park(story: Story, trial: int, loss: float, step: int = 1) -> list[ev.AnyFact]:
    """It comes to a rung, writes its checkpoint and leaves."""
    (verdict,) = verdicts(story.report(trial, step, loss))
    assert verdict.action == "pause", verdict
    story.take(ev.Checkpointed(story.now, trial, story.trial(trial).attempt, step))
    return story.exit(trial, stopped=True)


def go(story: Story) -> list[ev.AnyFact]:
    return story.take(ev.ResumeAsked(story.now, ()))


def sent(facts: list[ev.AnyFact]) -> list[ev.Promoted]:
    return [fact for fact in facts if isinstance(fact, ev.Promoted)]


def settled(facts: list[ev.AnyFact]) -> list[tuple[int, str]]:
    return [(fact.trial, fact.state) for fact in facts if isinstance(fact, ev.Settled)]


def test_the_best_goes_on_from_rung_to_rung_until_it_is_complete():
    story = story_of(2)
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    (first,) = sent(go(story))
    assert (first.trial, first.rung, first.rank, first.n, first.by_rank) == (1, 1, 1, 2, False)
    assert reason_words(first.why) == (
        "promoted at epoch 1: 1st of 2, as no trial is complete and nothing else is left to launch"
    )
    assert story.states() == [TrialState.PAUSED, TrialState.RUNNING]
    (second,) = sent(park(story, 1, 0.5, 3))  # it is judged there as always
    assert (second.trial, second.rung, second.rank, second.n) == (1, 3, 1, 1)
    story.report(1, 9, 0.4)
    facts = story.exit(1)
    assert settled(facts) == [(1, TrialState.COMPLETE), (0, TrialState.PRUNED)]
    end = finished(facts)
    assert end is not None
    assert end.complete


def test_until_then_those_go_on_that_are_among_the_best_of_a_rung():
    story = story_of(3)
    for trial, loss in enumerate((0.3, 0.2)):
        park(story, trial, loss)
    park(story, 2, 0.9)
    (by_rank,) = sent(go(story))
    assert (by_rank.trial, by_rank.by_rank) == (1, True)
    (at_the_end,) = sent(park(story, 1, 0.2, 3))
    assert (at_the_end.trial, at_the_end.rung, at_the_end.by_rank) == (1, 3, False)


def test_the_furthest_comes_before_the_better():
    story = story_of(2)
    park(story, 0, 0.9, 3)
    park(story, 1, 0.1)
    (promoted,) = sent(go(story))
    assert promoted.trial == 0


def test_of_equals_the_earlier_trial_goes_on():
    story = story_of(2)
    park(story, 1, 0.5)
    park(story, 0, 0.5)
    (promoted,) = sent(go(story))
    assert promoted.trial == 0


@pytest.mark.parametrize("mode", ["max", "min"])
def test_better_is_what_the_study_says(mode):
    story = story_of(2, objective=Objective("loss", mode))
    park(story, 0, 0.9 if mode == "min" else 0.1)
    park(story, 1, 0.1 if mode == "min" else 0.9)
    (promoted,) = sent(go(story))
    assert promoted.trial == 1


def test_where_a_trial_is_complete_nobody_goes_on_but_by_rank():
    story = story_of(3)
    story.report(0, 9, 0.1)
    story.exit(0)
    park(story, 1, 0.3)
    park(story, 2, 0.2)
    facts = go(story)
    assert sent(facts) == []
    assert settled(facts) == [(1, TrialState.PRUNED), (2, TrialState.PRUNED)]


def test_where_the_best_fails_the_next_best_goes_on():
    story = story_of(2, trial=TrialSpec("t.py:f", retries=0))
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    go(story)
    (promoted,) = sent(story.exit(1, "RuntimeError: it can't be loaded"))
    assert (promoted.trial, story.trial(1).state) == (0, TrialState.FAILED)
    story.report(0, 9, 0.3)
    end = finished(story.exit(0))
    assert end is not None
    assert end.complete


def test_one_that_fails_is_tried_again_first_where_it_may_be():
    story = story_of(2, trial=TrialSpec("t.py:f", retries=1))
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    go(story)
    facts = story.exit(1, "RuntimeError: it can't be loaded")
    assert sent(facts) == []
    assert story.states() == [TrialState.PAUSED, TrialState.RUNNING]


def test_one_whose_values_diverge_on_its_way_makes_room_for_the_next_best():
    story = story_of(2)
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    go(story)
    (verdict,) = verdicts(story.report(1, 3, float("nan")))
    assert verdict.action == "stop"
    (promoted,) = sent(story.exit(1, stopped=True))
    assert (promoted.trial, story.trial(1).state) == (0, TrialState.PRUNED)


def test_nobody_goes_on_while_launching_is_paused():
    story = story_of(2)
    park(story, 0, 0.3)
    facts = park(story, 1, 0.2)
    assert sent(facts) == []
    assert story.states() == [TrialState.PAUSED, TrialState.PAUSED]


def test_nobody_goes_on_while_the_disk_is_too_full():
    story = story_of(2)
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    story.take(ev.DiskChanged(story.now, low=True, free=0.01))
    assert sent(go(story)) == []
    assert story.states() == [TrialState.PAUSED, TrialState.PAUSED]
    facts = story.take(ev.DiskChanged(story.now, low=False, free=0.5))
    assert [f.trial for f in sent(facts)] == [1]


def test_nobody_goes_on_once_the_study_is_told_to_stop():
    story = story_of(2)
    park(story, 0, 0.3)
    story.take(ev.StopAsked(story.now, finish=True, why="asked"))
    go(story)
    facts = park(story, 1, 0.2)
    assert sent(facts) == []
    end = finished(facts)
    assert end is not None
    assert not end.complete


def test_of_those_that_no_hand_holds_the_best_goes_on():
    story = story_of(2)
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    story.take(ev.PauseAsked(story.now, (1,)))
    assert [f.trial for f in sent(go(story))] == [0]


def test_where_a_hand_holds_all_of_them_nothing_goes_on_until_it_lets_one_go():
    story = story_of(2)
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    story.take(ev.PauseAsked(story.now, (0, 1)))
    facts = go(story)
    assert sent(facts) == []
    assert finished(facts) is None
    facts = story.take(ev.ResumeAsked(story.now, (1,)))
    assert [f.trial for f in sent(facts)] == [1]


def test_one_that_a_hand_kills_is_out_and_the_next_best_goes_on():
    story = story_of(2)
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    story.take(ev.KillAsked(story.now, 1, 8.0))
    assert sent(go(story)) == []  # the kill can still be taken back
    facts = story.pass_time(10.0)
    assert story.trial(1).state == TrialState.KILLED
    assert [f.trial for f in sent(facts)] == [0]


def test_one_that_is_killed_on_its_way_is_out_and_the_next_best_goes_on():
    story = story_of(2)
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    go(story)
    story.take(ev.KillAsked(story.now, 1))
    facts = story.exit(1, stopped=True)
    assert [f.trial for f in sent(facts)] == [0]


def test_an_exhausted_space_is_nothing_left_to_launch():
    story = Story(pruning=PROMOTE, search=SearchSpec(trials=4, concurrency=1))
    (verdict,) = verdicts(story.report(0, 1, 0.3))
    assert verdict.action == "pause"
    study = story.study
    asked = study.react(ev.Exited(story.now, 0, 0, 0, None, "", "", 0, lost=False, stopped=True))
    assert any(isinstance(fact, ev.Ask) for fact in asked)
    facts = study.react(ev.Exhausted(story.now, "all 1 configurations were tried"))
    assert [f.trial for f in sent(facts)] == [0]


def test_after_a_restart_it_goes_on_all_the_same():
    story = story_of(2)
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    go(story)
    facts = park(story, 1, 0.5, 3)
    assert [f.trial for f in sent(facts)] == [1]
    again = Study(story.spec, story.study.snapshot())
    lost = ev.Exited(story.now, 1, 2, None, None, "", "", 0, lost=True)
    opened = ev.Opened(story.now, settings_of(story.spec), 30.0, 8 << 30)
    facts = [*take(again, opened, story.now), *take(again, lost, story.now)]
    assert sent(facts) == []  # it was sent on, and runs again
    assert [t.state for t in again.state.trials] == [TrialState.PAUSED, TrialState.RUNNING]
    assert any(isinstance(f, ev.Launch) and f.attempt == 3 for f in facts)


def test_a_study_that_was_over_before_goes_on_when_it_is_given_more():
    """As versions before this one have left them: all pruned, with their checkpoints."""
    story = story_of(2)
    kept = msgspec.structs.replace(settings_of(story.spec), keep_checkpoints="all")
    story.take(ev.SettingsChanged(story.now, kept))
    park(story, 0, 0.3)
    park(story, 1, 0.2)
    study = story.study
    for trial in (0, 1):
        study.evolve(ev.Settled(story.now, trial, TrialState.PRUNED, "not promoted"))
    study.evolve(ev.ResumeAsked(story.now, ()))
    study.evolve(ev.Finished(story.now, complete=True, why=""))
    raised = msgspec.structs.replace(kept, trials=3)
    story.take(ev.Opened(story.now, raised, 30.0, 8 << 30))
    assert story.states() == [TrialState.PAUSED, TrialState.PAUSED, TrialState.RUNNING]
    story.take(ev.KillAsked(story.now, 2))
    facts = story.exit(2, stopped=True)
    assert [(f.trial, f.by_rank) for f in sent(facts)] == [(1, False)]


@pytest.mark.parametrize("method", ["asha", "hyperband"])
def test_of_several_brackets_the_furthest_rung_counts_and_the_better_value_there(method):
    brackets = 2 if method == "asha" else 1
    pruning = PruningSpec(method, "epoch", 1, 9, 3, style="promote", brackets=brackets)
    assert [pruner_kind(pruning).make(pruning, "min").plan.bracket_of(t) for t in range(3)] == [
        0,
        1,
        0,
    ]
    story = story_of(3, pruning=pruning)
    park(story, 0, 0.4, 3)
    park(story, 1, 0.3, 3)
    park(story, 2, 0.1)
    (promoted,) = sent(go(story))
    assert (promoted.trial, promoted.rung, promoted.by_rank) == (1, 3, False)
    assert "at epoch 3 of bracket 1: 1st of 1" in reason_words(promoted.why)


def test_why_one_was_not_promoted_is_told_by_its_rung_as_it_is_at_the_end():
    story = story_of(6)
    for trial in range(6):
        (verdict,) = verdicts(story.report(trial, 1, 0.5 - trial / 10))
        assert (verdict.rank, verdict.n) == (1, trial + 1)
        if verdict.action == "go":
            story.report(trial, 9, 0.5 - trial / 10)
        story.exit(trial, stopped=verdict.action == "pause")
    facts = go(story)
    assert sent(facts) == []
    assert story.states() == [
        TrialState.PRUNED,
        TrialState.PRUNED,
        TrialState.COMPLETE,
        TrialState.COMPLETE,
        TrialState.COMPLETE,
        TrialState.COMPLETE,
    ]
    assert (
        reason_words(story.trial(0).note)
        == "not promoted at epoch 1: 6th of 6, needed 0.1, had 0.5"
    )
    assert (
        reason_words(story.trial(1).note)
        == "not promoted at epoch 1: 5th of 6, needed 0.1, had 0.4"
    )


def test_those_that_may_be_sent_on_wait_where_there_is_no_room():
    """Others came to all GPUs: that nothing can start is not the end of the study."""
    gpu = ev.Gpu("g0", 0, "A100", 80 * 10**9)
    story = Story(pruning=PROMOTE, search=SearchSpec(trials=3), trial=TrialSpec("t.py:f", gpus=1))
    study = Study(story.spec)
    settings = settings_of(story.spec, has_gpus=True)
    take(study, ev.Opened(1.0, settings, 4.0, 8 << 30, gpus=(gpu,)), 1.0)
    busy = msgspec.structs.replace(gpu, obstacle="somebody else computes on it")
    for trial, loss in enumerate((0.3, 0.2, 0.9)):
        if trial == 2:
            take(study, ev.DevicesChanged(1.0, (busy,)), 1.0)
        report = ev.Reported(1.0, trial, 0, 1, {"loss": loss}, can_save=True)
        take(study, report, 1.0)
        exited = ev.Exited(1.0, trial, 0, 0, None, "", "", 0, lost=False, stopped=True)
        take(study, exited, 1.0)
    assert [trial.state for trial in study.state.trials] == [
        TrialState.PAUSED,
        TrialState.PAUSED,
        TrialState.PAUSED,
    ]
    facts = take(study, ev.DevicesChanged(1.0, (gpu,)), 1.0)
    assert [(f.trial, f.by_rank) for f in sent(facts)] == [(1, True)]


def test_the_last_resort_waits_for_room_too():
    gpu = ev.Gpu("g0", 0, "A100", 80 * 10**9)
    story = Story(pruning=PROMOTE, search=SearchSpec(trials=1), trial=TrialSpec("t.py:f", gpus=1))
    study = Study(story.spec)
    settings = settings_of(story.spec, has_gpus=True)
    take(study, ev.Opened(1.0, settings, 4.0, 8 << 30, gpus=(gpu,)), 1.0)
    busy = msgspec.structs.replace(gpu, obstacle="somebody else computes on it")
    take(study, ev.DevicesChanged(1.0, (busy,)), 1.0)
    take(study, ev.Reported(1.0, 0, 0, 1, {"loss": 0.5}, can_save=True), 1.0)
    take(study, ev.Exited(1.0, 0, 0, 0, None, "", "", 0, lost=False, stopped=True), 1.0)
    assert [trial.state for trial in study.state.trials] == [TrialState.WAITING]
    take(study, ev.DevicesChanged(1.0, (gpu,)), 1.0)
    assert [trial.state for trial in study.state.trials] == [TrialState.RUNNING]
