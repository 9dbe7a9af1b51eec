"""GPU time and energy of trials, as the facts of a study tell them."""

from __future__ import annotations

from typing import Any

import pytest
from test_study_gpus import Story, machine

from tuitune.core import events as ev
from tuitune.core.study import Study


def seconds(story: Story) -> list[float]:
    return [round(trial.gpu_seconds, 6) for trial in story.study.state.trials]


def used(story: Story, trial: int, joules: float | None, after: float = 0.0) -> None:
    story.now += after
    story.take(ev.GpuUsed(story.now, trial, story.trial(trial).attempt, joules))


def end(story: Story, trial: int, after: float, **more: Any) -> None:
    story.report(trial, 1, after=after)
    story.exit(trial, **more)


def test_a_trial_has_the_time_of_its_gpus_and_none_without():
    story = Story(machine(2), 2, trials=1)
    end(story, 0, 10.0)
    assert seconds(story) == [20.0]
    story = Story((), trials=1)
    end(story, 0, 10.0)
    assert seconds(story) == [0.0]


def test_a_gpu_that_trials_share_is_divided_among_them_and_counts_once():
    story = Story(machine(1), 0.5, trials=3)
    end(story, 0, 10.0)  # the third begins
    end(story, 1, 6.0)
    end(story, 2, 4.0)
    assert seconds(story) == [5.0, 8.0, 7.0]
    assert sum(seconds(story)) == 20.0


def test_all_attempts_count_and_no_time_in_which_no_engine_ran():
    story = Story(machine(1), trials=1)
    story.report(0, 1, after=10.0)
    story.now += 1000.0  # the engine was killed
    settings = story.study.state.settings
    assert settings is not None
    story.take(ev.Opened(story.now, settings, 16.0, 64 << 30, gpus=story.gpus))
    story.exit(0, lost=True)
    story.report(0, 2, after=5.0)
    story.exit(0)
    assert seconds(story) == [15.0]


def test_energy_is_added_up_and_what_is_unknown_changes_nothing_but_the_time():
    story = Story(machine(1), trials=1)
    used(story, 0, None, after=10.0)
    assert (seconds(story), story.trial(0).energy) == ([10.0], None)
    used(story, 0, 500.0, after=10.0)
    used(story, 0, 100.0)
    assert (seconds(story), story.trial(0).energy) == ([20.0], 600.0)


@pytest.mark.parametrize("by", [3600.0, -3600.0])
def test_a_clock_that_is_set_adds_no_time(by: float):
    story = Story(machine(1), trials=1)
    story.report(0, 1, after=10.0)
    story.now += by
    story.take(ev.ClockStepped(story.now, by))
    end(story, 0, 5.0)
    assert seconds(story) == [15.0]
    assert Study(story.spec, story.study.snapshot()).state.trials[0].gpu_seconds == 15.0
