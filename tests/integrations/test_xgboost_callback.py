"""The callback for XGBoost, in studies with the real package."""

from __future__ import annotations

import pytest
from packages import needs
from promoting import (
    assert_only_complete_trials_wrote,
    assert_promotion_loses_nothing,
    curves,
    steps_by_case,
)
from workshop import Workshop

needs("xgboost")
pytestmark = pytest.mark.timeout(600)  # imports of many seconds on a busy machine

DATA = """
import numpy
import xgboost
from tuitune.integrations.xgboost import TuituneCallback

random = numpy.random.default_rng(0)
x = random.normal(size=(200, 4))
y = x[:, 0] + x[:, 1] ** 2
TRAINING = xgboost.DMatrix(x[:150], y[:150])
VALIDATION = xgboost.DMatrix(x[150:], y[150:])
"""
TRAIN = """
def train(trial):
    model = xgboost.train(
        {"eta": trial.config["x"], "max_depth": 3, "nthread": 1},
        TRAINING,
        num_boost_round=trial.max_resource,
        evals=[(TRAINING, "train"), (VALIDATION, "val")],
        verbose_eval=False,
        callbacks=[TuituneCallback()],
    )
    model.save_model(trial.folder / "final.ubj")
"""
METRIC = "val_rmse"


def test_promotion_loses_nothing(workshop: Workshop):
    workshop.write("t.py", DATA + TRAIN)
    assert_promotion_loses_nothing(
        workshop, 'target = "t.py:train"', metric=METRIC, resource="round"
    )
    train_values = curves(workshop, "promoted", "train_rmse")
    assert all(train_values.values())
    assert_only_complete_trials_wrote(workshop, "final.ubj")


CASES = """
from t import *


def train(trial):
    case, rounds = trial.config["case"], trial.max_resource
    callback = TuituneCallback(trial)
    options = {"evals": [(VALIDATION, "test")], "verbose_eval": False, "callbacks": [callback]}
    if case == "cross-validation":
        xgboost.cv({}, TRAINING, rounds, callbacks=[callback])
    elif case == "given a model":
        given = xgboost.train({}, TRAINING, 3)
        model = xgboost.train({}, TRAINING, rounds, xgb_model=given, **options)
        assert model.num_boosted_rounds() == 3 + rounds
    else:
        xgboost.train({"eta": 1.9}, TRAINING, rounds, early_stopping_rounds=1, **options)
"""


def test_rounds_are_counted_from_the_trials_own_first(workshop: Workshop):
    workshop.write("t.py", DATA)
    workshop.write("cases.py", CASES)
    expected = {
        "cross-validation": [1, 2, 3, 4],
        "given a model": [1, 2, 3, 4],
        "early stopping": [1, 2],
    }
    kinds = {"resource": "round", "metric": "test_rmse", "last": 4}
    assert steps_by_case(workshop, 'target = "cases.py:train"', expected, **kinds) == expected
