"""The model of GPUs for packing policies, and recorded studies that ran on real GPUs."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, strategies as st

from simulator.gpus import Program, SimulatedGpus, pace
from tuitune.core import events as ev
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.simulation.recorded import read, replayable

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SPEC = StudySpec(
    name="s",
    objective=Objective("loss", "min"),
    trial=TrialSpec(target="t.py:train", gpus="auto"),
    space=SearchSpace((FloatRange("x", 0.0, 1.0),)),
    search=SearchSpec(trials=4, concurrency=9),
    pruning=PruningSpec(),
    limits=Limits(),
    file="/s/s.toml",
)


def program(duty: float = 0.5, friction: float = 0.0, memory: int = 10) -> Program:
    return Program([1.0, 1.0], duty, friction, [(0.0, memory // 2), (1.5, memory)])


def test_one_alone_goes_at_its_own_pace_and_idle_ones_hinder_nobody():
    assert pace([program()]) == pytest.approx(1.0)
    assert pace([program(duty=0.0)] * 9) == pytest.approx(1.0)
    assert pace([program(duty=1.0)] * 4) == pytest.approx(1 / 4)


@given(duty=st.floats(0.01, 1.0), friction=st.floats(0, 0.5), count=st.integers(1, 10))
def test_more_never_go_faster_nor_do_more_than_the_gpu_can(duty, friction, count):
    some, more = ([program(duty, friction)] * n for n in (count, count + 1))
    assert pace(more) <= pace(some) + 1e-9
    assert len(more) * pace(more) * duty <= 1 + 1e-9


def test_who_asks_for_more_than_there_is_dies_and_others_are_hurt_by_the_newcomer():
    box = SimulatedGpus(1, 16)
    box.start(0, program(), 0)
    happened = [box.step() for _ in range(2)]  # its first memory, its first report
    assert [h.what for h in happened] == ["memory", "report"]
    box.start(1, program(memory=20), 0)
    assert box.step()[1:] == ("memory", 1, 10)
    assert box.step()[1:3] == ("oom", 0)
    assert box.hurt == 1
    assert list(box.residents(0)) == [1]


@pytest.mark.parametrize("kind", ["12 of 0.05 s", "late 1"])
def test_short_trials_are_packed_soon_and_none_is_hurt(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from measured.packed_mixes import Short  # noqa: PLC0415 - of the benchmarks
    from packing_figures import Ours, Plain, fixed  # noqa: PLC0415

    workload, chance = Short(kind), Random(1)
    todo = [workload.trial(chance) for _ in range(60)]
    one, eight = (Plain(todo, 1, pace).run(fixed(k)).seconds for k in (1, 8))
    ours = Ours(todo, 1, pace).run()
    assert (ours.hurt, ours.ooms) == (0, 0)
    assert ours.seconds < min(one / 2, 1.6 * eight)


def test_work_begins_only_after_the_start():
    box = SimulatedGpus(1, 16)
    one = program(duty=1.0)
    box.start(0, one, 0)
    box.start(1, Program(one.reports, 1.0, 0.0, one.memory, start=0.5), 0)
    times = [happened.time for _ in range(8) if (happened := box.step()).what == "report"]
    assert times[0] == pytest.approx(1.5)  # half a second alone, then at half the pace


def test_a_study_that_ran_on_gpus_is_played_again_as_many_at_once():
    settings = ev.Settings(2, None, 1.0, None, 0, None, None, None, "auto")
    facts: list[ev.AnyFact] = [ev.Opened(0.0, settings, 8.0, 1 << 30)]
    for trial in (0, 1):
        facts += [
            ev.Proposed(0.0, trial, {"x": 0.5}, "random", ""),
            ev.Launch(0.0, trial, 0, "GPU 0", 1.0, 0, ("g0",)),
        ]
    facts += [ev.Reported(float(trial + 1), trial, 0, 1, {"loss": 1.0}) for trial in (0, 1)]
    recording = read(facts, "loss")
    assert recording.together == 2
    spec = replayable(SPEC, 2, recording.together)
    assert (spec.trial.gpus, spec.search.concurrency) == (0.0, 2)
