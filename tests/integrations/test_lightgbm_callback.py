"""The callback for LightGBM, in studies with the real package."""

from __future__ import annotations

import pytest
from packages import needs
from promoting import assert_promotion_loses_nothing
from workshop import Workshop

needs("lightgbm")
pytestmark = pytest.mark.timeout(600)  # imports of many seconds on a busy machine

TRAIN = """
import lightgbm
import numpy
from tuitune.integrations.lightgbm import TuituneCallback

random = numpy.random.default_rng(0)
X = random.normal(size=(200, 4))
Y = X[:, 0] + X[:, 1] ** 2


def train(trial):
    training = lightgbm.Dataset(X[:150], Y[:150])
    validation = lightgbm.Dataset(X[150:], Y[150:], reference=training)
    callback = TuituneCallback()
    lightgbm.train(
        {"learning_rate": trial.config["x"], "num_leaves": 7, "num_threads": 1, "verbose": -1},
        training,
        num_boost_round=callback.rounds(trial.max_resource),
        valid_sets=[validation],
        valid_names=["val"],
        init_model=callback.init_model,
        callbacks=[callback],
    )
"""


def test_promotion_loses_nothing(workshop: Workshop):
    workshop.write("t.py", TRAIN)
    assert_promotion_loses_nothing(
        workshop, 'target = "t.py:train"', metric="val_l2", resource="round"
    )
