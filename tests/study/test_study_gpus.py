"""What the study does with GPUs, each rule told as a short story of events."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from story import signals
from taking import take

from tuitune.core import events as ev
from tuitune.core.placement.throughput import Capacity
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import (
    DevicesSpec,
    Limits,
    Objective,
    PruningSpec,
    SearchSpec,
    StudySpec,
    TrialSpec,
)
from tuitune.core.study import Study
from tuitune.core.study.gpu_packing import sharing
from tuitune.core.study.lifecycle import move
from tuitune.core.study.state import Running
from tuitune.engine.orders import gpu_environment
from tuitune.engine.settings import settings_of
from tuitune.messages.reasons import reason_words

GB = 10**9


def machine(count: int, **more: Any) -> tuple[ev.Gpu, ...]:
    return tuple(ev.Gpu(f"g{i}", i, "A100", 80 * GB, **more) for i in range(count))


class Story:
    """A study whose asks are answered at once; nothing else moves by itself."""

    def __init__(self, gpus: tuple[ev.Gpu, ...], wish: Any = None, **parts: Any) -> None:
        self.spec = StudySpec(
            name="s",
            objective=Objective("loss", "min"),
            trial=TrialSpec(target="t.py:train", gpus=wish, **parts.get("trial", {})),
            space=SearchSpace((FloatRange("x", 0.0, 1.0),)),
            search=SearchSpec(trials=parts.get("trials", 6)),
            pruning=PruningSpec(),
            limits=Limits(),
            file="/s/s.toml",
            devices=parts.get("devices", DevicesSpec()),
        )
        self.now = 100.0
        self.gpus = gpus
        self.journal: list[ev.AnyFact] = []
        self.study = Study(self.spec)
        settings = settings_of(self.spec, has_gpus=bool(gpus))
        self.take(ev.Opened(self.now, settings, 16.0, 64 << 30, gpus=gpus))

    def take(self, event: ev.Event) -> list[ev.AnyFact]:
        facts = take(self.study, event, self.now)
        self.journal += facts
        return facts

    def report(self, trial: int, step: int, after: float = 0.0) -> list[ev.AnyFact]:
        self.now += after
        attempt = self.trial(trial).attempt
        return self.take(ev.Reported(self.now, trial, attempt, step, {"loss": 1.0}))

    def hold(self, trial: int, memory: int) -> None:
        self.take(ev.Footprint(self.now, trial, self.trial(trial).attempt, memory))

    def exit(self, trial: int, error: str = "", **more: Any) -> list[ev.AnyFact]:
        attempt, code = self.trial(trial).attempt, int(bool(error))
        how = {"lost": False, **more}
        return self.take(ev.Exited(self.now, trial, attempt, code, None, error, "", 0, **how))

    def change(self, index: int, **more: Any) -> list[ev.AnyFact]:
        gpus = list(self.gpus)
        gpus[index] = msgspec.structs.replace(gpus[index], **more)
        self.gpus = tuple(gpus)
        return self.take(ev.NodeChanged(self.now, ev.Node("", 16.0, 64 << 30, self.gpus)))

    def trial(self, number: int):
        return self.study.state.trials[number]

    def where(self) -> dict[int, tuple[str, ...]]:
        return {n: self.trial(n).gpus for n in sorted(self.study.state.running)}


def settled(facts: list[ev.AnyFact]) -> ev.Settled:
    return next(fact for fact in facts if isinstance(fact, ev.Settled))


def test_a_trial_has_a_gpu_where_there_are_some_and_none_where_not():
    assert Story(machine(2)).where() == {0: ("g1",), 1: ("g0",)}
    assert Story(()).where() == dict.fromkeys(range(6), ())
    assert Story(machine(2), 0).where() == dict.fromkeys(range(6), ())


def test_a_gpu_is_taken_again_when_its_trial_has_settled():
    story = Story(machine(1))
    story.report(0, 1)
    story.exit(0)
    assert story.where() == {1: ("g0",)}


def test_the_row_and_the_order_name_the_gpus():
    story = Story(machine(2), 2)
    assert reason_words(story.trial(0).device) == "GPU 0+1"
    environment = gpu_environment(story.spec, story.study.state, story.trial(0))
    assert environment == {
        "CUDA_VISIBLE_DEVICES": "g0,g1",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }


def test_trials_without_gpus_see_none_unless_the_file_says_so():
    story = Story(machine(1), 0)
    state = story.study.state
    assert gpu_environment(story.spec, state, story.trial(0)) == {"CUDA_VISIBLE_DEVICES": ""}
    story = Story(machine(1), 0, trial={"env": {"CUDA_VISIBLE_DEVICES": "0"}})
    assert gpu_environment(story.spec, story.study.state, story.trial(0)) == {}
    story = Story(())  # there may be some of other makers
    assert gpu_environment(story.spec, story.study.state, story.trial(0)) == {}


def test_gpus_of_amd_are_named_by_their_numbers():
    story = Story(tuple(ev.Gpu(f"AMD-{i}", i, "AMD GPU", 0) for i in range(2)), 2)
    environment = gpu_environment(story.spec, story.study.state, story.trial(0))
    assert environment == {"HIP_VISIBLE_DEVICES": "0,1", "CUDA_VISIBLE_DEVICES": "0,1"}


def test_a_gpu_that_comes_free_is_used_at_once():
    story = Story(machine(1, obstacle="anna's", foreign=True))
    assert story.where() == {}
    story.change(0, obstacle="", foreign=False)
    assert story.where() == {0: ("g0",)}


def test_trials_leave_a_lost_gpu_and_go_on_elsewhere_without_a_retry():
    story = Story(machine(2))
    facts = story.change(1, lost=True, obstacle="lost")
    assert signals(facts) == [(0, "term", "moved")]
    assert settled(story.exit(0, "CUDA error: unspecified launch failure")).state == "WAITING"
    assert story.trial(0).crashes == 0
    story.report(1, 1)
    story.exit(1)
    assert story.where() == {0: ("g0",)}


def test_one_that_dies_with_its_gpu_is_no_crash_whoever_tells_first():
    story = Story(machine(1))
    story.change(0, lost=True, obstacle="lost")
    move(story.study.state.trials[0], Running())  # the news of its end was on its way
    assert settled(story.exit(0, "RuntimeError: CUDA error")).state == "WAITING"


@pytest.mark.parametrize(
    ("on_foreign", "asked"), [("drain", []), ("pause", [(0, "ask", "moved")]), ("ignore", [])]
)
def test_somebody_who_comes_makes_us_drain_pause_or_nothing(on_foreign: Any, asked: list[Any]):
    story = Story(machine(2), devices=DevicesSpec(on_foreign=on_foreign))
    obstacle = "" if on_foreign == "ignore" else "anna's"
    assert signals(story.change(1, foreign=True, obstacle=obstacle)) == []  # she may only look in
    assert signals(story.change(1, claimed=True)) == asked
    if asked:
        assert settled(story.exit(0, stopped=True)).state == "WAITING"
        assert story.where() == {1: ("g0",)}


def test_the_youngest_makes_way_first_and_the_oldest_stays_if_she_leaves():
    story = Story(machine(1), 0.25, trials=4, devices=DevicesSpec(on_foreign="pause"))
    assert story.where() == dict.fromkeys(range(4), ("g0",))
    facts = story.change(0, foreign=True, obstacle="anna's", claimed=True)
    assert signals(facts) == [(3, "ask", "moved")]
    assert signals(story.change(0, busy=0.5)) == []  # one at a time
    assert signals(story.exit(3, stopped=True)) == [(2, "ask", "moved")]
    story.change(0, foreign=False, claimed=False, busy=0.0)
    assert signals(story.exit(2, stopped=True)) == []
    assert story.where() == {0: ("g0",), 1: ("g0",)}
    story.change(0, obstacle="")
    assert story.where() == dict.fromkeys(range(4), ("g0",))


def test_memory_of_the_host_is_not_promised_to_its_gpu_as_well():
    def running(memory: int, **more: Any) -> int:
        gpus = machine(1, **more)
        story = Story(gpus, 0.1, trials=11, trial={"memory": memory, "cpus": 0.0})
        for number in story.where():
            story.hold(number, 4 * GB)
        story.change(0, busy=0.25)
        story.report(0, 1)
        story.report(0, 2)
        story.exit(0)  # its place is free, where its memory is
        return len(story.where())

    # a host of 64 GiB = 68.7 GB: ten trials have 6 of it each, and 4 of the GPU's
    assert running(6 * GB) == 10
    assert running(6 * GB, unified=True) == 9
    assert running(1 * GB, unified=True) == 10


def test_out_of_memory_among_neighbours_goes_again_alone_and_holds_nobody_up():
    story = Story(machine(2), 0.5)
    assert story.where() == {0: ("g1",), 1: ("g0",), 2: ("g1",), 3: ("g0",)}
    story.now += 500  # however long they have been together
    fact = settled(story.exit(0, "CUDA out of memory", oom=True))
    assert (fact.state, fact.crashed, fact.crowded) == ("WAITING", False, True)
    # it waits for a GPU to be empty, and that one takes nobody else
    assert story.where() == {1: ("g0",), 2: ("g1",), 3: ("g0",)}
    story.report(1, 1)
    story.exit(1)
    assert story.where() == {2: ("g1",), 3: ("g0",), 4: ("g0",)}
    story.report(2, 1)
    story.exit(2)
    assert story.where() == {0: ("g1",), 3: ("g0",), 4: ("g0",)}
    assert story.trial(0).share == 1.0


def test_out_of_memory_alone_is_a_crash():
    story = Story(machine(2), 0.5, trials=1)
    assert settled(story.exit(0, "CUDA out of memory", oom=True)).state == "FAILED"


def test_two_of_whom_one_must_be_alone_do_not_wait_for_each_other():
    story = Story(machine(1), 0.5, trials=2)
    story.exit(1, "CUDA out of memory", oom=True)
    story.exit(0, lost=True)
    assert story.where() == {1: ("g0",)}
    story.report(1, 1)
    story.exit(1)
    assert story.where() == {0: ("g0",)}


def test_neighbours_that_have_just_died_were_neighbours():
    story = Story(machine(1), 0.5, trials=2)
    story.exit(0, "CUDA out of memory", oom=True)
    assert story.where() == {1: ("g0",)}
    assert settled(story.exit(1, "CUDA out of memory", oom=True)).crowded


def test_memory_that_somebody_else_took_is_not_its_fault_but_not_for_ever():
    story = Story(machine(1), trials=1)
    for _ in range(3):
        story.change(0, foreign=True, obstacle="anna's")
        assert settled(story.exit(0, "CUDA out of memory", oom=True)).crowded
        story.change(0, foreign=False, obstacle="")
    story.change(0, foreign=True, obstacle="anna's")
    assert settled(story.exit(0, "CUDA out of memory", oom=True)).state == "FAILED"


def test_auto_measures_one_alone_then_lets_one_more_join_and_keeps_it_if_more_is_done():
    story = Story(machine(1), "auto")
    story.hold(0, 4 * GB)
    for step in range(1, 7):
        assert story.where() == {0: ("g0",)}
        story.report(0, step, after=5.0)  # no growth for 20 s, and a pace
        if len(story.where()) > 1:
            break
    assert story.where() == {0: ("g0",), 1: ("g0",)}
    story.hold(1, 4 * GB)
    packed: list[ev.Packed] = []
    for step in range(7, 12):
        facts = story.report(0, step, after=6.0) + story.report(1, step - 6)
        packed += [fact for fact in facts if isinstance(fact, ev.Packed)]
    assert packed[0].model == "A100"
    gpu = story.gpus[0]
    assert len(story.where()) == 3
    assert (
        reason_words(sharing(story.study.state, "", gpu) or "") == "3 x 3.7 of 75 GiB"
    )  # what three do nobody knows
    story.change(0, obstacle="anna's")
    story.report(2, 1)
    story.exit(2)
    gain = f"{packed[0].gain - 1:+.0%}"
    assert (
        reason_words(sharing(story.study.state, "", gpu) or "")
        == f"2 x 3.7 of 75 GiB, {gain} over one"
    )
    assert 1.4 < packed[0].gain < 2 * 5 / 6  # so few reports are not taken at their word
    assert reason_words(packed[0].why).startswith(f"2 trials at once do {gain} over 1")


def test_auto_does_not_keep_what_hinders():
    story = Story(machine(1), "auto")
    story.hold(0, 4 * GB)
    step = 0
    while len(story.where()) < 2:
        step += 1
        story.report(0, step, after=5.0)
    story.hold(1, 4 * GB)
    facts: list[ev.AnyFact] = []
    for more in range(1, 16):
        facts += story.report(1, more, after=12.0) + story.report(0, step + more)
    packed = [fact for fact in facts if isinstance(fact, ev.Packed)]
    assert [(fact.most, fact.open) for fact in packed] == [(1, False)]
    assert len(story.where()) == 2  # nobody is put out for it


def test_auto_tries_one_more_again_when_many_more_have_ended():
    story = Story(machine(1), "auto", trials=9)
    story.study.state.packing.capacities["A100"] = capacity = Capacity(2, 0, closed=2)
    for number in range(4):
        assert capacity.step == 0
        story.hold(number, 4 * GB)
        for step in (1, 2):
            story.report(number, step, after=20.0)
        story.exit(number)
    assert capacity.step == 1


def test_what_was_learnt_outlives_the_engine_and_a_replay_is_the_same():
    story = Story(machine(1), "auto")
    story.hold(0, 4 * GB)
    for step in range(1, 7):
        story.report(0, step, after=5.0)
    again = Study(story.spec, story.study.snapshot())
    assert again.snapshot() == story.study.snapshot()
    assert again.state.packing == story.study.state.packing
