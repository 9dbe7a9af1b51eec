"""Fewer GPUs are allowed than the nodes of a study have: which ones it uses."""

from __future__ import annotations

import pytest
from test_study_nodes import Story, node

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import GpuBarred, GpusAllowed
from tuitune.core.placement.hours import Allowance
from tuitune.core.study.allowed_gpus import limited


def used(story: Story, most: int | None, *nodes: ev.Node, each: int = 1) -> dict[str, list[int]]:
    """The numbers of the GPUs that may be used, by node."""
    found = limited(story.study.state, {n.name: n for n in nodes}, Allowance(most, 480), each)
    for gpu in (gpu for one in found.values() for gpu in one.gpus):
        assert gpu.claimed == isinstance(gpu.obstacle, GpusAllowed)
    return {name: [g.index for g in one.gpus if not g.obstacle] for name, one in found.items()}


def test_they_are_counted_over_all_nodes_and_those_with_trials_stay():
    a, b = node("a", gpus=2), node("b", gpus=2)
    story = Story(b, wish=1)  # so that the first trials are on b
    story.now += 1
    story.change(a)
    assert used(story, 3, a, b) == {"a": [0], "b": [0, 1]}
    assert used(story, 1, a, b) == {"a": [], "b": [0]}
    assert used(story, 0, a, b) == {"a": [], "b": []}
    assert used(story, None, a, b) == {"a": [0, 1], "b": [0, 1]}


def test_what_can_not_be_used_counts_only_with_a_trial_on_it():
    taken = GpuBarred("locked", "others")
    a, b = node("a", gpus=2), node("b", gpus=2)
    story = Story(a, wish=1)
    barred = [ev.Gpu(g.uuid, g.index, g.name, g.memory, taken) for g in (*a.gpus, *b.gpus)]
    a = ev.Node("a", 4.0, a.memory, (barred[0], a.gpus[1]))  # with a trial on both
    b = ev.Node("b", 4.0, b.memory, (barred[2], b.gpus[1]))
    assert used(story, 2, a, b) == {"a": [1], "b": []}
    assert used(story, 3, a, b) == {"a": [1], "b": [1]}


@pytest.mark.parametrize(("most", "expected"), [(4, ([0, 1], [0, 1])), (5, ([0, 1, 2], [0, 1]))])
def test_what_is_left_of_a_node_serves_no_trial_with_several(most: int, expected: tuple):
    a, b = node("a", gpus=3), node("b", gpus=2)
    story = Story(node("c"), wish=2)
    assert tuple(used(story, most, a, b, each=2).values()) == expected
