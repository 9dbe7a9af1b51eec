"""The model as a study meets it: what it proposes, whatever it has seen."""

from __future__ import annotations

import math
import re
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from tuitune.core.search.bayes import gaussian_process as posterior_room
from tuitune.core.search.bayes.exploration import ExplorationPolicy
from tuitune.core.search.bayes.model import bayes_model
from tuitune.core.search.bayes.observations import Observations
from tuitune.core.search.proposal import History, Past, identity
from tuitune.core.search.sobol import sobol_searcher
from tuitune.core.search.start import start_then_model
from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled, SearchSpace
from tuitune.messages.reasons import reason_words

MIXED = SearchSpace(
    (
        FloatRange("lr", 1e-5, 1.0, log=True),
        FloatRange("dropout", 0.0, 0.6, step=0.1),
        IntRange("layers", 1, 6),
        IntRange("width", 16, 1024, log=True),
        PowerRange("batch", 4, 256),
        Choice("optimizer", ("sgd", "adam", "lion")),
        FloatRange("momentum", 0.0, 0.99, when={"optimizer": ("sgd",)}),
        Fixed("epochs", 10),
    )
)
RUNGS = (1, 3, 9, 27)


def loss(config):
    far = (math.log10(config["lr"]) + 2.5) ** 2 + (config["dropout"] - 0.2) ** 2
    far += 0.1 * abs(config["layers"] - 3)
    return far + (abs(config["momentum"] - 0.9) if config["optimizer"] == "sgd" else 0.5)


def ended(trial, config, value, resource=1):
    return Past(trial, config, ((resource, value),), "ended")


def tried_of(space, past):
    return {identity(space, trial.config) for trial in past}


def search(space, objective, trials, start=6, mode="min", seed=0, rungs=()):
    """A study of one worker, as its history."""
    model, sobol = bayes_model(space, seed, mode, rungs), sobol_searcher(space, seed)
    past, tried = [], set()
    for trial in range(trials):
        asked = sobol.propose(trial, tried) if trial < start else None
        proposal = asked or model.propose(trial, History(tuple(past)), tried)
        if proposal is None:
            break
        assert space.problems(proposal.config, partial=False) == []
        tried.add(identity(space, proposal.config))
        past.append(objective(trial, proposal.config))
    return past


def sobol_history(space, trials, objective=loss, seed=1):
    sobol = sobol_searcher(space, seed)
    configs = [sobol.planned(trial).config for trial in range(trials)]
    return [ended(trial, config, objective(config)) for trial, config in enumerate(configs)]


def best(past, better=min):
    return better(trial.curve[-1][1] for trial in past if trial.curve)


def test_it_finds_what_chance_does_not():
    found = [
        best(search(MIXED, lambda t, c: ended(t, c, loss(c)), 25, seed=seed)) for seed in range(3)
    ]
    chance = [best(sobol_history(MIXED, 150, seed=seed)) for seed in range(3)]
    assert np.median(found) < np.median(chance)


def test_what_is_to_be_made_large_is():
    past = search(MIXED, lambda t, c: ended(t, c, -loss(c)), 40, mode="max")
    assert best(past, max) > -best(sobol_history(MIXED, 100))


@pytest.mark.parametrize("rungs", [(), RUNGS])
def test_a_fresh_model_answers_the_same(rungs):
    """Whatever the model was asked before, and in whatever order."""
    past = sobol_history(MIXED, 60)
    if rungs:
        past = [
            replace_curve(trial, tuple((r, trial.curve[0][1] + 1 / r) for r in rungs[: 1 + i % 4]))
            for i, trial in enumerate(past)
        ]
    asked = bayes_model(MIXED, 3, "min", rungs)
    answers = {}
    for count in (7, 30, 31, 55, 56, 60):
        history = History((*past[:count], Past(count, past[0].config, (), "pending")))
        answers[count] = asked.propose(count + 1, history, tried_of(MIXED, history.past))
    for count in (60, 31, 7):
        history = History((*past[:count], Past(count, past[0].config, (), "pending")))
        fresh = bayes_model(MIXED, 3, "min", rungs)
        tried = tried_of(MIXED, history.past)
        assert fresh.propose(count + 1, history, tried) == answers[count]
        assert asked.propose(count + 1, history, tried) == answers[count]


def replace_curve(past, curve):
    return Past(past.trial, past.config, curve, past.state)


def test_running_trials_are_not_repeated():
    """The same question with the answer already running gets another answer, far from it."""
    space = SearchSpace((FloatRange("x", 0.0, 1.0), FloatRange("y", 0.0, 1.0)))
    past = sobol_history(space, 12, lambda c: (c["x"] - 0.3) ** 2 + (c["y"] - 0.6) ** 2)
    model = bayes_model(space, 0, "min")
    asked, waiting = [], []
    for trial in range(12, 24):
        history = History((*past, *waiting))
        proposal = model.propose(trial, history, tried_of(space, history.past))
        asked.append([proposal.config["x"], proposal.config["y"]])
        waiting.append(Past(trial, proposal.config, (), "pending"))
    pairs = [(a, b) for i, a in enumerate(asked) for b in asked[:i]]
    assert min(max(abs(p - q) for p, q in zip(a, b, strict=True)) for a, b in pairs) > 0.02


def test_ends_of_ranges_are_proposed_where_the_data_speak_for_them():
    """Not along parameters that don't matter, where the model is only uncertain."""
    names = ["best_inside", "best_at_the_end", "idle", "idle_too", "idle_steps"]
    steps = [None, None, None, None, 0.1]
    space = SearchSpace(
        tuple(FloatRange(name, 0.0, 1.0, step=s) for name, s in zip(names, steps, strict=True))
    )

    def objective(trial, config):
        return ended(trial, config, (config["best_inside"] - 0.4) ** 2 + config["best_at_the_end"])

    late = [
        trial.config for seed in (0, 1) for trial in search(space, objective, 45, seed=seed)[20:]
    ]
    at_end = {name: sum(c[name] in {0.0, 1.0} for c in late) / len(late) for name in names}
    assert at_end["best_at_the_end"] > 0.4
    assert all(at_end[name] < 0.15 for name in names if name != "best_at_the_end"), at_end


def test_a_trial_that_has_shown_nothing_is_no_mark_to_improve_on():
    """The words name the mark; that of a hopeful running trial would be lower."""
    space = SearchSpace((FloatRange("x", 0.0, 1.0),))
    past = [
        ended(i, {"x": x}, abs(x - 0.5)) for i, x in enumerate((0.0, 0.15, 0.3, 0.7, 0.85, 1.0))
    ]
    running = Past(6, {"x": 0.5}, (), "pending")
    model = bayes_model(space, 0, "min")
    alone = reason_words(model.propose(7, History(tuple(past)), set()).why)
    beside = reason_words(model.propose(7, History((*past, running)), set()).why)
    assert (mark := re.search(r"on (\S+);", alone)) is not None
    assert f"on {mark[1]};" in beside


def test_failures_are_avoided():
    space = SearchSpace((FloatRange("x", 0.0, 1.0), FloatRange("y", 0.0, 1.0)))

    def objective(trial, config):
        if config["x"] > 0.5:  # the slope leads straight there
            return Past(trial, config, (), "failed")
        return ended(trial, config, -config["x"] + (config["y"] - 0.5) ** 2)

    past = search(space, objective, 40)
    failed = [trial.state == "failed" for trial in past]
    assert sum(failed[20:]) <= 7
    assert best(past) < -0.45


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_divergence_is_a_failure(value):
    past = sobol_history(MIXED, 20)
    past[3] = ended(3, past[3].config, value)
    past[8] = ended(8, past[8].config, value)
    model = bayes_model(MIXED, 0, "max")
    proposal = model.propose(20, History(tuple(past)), tried_of(MIXED, past))
    assert proposal.origin == "bayes"
    assert "nan" not in reason_words(proposal.why)
    assert "inf" not in reason_words(proposal.why)


@pytest.mark.parametrize("rungs", [(), RUNGS])
@pytest.mark.parametrize("state", ["failed", "pending"])
def test_no_outcome_at_all_falls_back_on_sobol(state, rungs):
    past = [Past(t.trial, t.config, (), state) for t in sobol_history(MIXED, 10)]
    proposal = bayes_model(MIXED, 0, "min", rungs).propose(
        10, History(tuple(past)), tried_of(MIXED, past)
    )
    assert proposal.origin == "sobol start"
    assert MIXED.problems(proposal.config, partial=False) == []


def test_nothing_known_at_all():
    proposal = bayes_model(MIXED, 0, "min").propose(0, History(), set())
    assert proposal.config == sobol_searcher(MIXED, 0).planned(0).config


@pytest.mark.parametrize("scale", [0.0, 1e30, 1e-30, 1e300, 5e-324])
def test_metrics_of_any_size(scale):
    past = search(MIXED, lambda t, c: ended(t, c, scale * loss(c)), 20)
    assert len({identity(MIXED, trial.config) for trial in past}) == 20


def test_the_size_of_the_metric_changes_no_answer():
    past = sobol_history(MIXED, 25)
    answers = []
    for scale in (1.0, 2.0**90, 2.0**-90):
        scaled = [ended(t.trial, t.config, t.curve[0][1] * scale) for t in past]
        model = bayes_model(MIXED, 0, "min")
        answers.append(model.propose(26, History(tuple(scaled)), tried_of(MIXED, past)).config)
    assert answers[0] == answers[1] == answers[2]


def test_one_parameter_and_one_outcome():
    space = SearchSpace((FloatRange("x", 0.0, 1.0),))
    model = bayes_model(space, 0, "min")
    for count in (1, 2, 3):
        past = [ended(i, {"x": 0.1 + 0.2 * i}, float(i)) for i in range(count)]
        proposal = model.propose(count, History(tuple(past)), tried_of(space, past))
        assert 0.0 <= proposal.config["x"] <= 1.0


def test_forty_parameters():
    space = SearchSpace(tuple(FloatRange(f"x{i}", 0.0, 1.0) for i in range(40)))

    def objective(trial, config):
        return ended(trial, config, (config["x3"] - 0.2) ** 2 + (config["x7"] - 0.9) ** 2)

    past = search(space, objective, 30)
    assert best(past) < best(past[:6])


def test_twenty_categories_and_no_number():
    space = SearchSpace(tuple(Choice(f"c{i}", ("a", "b", "c")) for i in range(20)))

    def objective(trial, config):
        return ended(trial, config, float(sum(value != "b" for value in config.values())))

    past = search(space, objective, 50)
    assert best(past) <= 5


def test_a_finite_space_ends_when_all_was_tried():
    space = SearchSpace((Choice("a", ("x", "y", "z")), IntRange("n", 1, 4)))
    past = search(space, lambda t, c: ended(t, c, c["n"] + len(c["a"])), 30)
    assert len(past) == 12
    assert len(tried_of(space, past)) == 12


def test_a_finite_space_ends_where_every_trial_failed_too():
    space = SearchSpace((IntRange("n", 1, 4),))
    past = tuple(Past(n, {"n": n + 1}, (), "failed") for n in range(4))
    tried = tried_of(space, past)
    assert bayes_model(space, 0, "min").propose(4, History(past), tried) is None


def test_duplicates_do_no_harm():
    config = MIXED.configuration([0.3] * len(MIXED.searched))
    past = [ended(trial, config, 1.0 + trial % 2) for trial in range(20)]
    proposal = bayes_model(MIXED, 0, "min").propose(20, History(tuple(past)), tried_of(MIXED, past))
    assert proposal.config != config


def test_three_thousand_trials():
    past = sobol_history(MIXED, 3000)
    model = bayes_model(MIXED, 0, "min")
    proposal = model.propose(3001, History(tuple(past)), tried_of(MIXED, past))
    assert "model of 3000 outcomes" in reason_words(proposal.why)
    assert loss(proposal.config) < np.median([trial.curve[0][1] for trial in past])


def test_a_model_that_cannot_be_factorised_says_so(monkeypatch):
    monkeypatch.setattr(posterior_room, "JITTERS", ())
    past = sobol_history(MIXED, 12)
    proposal = bayes_model(MIXED, 0, "min").propose(13, History(tuple(past)), tried_of(MIXED, past))
    assert proposal.origin == "fallback"
    assert "can't be factorised" in reason_words(proposal.why)


def test_where_bad_trials_are_stopped_early_the_start_is_longer():
    past = [
        Past(t.trial, t.config, ((1, loss(t.config)),), "ended") for t in sobol_history(MIXED, 8)
    ]
    history, tried = History(tuple(past)), tried_of(MIXED, past)
    assert bayes_model(MIXED, 0, "min", RUNGS).propose(8, history, tried).origin == "sobol start"
    assert bayes_model(MIXED, 0, "min").propose(8, history, tried).origin == "bayes"


def test_what_explores_says_so():
    past = sobol_history(MIXED, 12)
    model = bayes_model(MIXED, 0, "min")
    asked = [
        model.propose(trial, History(tuple(past)), tried_of(MIXED, past)) for trial in range(12, 80)
    ]
    explored = [proposal for proposal in asked if proposal.origin == "exploration"]
    assert 1 <= len(explored) <= 12
    assert all("explores" in reason_words(proposal.why) for proposal in explored)


def test_more_trials_explore_late_where_bad_ones_are_stopped_early():
    spread = np.linspace(0.2, 2.3, 30)
    early, late = (explored_of_400(trial, spread) for trial in (30, 60))
    assert early < 90 < late < 160


def explored_of_400(trial, outcomes):
    """How many of 400 draws explore, after these outcomes at the first rung."""
    policy = ExplorationPolicy(MIXED, sobol_searcher(MIXED, 0), cheap=True)
    count = len(outcomes)
    seen = Observations(np.arange(count), np.zeros(count, dtype=np.intp), np.array(outcomes))
    draws = (np.random.default_rng([trial, n]) for n in range(400))
    return sum(policy.explores(random, trial, seen) for random in draws)


def test_most_trials_explore_while_none_has_left_the_plateau():
    """Most configurations never learn; the model would follow differences of the fourth decimal."""
    chance = [0.6931 + 1e-4 * n for n in range(16)]
    diverged, broken = [2.9, 3.0, 3.0], [math.nan]
    assert explored_of_400(20, [*chance, *diverged, *broken]) > 250
    assert explored_of_400(20, [*chance, *diverged, 0.4]) < 100, "one has left it"
    assert explored_of_400(20, [0.1 * 2**n for n in range(20)]) < 100, "orders of magnitude"
    assert explored_of_400(20, chance[:5]) < 100, "too few to tell"


def test_a_flat_bottom_is_not_sampled_again_and_again():
    """Where the nearest trials had exactly the same outcome, another one would have it too."""
    space = SearchSpace(tuple(FloatRange(name, 0.0, 1.0) for name in "abc"))

    def stepped(trial, config):
        far = sum((config[name] - 0.4) ** 2 for name in "abc")
        return ended(trial, config, math.floor(8 * far) / 8)

    late = [t for seed in range(3) for t in search(space, stepped, 40, seed=seed)[20:]]
    assert 6 < sum(trial.curve[-1][1] == 0.0 for trial in late) < 36  # of 60; 46 with no such rule


def test_both_scales_are_used_with_rungs_too(monkeypatch):
    """On a plateau the logarithm alone would only tell apart what is all the same."""
    used = []

    def spied(observations, scale, _warped=Observations.warped):
        used.append(scale)
        return _warped(observations, scale)

    monkeypatch.setattr(Observations, "warped", spied)
    past = sobol_history(MIXED, 12)
    model = bayes_model(MIXED, 0, "min", RUNGS)
    for trial in (12, 13, 14, 15):
        model.propose(trial, History(tuple(past)), tried_of(MIXED, past))
    assert set(used) == {"log", "half-rank"}


def test_why_tells_what_the_model_believes():
    past = sobol_history(MIXED, 30)
    why = reason_words(
        bayes_model(MIXED, 0, "min").propose(31, History(tuple(past)), tried_of(MIXED, past)).why
    )
    for words in ("model of 30 outcomes", "expects", "expected improvement", "lr"):
        assert words in why


def test_partial_curves_teach():
    """Only short runs were seen of the good half, and the model goes there."""
    space = SearchSpace((FloatRange("x", 0.0, 1.0), FloatRange("y", 0.0, 1.0)))
    random, past = Random(5), []
    for trial in range(30):
        config = {"x": random.random(), "y": random.random()}
        level = abs(config["x"] - 0.8)
        rungs = RUNGS if config["x"] < 0.45 else RUNGS[:1]
        past.append(Past(trial, config, tuple((r, level + 1 / r) for r in rungs), "ended"))
    model = bayes_model(space, 0, "min", RUNGS)
    asked = [
        model.propose(trial, History(tuple(past)), tried_of(space, past)) for trial in range(30, 36)
    ]
    xs = [proposal.config["x"] for proposal in asked if proposal.origin == "bayes"]
    assert np.median(xs) > 0.6


def test_short_runs_that_rank_poorly_are_noticed():
    """The first rung likes what the end doesn't: the model follows the end, and says why."""
    space = SearchSpace((FloatRange("x", 0.0, 1.0),))
    random, past = Random(6), []
    for trial in range(40):
        x = random.random()
        short, long = (x - 0.1) ** 2, (x - 0.7) ** 2
        curve = ((1, short), (3, long + 0.1), (9, long + 0.05), (27, long))
        past.append(Past(trial, {"x": x}, curve if trial % 2 else curve[:1], "ended"))
    model, history = bayes_model(space, 0, "min", RUNGS), History(tuple(past))
    asked = [model.propose(trial, history, tried_of(space, past)) for trial in range(40, 48)]
    proposal = next(proposal for proposal in asked if proposal.origin == "bayes")
    assert "short runs count for little" in reason_words(proposal.why)
    assert abs(proposal.config["x"] - 0.7) < 0.15


def test_drawn_values_are_seen_and_not_chosen():
    space = SearchSpace((FloatRange("x", 0.0, 1.0), Sampled("noise", "train.py:noise")))
    random, past = Random(7), []
    for trial in range(24):
        config = {"x": random.random(), "noise": random.random()}
        past.append(ended(trial, config, (config["x"] - 0.4) ** 2 + 3.0 * config["noise"]))
    model, history = bayes_model(space, 0, "min"), History(tuple(past))
    asked = [model.propose(trial, history, set()) for trial in range(24, 33)]
    assert all(set(proposal.config) == {"x"} for proposal in asked)
    # The drawn value explains nearly all that outcomes differ by.
    assert abs(np.median([proposal.config["x"] for proposal in asked]) - 0.4) < 0.15
    words = [ended(t.trial, t.config | {"noise": ["a", "b"][t.trial % 2]}, 0.1 * i)
             for i, t in enumerate(past)]  # fmt: skip
    assert bayes_model(space, 0, "min").propose(25, History(tuple(words)), set()) is not None


def bayes_start(index):
    return start_then_model(MIXED, 0, informed=False).planned(index).config


def informed(earlier, trials, seed=0):
    """The first trials of a study that learns from earlier ones."""
    model = bayes_model(MIXED, seed, "min")
    past, tried = [], set()
    for trial in range(trials):
        proposal = model.propose(trial, History(tuple(past), earlier), tried)
        tried.add(identity(MIXED, proposal.config))
        past.append(ended(trial, proposal.config, loss(proposal.config)))
    return past


def test_earlier_studies_are_learned_from():
    """Their best come first; then the model knows where to go before this study told it."""
    earlier = tuple(sobol_history(MIXED, 40, lambda c: 100.0 * loss(c)))
    ranked = sorted(earlier, key=lambda trial: trial.curve[0][1])
    past = informed(earlier, 9)
    proven, own = [trial.config for trial in ranked[:3]], bayes_start(0)
    assert [trial.config for trial in past[:4]] == [proven[0], own, *proven[1:]]
    first = bayes_model(MIXED, 0, "min").propose(3, History((), earlier), tried_of(MIXED, earlier))
    assert reason_words(first.why).startswith(
        "model of 40 outcomes; matters"
    )  # nothing of this study to expect
    chance = np.median([trial.curve[0][1] for trial in sobol_history(MIXED, 40)])
    assert np.median([trial.curve[0][1] for trial in past[3:]]) < 0.6 * chance


def test_earlier_studies_that_mislead_are_overruled():
    earlier = tuple(sobol_history(MIXED, 40, lambda c: -loss(c)))
    misled = [best(informed(earlier, 40, seed)) for seed in range(4)]
    plain = [best(sobol_history(MIXED, 40, seed=seed)) for seed in range(4)]
    assert np.median(misled) < np.median(plain)


def test_a_study_that_misleads_is_left_after_its_best_trials():
    """Own trials are not ranked as it would, and what it has said no longer counts."""
    earlier = tuple(sobol_history(MIXED, 40, lambda c: -loss(c)))
    past = informed(earlier, 8)
    own = [bayes_start(index) for index in range(6)]
    ranked = sorted(earlier, key=lambda trial: trial.curve[0][1])
    assert past[0].config == ranked[0].config
    assert sum(trial.config in [other.config for other in ranked[:5]] for trial in past) <= 2
    assert sum(trial.config in own for trial in past) >= 5


def test_likely_values_come_before_the_best_of_earlier_studies():
    space = SearchSpace((FloatRange("x", 0.0, 1.0, likely=(0.25,)), FloatRange("y", 0.0, 1.0)))
    earlier = tuple(sobol_history(space, 20, lambda c: abs(c["x"] - 0.5)))
    first = bayes_model(space, 0, "min").propose(0, History((), earlier), set())
    assert first.config["x"] == 0.25


def test_beliefs_that_are_wrong_everywhere_are_given_up_after_some_trials():
    believed = [FloatRange(name, 0.0, 1.0, likely=(0.95,)) for name in "xyz"]
    space = SearchSpace(tuple(believed))

    def objective(config):
        return sum((value - 0.25) ** 2 for value in config.values())

    past = sobol_history(space, 12, objective)
    model = bayes_model(space, 0, "min")
    history, tried = History(tuple(past)), tried_of(space, past)
    found = [objective(model.propose(n, history, tried).config) for n in range(20, 28)]
    assert np.median(found) < 0.5


def test_beliefs_draw_the_first_trials_and_fade():
    """A belief in the wrong place draws the model at first, and is overruled later."""
    believed = FloatRange("x", 0.0, 1.0, likely=(0.9,))
    space = SearchSpace((believed, Choice("c", ("a", "b", "d"), likely=("d",))))

    def asked(count):
        random = Random(8)
        past = [
            ended(t, {"x": (x := random.random()), "c": (c := random.choice("abd"))},
                  (x - 0.2) ** 2 + (c != "a"))
            for t in range(count)
        ]  # fmt: skip
        model = bayes_model(space, 0, "min")
        return model.propose(count + 1, History(tuple(past)), tried_of(space, past)).config

    drawn = asked(2)
    assert abs(drawn["x"] - 0.9) < 0.25
    assert drawn["c"] == "d"
    later = asked(60)
    assert abs(later["x"] - 0.2) < 0.1
    assert later["c"] == "a"


parameters = st.sampled_from(MIXED.parameters[:6])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(parameters, min_size=1, max_size=5, unique_by=lambda p: p.name),
    st.lists(
        st.one_of(st.floats(-1e6, 1e6), st.just(math.nan), st.none()), min_size=1, max_size=12
    ),
    st.sampled_from(["min", "max"]),
    st.booleans(),
)
def test_any_history_gets_a_possible_answer(chosen, values, mode, with_rungs):
    space = SearchSpace(tuple(replace(p, when={}) for p in chosen))
    sobol, rungs = sobol_searcher(space, 0), RUNGS if with_rungs else ()
    past = []
    for trial, value in enumerate(values):
        curve = () if value is None else tuple((r, value) for r in (rungs or (1,))[: 1 + trial % 4])
        state = ("failed", "pending")[trial % 2] if value is None else "ended"
        past.append(Past(trial, sobol.planned(trial).config, curve, state))
    tried = tried_of(space, past)
    proposal = bayes_model(space, 0, mode, rungs).propose(len(past), History(tuple(past)), tried)
    if proposal is None:
        assert len(tried) == space.size
    else:
        assert space.problems(proposal.config, partial=False) == []
        assert identity(space, proposal.config) not in tried
