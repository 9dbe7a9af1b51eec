"""Whole studies with a model: what it is asked and when, decided by the journal alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from simulator.course import Course
from simulator.generators import generator
from simulator.model_client import make_model_client
from simulator.play import play
from tuitune.core import events as ev
from tuitune.core.placement.host import HostResources
from tuitune.core.search.proposal import AskModel, History
from tuitune.core.search.registry import make_model, make_searcher
from tuitune.core.search.start import START
from tuitune.core.space import Choice, FloatRange, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec
from tuitune.core.study import Study
from tuitune.engine.proposing import HistoryBuilder
from tuitune.messages.reasons import reason_words
from tuitune.model_process import ModelError
from tuitune.simulation.recorded import Point

SPACE = SearchSpace((FloatRange("x", 0.0, 1.0), Choice("kind", ("a", "b", "c"))))
PRUNINGS = {
    "none": PruningSpec("none"),
    "promote": PruningSpec("asha", "epoch", 1, 9, 3, "promote"),
    "model": PruningSpec("model", "epoch", 1, 9, 3, "promote"),
    "hyperband": PruningSpec("hyperband", "epoch", 1, 9, 3, "stop"),
    "median": PruningSpec("median", "epoch", 2, 9),
}
EVENTS = (ev.Decision.__args__, ev.Event.__args__)


class Misfortunes:
    """Every seventh trial crashes, every eleventh diverges; the others take their time."""

    def __init__(self, most: int) -> None:
        self.most = most

    def begin(self, order):
        rng = generator(order.trial)
        loss, seconds = rng.random(), rng.uniform(1.0, 9.0)
        first = (order.resume_step or 0) + 1
        points = [Point(at, loss + 1 / at, seconds) for at in range(first, self.most + 1)]
        if order.trial % 7 == 3:
            return Course(points[:2], "raises", saves=True)
        if order.trial % 11 == 4:
            points = [point._replace(value=float("nan")) for point in points]
        return Course(points, "returns", saves=True)


def spec_of(method: str, pruning: str, trials: int = 30, value: str = "last") -> StudySpec:
    return StudySpec(
        name="s",
        objective=Objective("loss", "min", value),
        trial=TrialSpec(target="t.py:train"),
        space=SPACE,
        search=SearchSpec(method, trials=trials, concurrency=3, seed=5),
        pruning=PRUNINGS[pruning],
        limits=Limits(),
        file="/s/s.toml",
    )


def played(spec: StudySpec, latency=lambda: 0.0, target=None):
    target = target or Misfortunes(spec.pruning.max or 9)
    model_client = make_model_client(spec, latency)
    return play(
        spec, make_searcher(SPACE, spec.search), target, HostResources(3.0, 0), model_client
    )


def questions(spec: StudySpec, facts):
    """(the answer in the journal, what was to be seen when it was asked), decided anew."""
    events = [fact for fact in facts if isinstance(fact, EVENTS[1])]
    study, seen = Study(spec), HistoryBuilder(spec, ())
    asked: dict[int, tuple[History, History, set[str]]] = {}
    for event in events:
        group = study.react(event)
        seen.note(group)
        for fact in group:
            if isinstance(fact, ev.Ask):
                afresh = HistoryBuilder(spec, ()).history(study.state)
                asked[fact.trial] = seen.history(study.state), afresh, set(study.tried)
    return [(fact, *asked[fact.trial]) for fact in facts if isinstance(fact, ev.Proposed)]


@pytest.mark.parametrize("pruning", PRUNINGS)
@pytest.mark.parametrize("method", ["tpe", "bohb", "bayes"])
def test_every_proposal_follows_from_the_journal_alone(method, pruning):
    """However long the answers took: a fresh model, told what the Ask saw, says the same."""
    value = "best" if pruning == "median" else "last"
    spec = spec_of(method, pruning, trials=15 if method == "bayes" else 30, value=value)
    rng = generator(1, "latency")
    facts = played(spec, lambda: rng.choice((0.0, 0.5, 30.0))).facts
    searcher = make_searcher(SPACE, spec.search)
    modelled = 0
    for fact, history, afresh, tried in questions(spec, facts):
        assert history == afresh or repr(history) == repr(afresh)  # NaN equals nothing
        found = searcher.propose(fact.trial, tried)
        if isinstance(found, AskModel):
            model = make_model(SPACE, spec.search, "min", spec.pruner.milestones)
            found = model.propose(fact.trial, history, tried)
            modelled += 1
        assert (found.config, found.origin, found.why) == (fact.config, fact.origin, fact.why)
    first = len(SPACE.searched) + 3 if method == "bohb" else START
    assert modelled == spec.search.trials - first


def test_the_same_seed_is_the_same_study():
    spec = spec_of("bayes", "promote", trials=12)
    assert repr(played(spec).facts) == repr(played(spec).facts)


def test_a_history_has_every_rung_in_every_bracket():
    spec = spec_of("tpe", "hyperband")
    history = HistoryBuilder(spec, ()).history(played(spec).study.state)
    full = [past.curve for past in history.past if past.curve and past.curve[-1][0] == 9]
    assert full
    assert all({at for at, _ in curve} == {1, 3, 9} for curve in full)
    failed = {past.trial for past in history.past if past.state == "failed"}
    trials = played(spec).study.state.trials
    assert failed == {t.number for t in trials if t.state == "FAILED" or t.diverged}


class Steady:
    """Trials of one report, each as long as the others."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def begin(self, order):
        return Course([Point(1, order.config["x"], self.seconds)], "returns")


def asks(facts):
    return [fact for fact in facts if isinstance(fact, ev.Ask)]


def test_it_is_asked_ahead_only_where_answers_take_long():
    spec = spec_of("tpe", "none", trials=60)
    quick = played(spec, lambda: 0.05, Steady(10.0))
    assert not any(ask.prefetched for ask in asks(quick.facts))
    slow = played(spec, lambda: 2.0, Steady(10.0))
    early = [ask.trial for ask in asks(slow.facts) if ask.prefetched]
    assert len(early) > 20
    assert early[0] > START
    idle = played(replace(spec, search=replace(spec.search, method="sobol")), target=Steady(10.0))
    waited = slow.seconds - idle.seconds
    assert waited < 40  # 54 answers of 2 s each between three: 36 s if slots waited for all of them


@pytest.mark.parametrize(("concurrency", "cpus"), [(1, 1.0), (None, 2.0)])
def test_with_one_slot_it_is_never_asked_ahead(concurrency, cpus):
    spec = spec_of("tpe", "none", trials=20)
    search, trial = replace(spec.search, concurrency=concurrency), replace(spec.trial, cpus=cpus)
    alone = played(replace(spec, search=search, trial=trial), lambda: 2.0, Steady(10.0))
    assert not any(ask.prefetched for ask in asks(alone.facts))


def test_a_study_goes_on_without_its_model_and_says_so():
    def dies():
        raise ModelError("its process ended twice")

    spec = spec_of("bayes", "promote")
    trials = played(spec, dies).study.state.trials
    assert len(trials) == spec.search.trials
    late = trials[START:]
    assert {trial.origin for trial in late} == {"fallback"}
    assert reason_words(late[0].why).endswith(", without a model: its process ended twice")


def test_a_space_that_ends_ends_the_study():
    space = SearchSpace((Choice("kind", tuple("abcdefgh")),))
    spec = replace(spec_of("bayes", "none"), space=space)
    searcher = make_searcher(space, spec.search)
    result = play(spec, searcher, Misfortunes(9), HostResources(3.0, 0), make_model_client(spec))
    assert len(result.study.state.trials) == 8
    assert result.study.state.exhausted == "all 8 configurations of the space have been tried"
