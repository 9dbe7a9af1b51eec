"""Whole studies on simulated trials, through the real engine."""

from __future__ import annotations

from collections import Counter

import pytest
from msgspec.structs import replace

from simulator.clock import StalledError
from simulator.course import Course
from simulator.play import play
from simulator.tables import CurveTable
from tuitune.core import events as ev
from tuitune.core.placement.host import HostResources
from tuitune.core.search.registry import make_searcher
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.simulation.recorded import Point

SPACE = SearchSpace((FloatRange("x", 0.0, 1.0, log=False, step=None, when={}),))
SPEC = StudySpec(
    name="s",
    objective=Objective("loss", "min"),
    trial=TrialSpec(target="t.py:train"),
    space=SPACE,
    search=SearchSpec("random", trials=9, concurrency=2),
    pruning=PruningSpec("asha", "epoch", 1, 9, 3, "promote"),
    limits=Limits(),
    file="/s/s.toml",
)


def table_of(trials: int, steps: int = 9) -> CurveTable:
    losses = [[trial + 1 / step for step in range(1, steps + 1)] for trial in range(trials)]
    return CurveTable(losses, [[1.0] * steps] * trials, range(trials))


class Target:
    """Every attempt follows the same course."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self.orders = []

    def begin(self, order):
        self.orders.append(order)
        return self.course


def played(spec: StudySpec, course: Course):
    target = Target(course)
    return play(spec, make_searcher(SPACE, spec.search), target, HostResources(2.0, 0)), target


def test_a_table_of_curves_is_pruned_as_told():
    table = table_of(27)
    spec = replace(SPEC, space=table.space, search=replace(SPEC.search, trials=27))
    result = play(spec, table, table, HostResources(2.0, 0))
    steps = Counter(trial.step for trial in result.study.state.trials)
    assert steps == {1: 18, 3: 6, 9: 3}
    best, partial = result.study.best()
    assert best is not None
    assert (best.number, partial) == (0, False)


def test_a_promoted_trial_goes_on_from_its_checkpoint():
    table = table_of(9)
    spec = replace(SPEC, space=table.space)
    facts = play(spec, table, table, HostResources(1.0, 0)).facts
    again = [fact for fact in facts if isinstance(fact, ev.Started) and fact.attempt]
    assert again
    assert all(fact.resumed_from in (1, 3) for fact in again)
    seen = [(fact.trial, fact.step) for fact in facts if isinstance(fact, ev.Reported)]
    assert len(seen) == len(set(seen))


def test_trials_take_the_time_that_they_take():
    spec = replace(SPEC, pruning=PruningSpec(), search=SearchSpec("random", trials=4))
    result, _ = played(spec, Course([Point(1, 0.5, 100.0)], startup=5.0))
    assert result.seconds == pytest.approx(210.0, abs=0.1)  # two at once


def test_crashes_are_tried_again_and_then_fail():
    trial = replace(SPEC.trial, retries=1)
    spec = replace(SPEC, trial=trial, search=SearchSpec(trials=1), pruning=PruningSpec())
    result, target = played(spec, Course([Point(1, 0.5, 120.0)], end="raises"))
    assert [trial.state for trial in result.study.state.trials] == ["FAILED"]
    assert len(target.orders) == 2


def test_a_hang_ends_by_the_timeout_and_a_signal():
    trial = replace(SPEC.trial, timeout=50.0)
    spec = replace(SPEC, trial=trial, search=SearchSpec(trials=1))
    result, _ = played(spec, Course([], end="hangs", heeds="kill"))
    signals = [fact.how for fact in result.facts if isinstance(fact, ev.Signal)]
    assert signals == ["ask", "term", "kill"]
    assert [trial.state for trial in result.study.state.trials] == ["FAILED"]


def test_silence_is_told_at_its_time_again_once_the_trial_has_spoken():
    spec = replace(SPEC, search=SearchSpec("random", trials=1), pruning=PruningSpec())
    points = [Point(1, 0.5, 1.0), Point(2, 0.4, 701.0), Point(3, 0.3, 10_000.0)]
    result, _ = played(spec, Course(points))
    spoken = [fact.time for fact in result.facts if isinstance(fact, ev.Reported)]
    silences = [fact.time for fact in result.facts if isinstance(fact, ev.Silent)]
    # 600 s after a sign of life, or ten times the longest pause
    assert silences == pytest.approx([spoken[0] + 600.0, spoken[1] + 7_010.0], abs=0.1)


def test_where_a_record_ends_the_trial_is_unknown():
    spec = replace(SPEC, pruning=PruningSpec(max=9), search=SearchSpec("random", trials=2))
    result, _ = played(spec, Course([Point(1, 0.5, 1.0)], end="unknown"))
    assert result.unknown == {0, 1}
    assert {trial.state for trial in result.study.state.trials} == {"KILLED"}


def test_a_study_that_can_never_end_says_so():
    spec = replace(SPEC, search=SearchSpec(trials=1))
    with pytest.raises(StalledError):
        played(spec, Course([], end="hangs"))
