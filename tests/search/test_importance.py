"""Importance of parameters: the forest finds what matters, and shows when it knows nothing."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import dataclass, field
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tuitune.core.search.forest import correlation, fit_forest, ranks
from tuitune.core.search.importance import Importance, importance_of, is_due
from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, Sampled, SearchSpace
from tuitune.core.spec import Limits, Objective, PruningSpec, SearchSpec, StudySpec, TrialSpec


@dataclass(frozen=True)
class Trial:
    number: int
    config: dict
    value: float | None
    state: str = "COMPLETE"
    rung: int | None = None
    extra: dict = field(default_factory=dict)


def spec(*parameters, mode="min") -> StudySpec:
    return StudySpec(
        name="toy",
        objective=Objective("loss", mode),
        trial=TrialSpec(target="toy.py:train"),
        space=SearchSpace(parameters),
        search=SearchSpec(method="sobol", trials=20),
        pruning=PruningSpec(method="none"),
        limits=Limits(),
        file="/studies/toy.toml",
    )


def rises(found: Importance) -> dict[str, float]:
    return {one.name: one.rise for one in found.parameters}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 3), st.integers(0, 1000))
def test_the_one_column_that_matters_is_found(planted, seed):
    columns = np.random.default_rng(seed).random((80, 4))
    found = fit_forest(columns, [True] * 4, ranks((columns[:, planted] - 0.4) ** 2))
    assert np.argmax(found.importance) == planted
    assert found.rank > 0.5
    assert found.r2 > 0.3


def test_two_columns_matter_in_the_proportion_of_their_variances():
    columns = np.random.default_rng(1).random((400, 3))
    found = fit_forest(columns, [True] * 3, 2 * columns[:, 0] + columns[:, 1])
    # a permutation doubles a column's share of the variance: 2 * 4/5 and 2 * 1/5
    assert found.importance == pytest.approx([1.6, 0.4, 0.0], abs=0.25)
    assert found.r2 > 0.9


def test_categories_have_no_order():
    random = np.random.default_rng(3)
    categories = random.integers(5, size=120)
    columns = np.column_stack([(categories + 0.5) / 5, random.random(120)])
    targets = np.isin(categories, (1, 4)).astype(float)
    found = fit_forest(columns, [False, True], targets)
    assert found.importance[0] > 10 * found.importance[1]
    assert found.r2 > 0.9


def test_a_column_that_exists_in_some_rows_only():
    random = np.random.default_rng(4)
    own = np.where(random.random(150) < 0.4, random.random(150), np.nan)
    columns = np.column_stack([random.random(150), own])
    found = fit_forest(columns, [True, True], np.where(np.isnan(own), 0.5, own))
    assert found.importance[1] > 10 * abs(found.importance[0])
    # values are permuted among the rows that have one: whether it exists is not its importance
    found = fit_forest(columns, [True, True], np.isnan(own).astype(float))
    assert found.importance[1] == pytest.approx(0.0, abs=0.02)
    assert found.r2 > 0.9


def test_noise_gives_a_worthless_forest():
    random = np.random.default_rng(5)
    found = fit_forest(random.random((60, 3)), [True] * 3, ranks(random.random(60)))
    assert found.r2 < 0.2


def test_equal_input_gives_an_equal_answer():
    columns = np.arange(60.0).reshape(30, 2) % 7 / 7
    one, other = (fit_forest(columns, [True, False], columns[:, 0]) for _ in range(2))
    assert one.importance.tolist() == other.importance.tolist()
    assert one[1:] == other[1:]


def test_what_does_not_vary_breaks_nothing():
    found = fit_forest(np.ones((12, 1)), [True], np.full(12, 0.5))
    assert (found.importance.tolist(), found.r2, found.rank) == ([0.0], 0.0, 0.0)
    found = fit_forest(np.ones((12, 1)), [True], np.arange(12.0))
    assert found.importance.tolist() == [0.0]


@settings(deadline=None)
@given(
    st.integers(1, 30).flatmap(
        lambda rows: st.tuples(
            st.lists(
                st.lists(st.floats(0, 1) | st.just(math.nan), min_size=2, max_size=2),
                min_size=rows,
                max_size=rows,
            ),
            st.lists(st.floats(0, 1), min_size=rows, max_size=rows),
            st.lists(st.booleans(), min_size=2, max_size=2),
        )
    )
)
def test_any_table_has_a_finite_answer(given_):
    columns, targets, ordered = given_
    found = fit_forest(columns, ordered, targets, trees=8)
    assert np.isfinite(found.importance).all()
    assert math.isfinite(found.r2)
    assert -1.000001 <= found.rank <= 1.000001


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_ranks_keep_the_order_and_equal_values_share_one(values):
    found = ranks(values)
    assert all(0 <= rank <= 1 for rank in found)
    for one, rank in zip(values, found, strict=True):
        for other, rank_of_other in zip(values, found, strict=True):
            assert (one < other) == (rank < rank_of_other)
    mean = 0.5 if len(values) > 1 else 0.0
    assert found.mean() == pytest.approx(mean)


def test_rows_of_keys_are_ranked_key_by_key():
    assert ranks([(1, 0.5), (0, math.inf), (0, 3.0), (1, 0.5)]).tolist() == pytest.approx(
        [5 / 6, 1 / 3, 0.0, 5 / 6]
    )


def test_correlation_is_pearsons():
    assert correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert correlation([1, 1, 1], [1, 2, 3]) == 0


LR = FloatRange("lr", 1e-4, 1e-1, log=True)
LAYERS = IntRange("layers", 1, 6)
OPTIMIZER = Choice("optimizer", ("sgd", "adamw", "lion"))
MOMENTUM = FloatRange("momentum", 0.5, 0.99, when={"optimizer": ("sgd",)})


def study(count, value, seed=0):
    random = Random(seed)
    trials = []
    for number in range(count):
        config = {
            "lr": 10 ** random.uniform(-4, -1),
            "layers": random.randint(1, 6),
            "optimizer": random.choice(OPTIMIZER.values),
        }
        if config["optimizer"] == "sgd":
            config["momentum"] = random.uniform(0.5, 0.99)
        trials.append(Trial(number, config, value(config)))
    return trials


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize(
    ("value", "first"),
    [
        (lambda config: (math.log10(config["lr"]) + 2.5) ** 2, "lr"),
        (lambda config: abs(config["layers"] - 3), "layers"),
        (lambda config: float(config["optimizer"] == "adamw"), "optimizer"),
        (lambda config: config.get("momentum", 0.7), "momentum"),
    ],
)
def test_the_parameter_that_matters_comes_first(value, first, mode):
    found = importance_of(spec(LR, LAYERS, OPTIMIZER, MOMENTUM, mode=mode), study(150, value))
    by_name = rises(found)
    assert max(by_name, key=by_name.__getitem__) == first
    assert (found.finished, found.configurations) == (150, 150)
    assert found.r2 > 0.5
    present = {one.name: one.present for one in found.parameters}
    assert present["lr"] == 150 > present["momentum"] > 0


def test_equal_configurations_count_once_and_fixed_parameters_do_not():
    trials = [Trial(n, {"lr": 0.01 if n < 6 else 0.02, "kind": "a"}, float(n)) for n in range(9)]
    found = importance_of(spec(LR, Fixed("kind", "a")), trials)
    assert (found.configurations, list(rises(found))) == (2, ["lr"])


def test_only_finished_trials_count():
    trials = study(60, lambda config: config["lr"])
    others = [Trial(60 + n, t.config, t.value, "RUNNING") for n, t in enumerate(trials)]
    one = importance_of(spec(LR, LAYERS), trials)
    assert importance_of(spec(LR, LAYERS), [*trials, *others]) == one


def test_complete_trials_rank_before_pruned_ones_and_those_by_rung():
    """The value alone would say the opposite."""
    trials = [
        Trial(
            n, {"lr": 1e-3 * (1 + n % 90)}, 1.0 - (n % 90), "PRUNED" if n % 90 > 30 else "COMPLETE"
        )
        for n in range(180)
    ]
    found = importance_of(spec(LR), trials)
    assert found.rank > 0.9
    by_rung = [Trial(t.number, t.config, 0.5, "PRUNED", rung=-t.number % 3) for t in trials]
    assert importance_of(spec(LR), by_rung).parameters


def test_a_diverged_trial_ranks_last():
    trials = [
        Trial(n, {"lr": 1e-3 * (1 + n)}, None if n > 60 else 0.01 * (n % 10)) for n in range(90)
    ]
    assert importance_of(spec(LR), trials).rank > 0.5


@pytest.mark.parametrize(
    ("draw", "comes_first"),
    [
        (lambda random: random.random() * 1000, True),
        (lambda random: random.randrange(4), True),
        (lambda random: random.choice(["a", "b", ["c"]]), True),
        (lambda random: f"name {random.random()}", False),
    ],
    ids=["numbers", "few numbers", "categories", "names that never repeat"],
)
def test_sampled_parameters(draw, comes_first):
    random = Random(2)
    trials = []
    for number in range(100):
        seed = draw(random)
        value = sum(map(ord, str(seed))) % 7 if not isinstance(seed, float | int) else seed
        trials.append(Trial(number, {"lr": 0.001 * (1 + number % 50), "seed": seed}, value))
    by_name = rises(importance_of(spec(LR, Sampled("seed", "toy.py:draw")), trials))
    assert ("seed" in by_name) == comes_first
    assert not comes_first or by_name["seed"] > by_name["lr"]


def test_sampled_numbers_are_compared_by_their_size():
    """Also where each is there only once: what is near in size is near for the forest."""
    random = Random(7)
    values = [random.uniform(-1e6, 1e6) for _ in range(120)]
    trials = [Trial(n, {"seed": value}, abs(value)) for n, value in enumerate(values)]
    found = importance_of(spec(Sampled("seed", "toy.py:draw")), trials)
    assert found.r2 > 0.8
    assert found.parameters[0].present == 120


def test_what_is_missing_is_named():
    assert "needs 8 finished trials" in importance_of(spec(LR), []).why
    same = [Trial(n, {"lr": 0.01 + 0.001 * n}, 1.0) for n in range(9)]
    assert "rank equal" in importance_of(spec(LR), same).why
    one = [Trial(n, {"lr": 0.01}, float(n)) for n in range(9)]
    assert "more than one value" in importance_of(spec(LR), one).why


def test_at_most_so_many_trials_are_looked_at_and_the_newest_is_among_them():
    trials = study(1000, lambda config: config["lr"])
    found = importance_of(spec(LR), trials)
    assert (found.finished, found.configurations) == (1000, 334)


def test_it_is_due_when_enough_trials_are_new():
    assert not is_due(None, 7)
    assert is_due(None, 8)
    assert not is_due(Importance(100), 109)
    assert is_due(Importance(100), 110)
    assert not is_due(Importance(8), 8)
    assert is_due(Importance(8), 9)
    assert is_due(Importance(100), 101, growth=0.0)


def test_who_reads_a_result_does_not_load_numpy():
    code = (
        "import sys; from tuitune.core.search.importance import is_due; "
        "assert not any(name.startswith('numpy') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
