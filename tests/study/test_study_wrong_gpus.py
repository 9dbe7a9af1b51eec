"""Trials that choose their GPUs themselves, each rule told as a short story of events."""

from __future__ import annotations

import pytest
from story import signals
from test_study_gpus import Story, machine, settled

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import WrongGpu
from tuitune.core.study import attempts
from tuitune.engine.settings import settings_of


def on_wrong_gpu(story: Story, trial: int, harm: str = "") -> list[ev.AnyFact]:
    why = WrongGpu(trial, 0, (1,), "train.py:7", harm)
    return story.take(ev.OnWrongGpu(story.now, trial, story.trial(trial).attempt, why))


def halts(facts: list[ev.AnyFact]) -> list[ev.Halted]:
    return [fact for fact in facts if isinstance(fact, ev.Halted)]


def reopen(story: Story) -> list[ev.AnyFact]:
    for number in attempts.failed_with_the_setup(story.study.state):
        story.take(ev.RetryAsked(story.now, number, setup=True))
    settings = settings_of(story.spec, has_gpus=True)
    return story.take(ev.Opened(story.now, settings, 16.0, 64 << 30, gpus=story.gpus))


def test_nothing_more_is_launched_and_what_runs_comes_to_its_end():
    story = Story(machine(2))
    (halted,) = halts(on_wrong_gpu(story, 0))
    assert (halted.finish, halted.failed) == (True, True)
    assert set(story.where()) == {0, 1}
    assert not halts(on_wrong_gpu(story, 1))
    for trial in (0, 1):
        story.report(trial, 1)
        story.exit(trial)
    assert story.study.state.finished
    assert [story.trial(n).state for n in (0, 1)] == ["COMPLETE", "COMPLETE"]


def test_whoever_runs_the_study_again_with_the_same_code_wants_it_so():
    story = Story(machine(1))
    on_wrong_gpu(story, 0)
    story.report(0, 1)
    story.exit(0)
    reopen(story)
    assert not halts(on_wrong_gpu(story, 1))
    story.report(1, 1)
    story.exit(1)
    assert 2 in story.where()


def test_after_a_mend_that_is_none_nothing_more_is_launched_again():
    story = Story(machine(1))
    on_wrong_gpu(story, 0)
    story.report(0, 1)
    story.exit(0)
    reopen(story)
    story.take(ev.Started(story.now, 1, 0, 5, None, "other", "", None))
    assert halts(on_wrong_gpu(story, 1))


@pytest.mark.parametrize("harm", ["others", "not allowed"])
def test_where_it_does_harm_it_is_ended_with_its_checkpoint_and_goes_on_once_it_is_mended(
    harm: str,
):
    story = Story(machine(2))
    facts = on_wrong_gpu(story, 0, harm)
    assert signals(facts) == [(0, "ask", "wrong gpu")]
    assert not signals(on_wrong_gpu(story, 0, harm))  # once is enough
    story.report(0, 3)
    story.take(ev.Checkpointed(story.now, 0, 0, 3))
    end = settled(story.exit(0, stopped=True))
    assert (end.state, end.crashed) == ("FAILED", False)
    assert isinstance(end.why, WrongGpu)
    story.report(1, 1)
    story.exit(1)
    assert story.study.state.finished
    reopen(story)
    assert 0 in story.where()
    assert story.trial(0).checkpoint == 3


def test_one_that_ends_well_meanwhile_is_complete():
    story = Story(machine(2))
    on_wrong_gpu(story, 0, "others")
    story.report(0, 1)
    assert settled(story.exit(0)).state == "COMPLETE"
