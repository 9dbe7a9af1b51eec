"""Trials on several nodes: where each goes, what is counted, and what a lost node does."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from taking import take

from simulator.invariants import sums_of_nodes
from tuitune.core import events as ev
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study import Study
from tuitune.core.study.launching import waits_for_room
from tuitune.engine.settings import settings_of
from tuitune.messages.facts import told
from tuitune.messages.reasons import reason_words
from tuitune.store.projection import trial_row

GB = 10**9


def node(name: str, cpus: float = 4.0, gpus: int = 0, **more: Any) -> ev.Node:
    cards = tuple(ev.Gpu(f"{name}-{i}", i, "A100", 80 * GB) for i in range(gpus))
    return ev.Node(name, cpus, 64 * GB, cards, **more)


class Story:
    """A study on these nodes whose asks are answered at once; nothing else moves by itself."""

    def __init__(self, *nodes: ev.Node, wish: Any = 0, trials: int = 99, **trial: Any) -> None:
        self.spec = StudySpec(
            name="s",
            objective=Objective("loss", "min"),
            trial=TrialSpec(target="t.py:train", gpus=wish, **trial),
            space=SearchSpace((FloatRange("x", 0.0, 1.0),)),
            search=SearchSpec(trials=trials),
            pruning=PruningSpec(),
            limits=Limits(),
            file="/s/s.toml",
        )
        self.now = 100.0
        self.study = Study(self.spec)
        self.open(*nodes)

    def open(self, *nodes: ev.Node) -> list[ev.AnyFact]:
        cpus, memory = sum(node.cpus for node in nodes), sum(node.memory for node in nodes)
        settings = settings_of(self.spec, has_gpus=any(node.gpus for node in nodes))
        return self.take(ev.Opened(self.now, settings, cpus, memory, nodes=nodes))

    def take(self, event: ev.Event) -> list[ev.AnyFact]:
        facts = take(self.study, event, self.now)
        assert sums_of_nodes(self.study.state) == []
        return facts

    def change(self, node: ev.Node) -> list[ev.AnyFact]:
        return self.take(ev.NodeChanged(self.now, node))

    def exit(self, trial: int, error: str = "", **more: Any) -> list[ev.AnyFact]:
        attempt, how = self.trial(trial).attempt, {"lost": False, **more}
        return self.take(ev.Exited(self.now, trial, attempt, 0, None, error, "", 0, **how))

    def trial(self, number: int) -> Any:
        return self.study.state.trials[number]

    def where(self) -> list[str]:
        """The nodes of the running trials, in the order of their launch."""
        return [self.trial(n).node for n in self.study.state.running]


def test_trials_fill_one_node_after_another_so_that_large_ones_find_room():
    story = Story(node("a", 2.0), node("b", 4.0), node("c", 2.0))
    assert story.where() == [*"aaccbbbb"]
    story.exit(4)
    story.exit(0)
    assert story.where()[-2:] == ["b", "a"]


def test_a_trial_has_all_of_its_gpus_on_one_node():
    story = Story(node("a", gpus=3), node("b", gpus=2), wish=2)
    assert story.where() == ["b", "a"]  # one GPU of a is left over, and so many no node has
    assert story.trial(0).gpus == ("b-0", "b-1")
    assert reason_words(story.trial(0).device) == "b, GPU 0+1"


def test_a_share_of_a_gpu_goes_to_an_empty_one_first_wherever_that_is():
    story = Story(node("a", gpus=1), node("b", gpus=1), wish=0.5)
    assert story.where() == [*"abab"]


def test_a_packed_trial_has_a_gpu_of_its_own_while_there_is_an_empty_one():
    story = Story(node("a", gpus=2), node("b", gpus=1), wish="auto")
    assert sorted(story.where()) == [*"aab"]


def test_only_one_gpu_of_a_model_is_shared_before_it_is_known_what_that_brings():
    story = Story(node("a", gpus=1), node("b", gpus=1), wish="auto")
    for trial in (0, 1):
        story.take(ev.Footprint(story.now, trial, 0, 4 * GB))
    for step in range(1, 6):
        story.now += 5.0
        for trial in (0, 1):
            story.take(ev.Reported(story.now, trial, 0, step, {"loss": 1.0}))
    assert len(story.where()) == 3
    assert story.study.state.shared == {"A100": 1}


@pytest.mark.parametrize("more", [{"obstacle": "its room is others'"}, {"lost": True}])
def test_nothing_starts_on_a_node_that_is_barred_or_lost(more: Any):
    story = Story(node("a", 1.0), node("b", 2.0, **more))
    assert story.where() == ["a"]
    story.change(node("b", 2.0))
    assert story.where() == [*"abb"]


def test_a_node_that_joins_is_used_at_once_and_counted():
    story = Story(node("a", 1.0))
    story.change(node("b", 2.0, gpus=1))
    assert story.where() == [*"abb"]
    assert story.study.state.cpus == 3.0
    story.change(node("b", 2.0, lost=True))
    assert story.study.state.cpus == 1.0


def test_trials_of_a_lost_node_go_on_elsewhere_without_a_retry():
    story = Story(node("a", 1.0), node("b", 1.0), trials=2)
    story.take(ev.Checkpointed(story.now, 1, 0, 3))
    story.change(node("b", 1.0, lost=True))
    story.exit(1, lost=True)
    assert story.where() == ["a"]
    assert (story.trial(1).state, story.trial(1).crashes) == ("WAITING", 0)
    story.exit(0)
    assert story.where() == ["a"]
    assert (story.trial(1).attempt, story.trial(1).checkpoint) == (1, 3)


def test_what_ran_on_nodes_that_the_next_opening_has_not_is_lost():
    story = Story(node("a", 1.0), node("b", 1.0), trials=2)
    story.open(node("c", 1.0))
    assert story.study.state.inherited == 2
    story.exit(0, lost=True)
    assert story.where() == ["b"]  # nothing starts before the last one has settled
    story.exit(1, lost=True)
    assert story.where() == ["c"]


def test_a_row_and_the_words_of_a_launch_name_the_node():
    story = Story(node("gpu-07", 1.0), trials=1)
    state = story.study.state
    assert trial_row(story.spec, state, story.trial(0)).node == "gpu-07"
    launch = ev.Launch(1.0, 0, 2, story.trial(0).device, 1.0, 0, node="gpu-07")
    assert told(launch) == "attempt 2 launched on gpu-07"
    story.exit(0)
    assert trial_row(story.spec, state, story.trial(0)).node == "gpu-07"


def test_trials_that_need_an_empty_gpu_have_one_kept_for_them_on_any_node():
    story = Story(node("a", gpus=1), node("b", gpus=1), wish=0.5, trials=5)
    assert story.where() == [*"abab"]
    story.exit(2, oom=True, error="CUDA out of memory")
    assert story.trial(2).needs_empty_gpu
    story.exit(0)
    assert story.trial(2).node == "a"
    assert [trial.state for trial in story.study.state.trials][2] == "RUNNING"


@pytest.mark.parametrize("wish", [0, 0.5, 1, 2, "auto"])
def test_sums_and_full_nodes_are_right_whatever_happens_and_replay_gives_the_same(wish: Any):
    """Random events on three nodes; the sums are compared with all trials after each."""
    random = Random(7)
    nodes = [node("a", 3.0, 2), node("b", 2.5, 1), node("c", 6.0, 4)]
    story = Story(*nodes, wish=wish, cpus=1 / 3, memory=GB)
    facts: list[ev.AnyFact] = []
    for _ in range(150):
        story.now += 4.0
        state = story.study.state
        number = random.choice([*state.running]) if state.running else 0
        attempt, step = story.trial(number).attempt, story.trial(number).attempt_step + 1
        match random.randrange(8):
            case 0:
                known = random.choice(nodes)
                cards = [
                    msgspec.structs.replace(gpu, obstacle=random.choice(["", "", "anna's"]))
                    for gpu in known.gpus
                ]
                barred, lost = random.choice(["", "", "", "it leaves"]), random.random() < 0.1
                changed = ev.Node(known.name, known.cpus, known.memory, tuple(cards), barred, lost)
                facts += story.change(changed)
            case 1 | 2 if number in state.running:
                facts += story.exit(number, lost=random.random() < 0.2)
            case 3 if number in state.running:
                memory = random.randrange(GB, 9 * GB)
                facts += story.take(ev.Footprint(story.now, number, attempt, memory))
            case _ if number in state.running:
                report = ev.Reported(story.now, number, attempt, step, {"loss": 1.0})
                facts += story.take(report)
    again = Story(*nodes, wish=wish, cpus=1 / 3, memory=GB).study
    again.replay(facts)
    assert again.snapshot() == story.study.snapshot()


def _saved(story: Story, trial: int, step: int = 5) -> None:
    attempt = story.trial(trial).attempt
    story.take(ev.Reported(story.now, trial, attempt, step, {"loss": 1.0}))
    story.take(ev.Checkpointed(story.now, trial, attempt, step))


def test_what_is_saved_on_one_node_alone_goes_on_there_while_others_start_elsewhere():
    here, there = node("a", 1.0, apart=True), node("b", 1.0, apart=True)
    story = Story(here, there)
    assert story.where() == [*"ab"]
    _saved(story, 0)
    assert trial_row(story.spec, story.study.state, story.trial(0)).saved_on == "a"
    story.change(msgspec.structs.replace(here, obstacle="in trouble"))
    story.exit(0, lost=True)  # the first of those that wait
    story.exit(1)
    assert story.where() == ["b"]
    assert story.trial(0).attempt == 0
    story.change(here)
    assert (story.trial(0).node, story.trial(0).attempt) == ("a", 1)


def test_a_trial_starts_anew_on_any_node_once_the_only_one_with_its_checkpoint_is_lost():
    story = Story(node("a", 1.0, apart=True), node("b", 1.0, apart=True))
    _saved(story, 0)
    story.change(node("a", 1.0, apart=True, lost=True))
    assert trial_row(story.spec, story.study.state, story.trial(0)).saved_on == ""
    story.exit(0, lost=True)
    story.exit(1)
    assert (story.trial(0).node, story.trial(0).attempt) == ("b", 1)


def test_what_nodes_share_goes_on_where_it_is_seen():
    story = Story(node("a", 1.0), node("b", 1.0, apart=True))
    _saved(story, 0)
    story.change(node("a", 1.0, lost=True))
    story.exit(0, lost=True)
    story.change(node("c", 1.0, obstacle="in trouble"))  # it would see the checkpoint
    story.exit(1)
    assert story.trial(0).attempt == 0
    story.change(node("c", 1.0))
    assert (story.trial(0).node, story.trial(0).attempt) == ("c", 1)


def test_the_trials_of_a_node_that_will_be_lost_save_and_go_on_elsewhere():
    story = Story(node("a", cpus=2.0), trials=2)
    story.change(node("b", cpus=2.0))
    facts = story.change(node("a", cpus=2.0, obstacle="it leaves the cluster", leaving=True))
    asked = [fact for fact in facts if isinstance(fact, ev.Signal)]
    assert [(fact.trial, fact.how, fact.save) for fact in asked] == [
        (0, "ask", True),
        (1, "ask", True),
    ]
    assert not story.change(node("a", cpus=2.0, obstacle="in 20 s", leaving=True))[1:]
    facts = story.take(ev.Exited(story.now, 0, 0, 0, None, "", "", 0, lost=False, stopped=True))
    (launch,) = (fact for fact in facts if isinstance(fact, ev.Launch))
    assert (launch.trial, launch.node) == (0, "b")
    assert story.study.state.trials[0].crashes == 0


def test_another_node_is_wanted_where_a_trial_waits_for_room():
    story = Story(node("a", cpus=2.0), trials=3)
    spec, state = story.study.spec, story.study.state
    assert waits_for_room(spec, state)
    story.change(node("b"))
    assert not waits_for_room(spec, state)  # the third one runs, and no other is to come
    story.take(ev.Halted(story.now, "by hand", finish=True, failed=False))
    assert not waits_for_room(spec, state)
