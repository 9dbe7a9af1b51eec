"""The stages of a trial, and that nothing moves it but what the table of transitions has."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from parking_story import TALES
from story import ASHA, Story
from test_study_gpus import Story as StoryOfGpus, machine

from simulator.fuzzer import run_seed
from simulator.invariants import Transition, named, transitions
from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.spec import PruningSpec, SearchSpec, TrialSpec
from tuitune.core.study.lifecycle import TRANSITIONS, move, stage
from tuitune.core.study.state import Activity, Ending, Frozen, Running, Starting, Trial

ACTIVITIES = get_args(Activity)


def all_steps() -> set[tuple]:
    return {
        (before, kind, after)
        for before, by_fact in TRANSITIONS.items()
        for kind, afters in by_fact.items()
        for after in afters
    }


@pytest.fixture(scope="module")
def seen() -> set[tuple]:
    """Every transition of many studies that were made up at random."""
    found = set()
    for seed in range(60):
        report = run_seed(seed)
        for step in transitions(report.spec, report.journal):
            found.add((step.before, type(step.fact), step.after))
    return found


def test_no_transition_happens_that_is_not_in_the_table(seen):
    assert seen <= all_steps()


def test_all_that_is_in_the_table_happens(seen):
    tales = (a_sampler_fails, a_launch_fails, a_frozen_one_fails, a_frozen_one_returns)
    more = (a_frozen_one_is_lost, a_waiting_one_is_killed, more_trials_are_asked_for)
    more = (*more, a_sick_gpu_has_failed_one)
    for story in [tale() for tale in (*tales, *more, *TALES)]:
        seen |= {(s.before, type(s.fact), s.after) for s in transitions(story.spec, story.journal)}
    assert seen <= all_steps()
    missing = all_steps() - seen
    assert not {(named(before), kind.__name__, named(after)) for before, kind, after in missing}


def a_sampler_fails() -> Story:
    story = Story(answers=False)
    story.take(ev.SampleFailed(story.now, 0, {"x": 0.5}, "random", "drawn", "no width"))
    return story


def a_launch_fails() -> Story:
    story = Story(trial=TrialSpec(target="t.py:train", retries=0))
    story.exit(0, "no such file")
    return story


def frozen() -> Story:
    story = Story(trial=TrialSpec(target="t.py:train", retries=0))
    story.take(ev.Started(story.now, 0, 0, 11, None, "c", "", None))
    story.report(0, 1, 0.5)
    story.take(ev.PauseAsked(story.now, (0,)))
    story.take(ev.Frozen(story.now, 0, 0))
    return story


def a_frozen_one_fails() -> Story:
    story = frozen()
    story.exit(0, "MemoryError")
    return story


def a_frozen_one_returns() -> Story:
    story = frozen()
    story.exit(0)
    return story


def a_frozen_one_is_lost() -> Story:
    story = frozen()
    story.exit(0, lost=True)
    return story


def a_waiting_one_is_killed() -> Story:
    story = Story(search=SearchSpec(trials=1, concurrency=1))
    story.take(ev.AddAsked(story.now, {"x": 0.5}, ""))
    story.take(ev.PauseAsked(story.now, ()))
    story.exit(0, lost=True)
    assert story.states()[0] == "WAITING"
    story.take(ev.KillAsked(story.now, 0))
    return story


def more_trials_are_asked_for() -> Story:
    """A study is over, and keeps all of its checkpoints."""
    pruning = PruningSpec("asha", "epoch", 1, 9, 3, style="promote")
    story = Story(pruning=pruning, search=SearchSpec(trials=2, concurrency=2))
    settings = msgspec.structs.replace(story.study.state.settings, keep_checkpoints="all")
    story.take(ev.SettingsChanged(story.now, settings))
    for trial in (0, 1):
        story.take(ev.Started(story.now, trial, 0, 11, None, "c", "", None))
    story.report(0, 9, 0.1)
    story.report(1, 1, 0.5)
    story.take(ev.SaveStarted(story.now, 1, 0, 1))
    story.take(ev.Checkpointed(story.now, 1, 0, 1))
    story.exit(1, stopped=True)
    story.exit(0)
    assert story.states() == ["COMPLETE", "PRUNED"]
    story.take(ev.SettingsChanged(story.now, msgspec.structs.replace(settings, trials=3)))
    return story


def a_sick_gpu_has_failed_one() -> StoryOfGpus:
    """What fails there a second time is tried elsewhere, and gets further."""
    story = StoryOfGpus(machine(2))
    for trial in (0, 2):
        story.exit(trial, "RuntimeError: CUDA error: unspecified launch failure")
    for trial in (1, 2):
        story.take(
            ev.Started(story.now, trial, story.trial(trial).attempt, 11, None, "c", "", None)
        )
        story.report(trial, 1)
        story.exit(trial)
    return story


def test_every_stage_has_its_row():
    assert set(TRANSITIONS) == {*TrialState, *ACTIVITIES} - {TrialState.RUNNING}


def test_a_complete_trial_stays_so():
    assert not TRANSITIONS[TrialState.COMPLETE]


@pytest.mark.parametrize("state", sorted(set(TrialState) - {TrialState.RUNNING}))
def test_a_state_leaves_no_activity_behind(state):
    trial = Trial(0, {}, "random", "")
    move(trial, Running())
    move(trial, state)
    assert (trial.state, trial.activity, stage(trial)) == (state, None, state)
    assert not trial.is_live()


@pytest.mark.parametrize(
    ("activity", "state"),
    [
        (Starting(), TrialState.RUNNING),
        (Running(), TrialState.RUNNING),
        (Ending(ev.StopReason.DRAIN, "ask", 9.0), TrialState.RUNNING),
        (Frozen(9.0), TrialState.PAUSED),
    ],
)
def test_an_activity_says_the_state(activity, state):
    trial = Trial(0, {}, "random", "")
    move(trial, activity)
    assert (trial.state, stage(trial)) == (state, type(activity))
    assert trial.is_live()


def test_a_trial_goes_through_its_stages():
    story = Story(pruning=ASHA)
    seen = [stage(story.trial(0))]

    def then(event: ev.Event) -> None:
        story.take(event)
        if stage(story.trial(0)) is not seen[-1]:
            seen.append(stage(story.trial(0)))

    then(ev.Started(story.now, 0, 0, 11, None, "c", "", None))
    then(ev.PauseAsked(story.now, (0,)))
    then(ev.Frozen(story.now, 0, 0))
    then(ev.ResumeAsked(story.now, (0,)))
    then(ev.KillAsked(story.now, 0))
    then(ev.Exited(story.now, 0, 0, None, 15, "", "", 0, lost=False))
    then(ev.RetryAsked(story.now, 0))
    ends = [TrialState.KILLED, TrialState.WAITING]  # both slots are taken by others
    assert seen == [Starting, Running, Ending, Frozen, Running, Ending, *ends]


def test_a_function_that_returns_while_its_trial_is_frozen_leaves_once_it_is_released():
    story = Story()
    story.take(ev.PauseAsked(story.now, (0,)))
    story.take(ev.Frozen(story.now, 0, 0))
    story.take(ev.Returned(story.now, 0, 0))
    assert stage(story.trial(0)) is Frozen
    assert not [n for n in story.pass_time(5000.0) if getattr(n, "trial", None) == 0]
    story.take(ev.ResumeAsked(story.now, (0,)))
    assert story.trial(0).ending.reason is ev.StopReason.RETURNED
    signals = [f.how for f in story.pass_time(100.0) if isinstance(f, ev.Signal) and f.trial == 0]
    assert signals[:2] == ["term", "kill"]


def test_a_forbidden_transition_is_told_apart():
    fact = ev.RetryAsked(0.0, 0)
    assert not Transition(0, TrialState.COMPLETE, fact, TrialState.WAITING).is_allowed
    assert Transition(0, TrialState.FAILED, fact, TrialState.WAITING).is_allowed
