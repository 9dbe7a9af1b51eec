"""Optuna objectives: their suggest calls become the space, and the objective runs unchanged."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tuitune.core.space import Choice, Fixed, FloatRange, IntRange
from tuitune.drafts.script import DraftError
from tuitune.drafts.writing import draft
from tuitune.studyfile import load

OBJECTIVE = """
import sys
if __name__ == "__main__":
    import optuna

def layers(trial):
    n_layers = trial.suggest_int("n_layers", 1, 2)
    return [trial.suggest_float("dropout_{}".format(i), 0.0, 0.5) for i in []] + [
        build(trial, i) for i in range(0)
    ]

def objective(trial):
    kind = trial.suggest_categorical("kind", ["svc", "tree", "knn"])
    if kind == "svc":
        c = trial.suggest_float("c", 1e-3, 1e3, log=True)
    elif kind in ("tree",):
        depth = trial.suggest_int("depth", 2, 32)
    n_layers = trial.suggest_int("n_layers", 1, 3)
    for i in range(n_layers):
        trial.suggest_int(f"units_{i}", 4, 128, step=4)
    param = {"booster": trial.suggest_categorical("booster", ["gbtree", "dart"])}
    if param["booster"] == "dart":
        param["drop"] = trial.suggest_loguniform("drop", 1e-8, 1.0)
    trial.suggest_float("fixed", 1.0, 1.0)
    for step in range(2):
        trial.report(step * 1.0, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return trial.suggest_int("n_layers", 1, 3) * 1.0

if __name__ == "__main__":
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=7, timeout=600)
"""


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "tune.py").write_text(OBJECTIVE)
    (tmp_path / "study.toml").write_text(draft(tmp_path / "tune.py"))
    return load(tmp_path / "study.toml")


def test_the_space_of_an_objective_with_its_conditions(spec):
    depth = {"kind": ("tree",)}
    assert spec.space.parameters == (
        Choice("kind", ("svc", "tree", "knn")),
        FloatRange("c", 1e-3, 1e3, log=True, when={"kind": ("svc",)}),
        IntRange("depth", 2, 32, when=depth),
        IntRange("n_layers", 1, 3),
        IntRange("units_0", 4, 128, step=4),
        IntRange("units_1", 4, 128, step=4, when={"n_layers": (2, 3)}),
        IntRange("units_2", 4, 128, step=4, when={"n_layers": (3,)}),
        Choice("booster", ("gbtree", "dart")),
        FloatRange("drop", 1e-8, 1.0, log=True, when={"booster": ("dart",)}),
        Fixed("fixed", 1.0),
    )


def test_the_study_is_that_of_optimize(spec):
    assert spec.trial.command == (
        "python",
        "-m",
        "tuitune.integrations.optuna",
        "tune.py:objective",
    )
    assert (spec.objective.mode, spec.search.trials, spec.limits.time) == ("max", 7, 600.0)


def test_an_objective_runs_by_hand_without_optuna(tmp_path, spec):
    script = OBJECTIVE.replace('"n_layers"', '"x"')
    (tmp_path / "tune.py").write_text(script)
    command = [sys.executable, "-m", "tuitune.integrations.optuna", "tune.py:objective"]
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert "the objective suggests kind, which the study file doesn't have" in ran.stderr


def test_what_is_not_literal_is_told(tmp_path):
    (tmp_path / "tune.py").write_text(
        "import optuna\ndef objective(trial):\n    trial.suggest_float('lr', low, 1.0)\n"
        "    trial.suggest_int(name, 1, 3)\n    trial.suggest_categorical('o', ['a', 'b'])\n"
    )
    text = draft(tmp_path / "tune.py")
    assert "# Line 3: lr has no literal range. Write it in [space] by hand." in text
    assert "# Line 4: a parameter whose name is not a literal." in text


NO_FUNCTION = """
import optuna
class Objective:
    def __call__(self, trial):
        return trial.suggest_float("x", 0, 1)
optuna.create_study().optimize(Objective())
"""
SEVERAL = """
import optuna
def objective(trial):
    return trial.suggest_int("a", 1, 2), 1
optuna.create_study(directions=["minimize", "maximize"]).optimize(objective)
"""


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (NO_FUNCTION, "in no function at its top"),
        (SEVERAL, "several objectives, and a study has one"),
    ],
    ids=["no function", "several"],
)
def test_objectives_that_no_study_can_have_are_told(tmp_path, script, message):
    (tmp_path / "tune.py").write_text(script)
    with pytest.raises(DraftError, match=message):
        draft(tmp_path / "tune.py")
