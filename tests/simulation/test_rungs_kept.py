"""Hyperband's rungs are counted from the maximum; a study that began with others keeps them."""

from __future__ import annotations

from random import Random
from typing import get_args

import msgspec
import pytest
from msgspec.structs import replace

from simulator.course import Course
from simulator.play import play
from tuitune.core import events as ev
from tuitune.core.placement.host import HostResources
from tuitune.core.pruning.registry import pruner_kind
from tuitune.core.search.registry import make_searcher
from tuitune.core.space import FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study import Study
from tuitune.engine.context import opening_events
from tuitune.simulation.recorded import Point, read
from tuitune.simulation.replay import compare
from tuitune.studyfile.changes import changes

SPACE = SearchSpace((FloatRange("x", 0.0, 1.0, log=False, step=None, when={}),))
EVENTS = frozenset(get_args(ev.Event))
OLD_STEPS = {1, 2, 4, 8, 16, 32, 64}
PAPER_STEPS = {2, 3, 6, 13, 25, 50}
PAPER = PruningSpec("hyperband", "epoch", 1, 100, 2)
encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(ev.AnyFact).decode


def spec_of(style: str, anchor: str = "max") -> StudySpec:
    return StudySpec(
        name="s",
        objective=Objective("loss", "min"),
        trial=TrialSpec(target="t.py:train"),
        space=SPACE,
        search=SearchSpec("random", trials=150, concurrency=4),
        pruning=PruningSpec("hyperband", "epoch", 1, 100, 2, style, anchor=anchor),
        limits=Limits(),
        file="/s/s.toml",
    )


class Target:
    """No two reports come at the same time: which is the first then is not on record."""

    def begin(self, order):
        rng = Random(order.trial)
        level, start = rng.random(), order.resume_step or 0
        points = [
            Point(step, level + rng.random() / step, rng.uniform(0.9, 1.1))
            for step in range(1, 101)
        ]
        return Course([point for point in points if point.step > start], saves=True)


def played(spec: StudySpec):
    return play(spec, make_searcher(SPACE, spec.search), Target(), HostResources(4.0, 0))


def as_written_before(fact: ev.AnyFact) -> bytes:
    """As versions that knew of one rule only have it in their journals."""
    fields = msgspec.msgpack.decode(encode(fact))
    if isinstance(fact, ev.Opened | ev.Promoted):
        fields = fields[:-1]
    return encode(fields)


@pytest.fixture(scope="module", params=["promote", "stop"])
def old(request):
    """(facts as read today, the state at their end)"""
    result = played(spec_of(request.param, "min"))
    return request.param, [decode(as_written_before(f)) for f in result.facts], result.study


def rungs_of(facts) -> set[int]:
    return {f.rung for f in facts if isinstance(f, ev.Verdict) and f.rung is not None}


def test_a_new_study_is_judged_where_the_paper_has_it():
    facts = played(spec_of("stop")).facts
    assert rungs_of(facts) == PAPER_STEPS


@pytest.mark.parametrize("style", ["promote", "stop"])
def test_a_bracket_that_the_paper_never_cuts_is_trained_to_the_end(style):
    result = played(spec_of(style))
    plan = pruner_kind(PAPER).make(PAPER, "min").plan
    uncut = [t for t in result.study.state.trials if plan.bracket_of(t.number) == 6]
    assert len(uncut) > 3
    assert {trial.state for trial in uncut} == {"COMPLETE"}
    judged = {f.trial for f in result.facts if isinstance(f, ev.Verdict) and f.action != "complete"}
    assert not judged & {trial.number for trial in uncut}


def test_an_old_journal_leads_to_the_same_decisions_byte_for_byte(old):
    style, facts, _ = old
    study = Study(spec_of(style))
    again = [fact for e in facts if type(e) in EVENTS for fact in study.react(e)]
    assert list(map(encode, again)) == list(map(encode, facts))
    assert rungs_of(facts) <= OLD_STEPS
    assert 64 in rungs_of(facts)


def test_an_old_journal_is_the_state_that_it_was(old):
    style, facts, was = old
    study = Study(spec_of(style))
    study.replay(facts)
    assert study.snapshot() == was.snapshot()


def test_an_old_study_goes_on_with_its_rungs(old):
    """From its snapshot, with another engine, which would begin a new one otherwise."""
    style, facts, was = old
    cut = len(facts) // 2
    study = Study(spec_of(style))
    study.replay(facts[:cut])
    taken_up = Study(spec_of(style), study.snapshot())
    assert taken_up.spec.pruning.anchor == "min"
    (opened, *lost) = opening_events(taken_up, HostResources(4.0, 0), facts[cut].time)
    for event in (opened, *lost):
        taken_up.react(event)
    assert taken_up.state.pruner.anchor == "min"
    assert taken_up.spec.pruning.anchor == "min"
    assert len(taken_up.state.pruner.memory.brackets[0]) == len(OLD_STEPS)
    assert was.spec.pruning.anchor == "min"


def test_that_rungs_are_older_makes_no_other_study_of_it():
    assert changes(spec_of("stop", "min"), spec_of("stop")) == ([], [])


def test_an_old_study_is_simulated_with_its_rungs(old):
    style, facts, _ = old
    spec = spec_of(style)
    same = compare(spec, spec, read(facts, "loss"))
    assert same.unknown == []
    assert same.now.steps == same.then.steps
    other = replace(spec, pruning=replace(spec.pruning, reduction=4))
    assert compare(spec, other, read(facts, "loss")).now.steps != same.now.steps
