"""A recorded study run again without an engine has the same facts as with one."""

from __future__ import annotations

import math
from random import Random

import pytest
from msgspec.structs import replace

from simulator.course import Course
from simulator.play import play
from simulator.recorded_play import play_recording
from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.placement.host import HostResources
from tuitune.core.search.registry import make_searcher
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.simulation.recorded import Point, Record, Recording, read, replayable
from tuitune.simulation.replay import thinned
from tuitune.simulation.rerun import rerun

MACHINE = HostResources(8.0, 1 << 30)


class Trials:
    """Training code of one random kind: how long, how slow, how often it fails or omits the metric."""

    def __init__(self, random: Random) -> None:
        self.saves = random.random() < 0.6
        self._seed = random.random()
        self._fails = random.choice([0.0, 0.1, 0.4])
        self._omits = random.choice([0.0, 0.1])
        self._pace = random.choice([1.0, 1.0, 900.0])
        self._length = random.choice([15, 27, 27, 81])

    def begin(self, order):
        random = Random(f"{self._seed}/{order.trial}")
        level, step, points = random.random(), 0, []
        fails = random.random() < self._fails
        for _ in range(random.randint(0, self._length) if fails else self._length):
            step += random.choice([1, 1, 1, 2])
            value = level + random.uniform(0.2, 2.0) / step
            value = None if random.random() < self._omits else value
            value = math.nan if random.random() < 0.01 else value
            points.append(Point(step, value, random.uniform(0.5, 1.5) * self._pace))
        left = [point for point in points if point.step > (order.resume_step or 0)]
        end = "raises" if fails else "returns"
        times = {"startup": random.random(), "ending": random.random()}
        return Course(left, end, saves=self.saves, **times)


def study(random: Random) -> StudySpec:
    method = random.choice(["none", "asha", "hyperband", "median"])
    pruning = PruningSpec(
        method=method,
        resource=random.choice(["epoch", "epoch", ""]) if method == "none" else "epoch",
        max=random.choice([9, 27, 30, 81, *([None] if method in ("none", "median") else [])]),
        reduction=random.choice([2, 3, 4]),
        style=random.choice(["auto", "promote", "stop"]),
    )
    return StudySpec(
        name="toy",
        objective=Objective("loss", random.choice(["min", "max"]), random.choice(["last", "best"])),
        trial=TrialSpec(
            target="toy.py:train", checkpoint_every=random.choice([0.5, 5.0, 60.0, 600.0])
        ),
        space=SearchSpace((FloatRange("x", 0.0, 1.0),)),
        search=SearchSpec(
            method="random", trials=random.randint(1, 40), concurrency=random.randint(1, 6)
        ),
        pruning=pruning,
        limits=Limits(),
        file="/studies/toy.toml",
    )


def recorded(random: Random) -> tuple[StudySpec, Recording]:
    spec = study(random)
    searcher = make_searcher(spec.space, spec.search)
    played = play(spec, searcher, Trials(random), MACHINE, gives_up=random.random() < 0.5)
    return spec, read(played.facts, "loss")


def plain(fact: ev.AnyFact) -> tuple[object, ...]:
    """Equal for equal facts: times are sums of the same floats in another order."""
    values = (getattr(fact, name) for name in fact.__struct_fields__)
    return type(fact).__name__, *(
        str(round(value, 4)) if isinstance(value, float) else str(value) for value in values
    )


@pytest.mark.parametrize(
    "seeds", [range(start, start + 20) for start in range(0, 120, 20)], ids=str
)
def test_facts_are_those_of_the_engine(seeds):
    for seed in seeds:
        random = Random(seed)
        spec, recording = recorded(random)
        changed = replace(study(random), objective=spec.objective)
        changed = replayable(changed, len(recording.trials), recording.together)
        if random.random() < 0.5:
            fewer = [thinned(record, changed) for record in recording.trials]
            recording = replace(recording, trials=fewer)
        engines = play_recording(changed, recording, spec.pruning.max)
        again = rerun(changed, recording, spec.pruning.max)
        assert list(map(plain, again.facts)) == list(map(plain, engines.facts)), seed
        assert again.unknown == engines.unknown
        assert again.seconds == pytest.approx(engines.seconds)
        own, others = again.study.state.trials, engines.study.state.trials
        assert [trial.state for trial in own] == [trial.state for trial in others]


def test_the_seeds_see_all_that_may_happen():
    """So that the test above compares what it is there for."""
    seen: set[str] = set()
    for seed in range(60):
        random = Random(seed)
        spec, recording = recorded(random)
        changed = replace(study(random), objective=spec.objective)
        changed = replayable(changed, len(recording.trials), recording.together)
        again = rerun(changed, recording, spec.pruning.max)
        seen.update(type(fact).__name__ for fact in again.facts)
        seen.update(f.action for f in again.facts if isinstance(f, ev.Verdict))
        seen.update(f.state for f in again.facts if isinstance(f, ev.Settled))
        seen.update("resumed" for f in again.facts if isinstance(f, ev.Started) and f.resumed_from)
        seen.update(f.reason for f in again.facts if isinstance(f, ev.Signal))
        seen.update(
            "to its end" for f in again.facts if isinstance(f, ev.Promoted) and not f.by_rank
        )
    assert seen >= {
        *("Checkpointed", "DeadlinePassed", "Silent", "Promoted", "KillAsked", "StyleChosen"),
        *("go", "stop", "pause", "complete", "resumed", "killed", "to its end"),
        *(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED, TrialState.KILLED),
    }


def one_record(points, state=TrialState.COMPLETE, **more) -> Recording:
    record = Record(0, {"x": 0.5}, "random", "", state, points, **more)
    return Recording([record], MACHINE, saves=False, steps=0, seconds=0.0)


def spec_of(most: int | None) -> StudySpec:
    pruning = PruningSpec(method="none", resource="epoch", max=most)
    return replace(study(Random(0)), pruning=pruning, search=SearchSpec(method="random", trials=1))


def test_a_trial_that_stays_long_after_its_last_step_is_ended_as_by_an_engine():
    """The maximum is lowered to a step after which the next report is an hour away."""
    recording = one_record([Point(9, 1.0, 1.0), Point(10, 0.9, 3600.0)])
    again = rerun(spec_of(9), recording, 27)
    engines = play_recording(spec_of(9), recording, 27)
    assert list(map(plain, again.facts)) == list(map(plain, engines.facts))
    assert [f.reason for f in again.facts if isinstance(f, ev.Signal)] == ["overdue", "overdue"]
    assert again.study.state.trials[0].state == TrialState.COMPLETE
    assert again.seconds < 700


def test_a_trial_of_unknown_end_is_not_known_to_have_come_to_it():
    recording = one_record([Point(9, 1.0, 1.0)], TrialState.PRUNED)
    assert rerun(spec_of(27), recording, 27).unknown == {0}
    recording = one_record([Point(27, 1.0, 1.0)])
    assert rerun(spec_of(27), recording, 27).unknown == set()
    assert rerun(spec_of(81), recording, 27).unknown == {0}
    assert rerun(spec_of(None), recording, None).unknown == set()
