"""Attempts that go on from a checkpoint, and whether their steps say how far they are."""

from __future__ import annotations

import pytest
from story import Story

from tuitune.core import events as ev
from tuitune.core.spec import PruningSpec, SearchSpec

UP_TO_81 = PruningSpec(resource="epoch", max=81)


def resumed(pruning: PruningSpec, first: int, checkpoint: int) -> Story:
    """A trial whose first attempt has reported these two steps, and whose second one has begun."""
    story = Story(search=SearchSpec(trials=1, concurrency=1), pruning=pruning)
    story.report(0, first, 0.9)
    story.report(0, checkpoint, 0.5)
    story.checkpointed(0)
    story.exit(0, "lost", lost=True)
    story.take(ev.Started(story.now, 0, story.trial(0).attempt, 1, checkpoint, "", "", None))
    return story


@pytest.mark.parametrize(
    ("first", "checkpoint", "steps", "state"),
    [
        (1, 27, range(28, 82), "COMPLETE"),
        (1, 27, range(1, 82), "COMPLETE"),  # trained from the start again
        (1, 27, range(1, 55), "FAILED"),  # its count began again
        (1, 27, range(1, 41), "FAILED"),
        (1, 27, range(28, 41), "COMPLETE"),  # it has stopped by itself
        (9, 27, range(27, 41), "COMPLETE"),  # it has evaluated its checkpoint once more
        (1, 1, range(1, 81), "FAILED"),  # 81 less one
        (1, 1, range(1, 41), "COMPLETE"),
    ],
)
def test_a_trial_is_not_complete_at_steps_that_are_counted_again(first, checkpoint, steps, state):
    story = resumed(UP_TO_81, first, checkpoint)
    for step in steps:
        story.report(0, step, 0.5)
    story.exit(0)
    assert story.states() == [state]


@pytest.mark.parametrize(("last", "state"), [(26, "FAILED"), (27, "COMPLETE"), (40, "COMPLETE")])
def test_without_a_maximum_it_gets_as_far_as_it_was(last, state):
    story = resumed(PruningSpec(resource="epoch"), 1, 27)
    for step in range(1, last + 1):
        story.report(0, step, 0.5)
    story.exit(0)
    assert story.states() == [state]
