"""The callback for Keras, in studies with the real package on torch."""

from __future__ import annotations

import pytest
from packages import needs
from promoting import assert_only_complete_trials_wrote, assert_promotion_loses_nothing
from workshop import Workshop

needs("keras")
pytestmark = pytest.mark.timeout(600)  # imports of many seconds on a busy machine

TRAIN = """
import keras
import numpy
from tuitune.integrations.keras import TuituneCallback

X = numpy.random.default_rng(0).normal(size=(64, 3)).astype("float32")
Y = X.sum(1)


def train(trial):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(trial.config["x"] * 0.1), "mse")
    options = {"shuffle": False, "verbose": 0, "validation_data": (X, Y)}
    model.fit(X, Y, epochs=trial.max_resource, callbacks=[TuituneCallback()], **options)
    assert model.fit(X, Y, epochs=2, **options).epoch == [0, 1], "a second fit begins again"
    (trial.folder / "complete").touch()
"""


def test_promotion_loses_nothing(workshop: Workshop):
    workshop.write("t.py", TRAIN)
    assert_promotion_loses_nothing(
        workshop, 'target = "t.py:train"', metric="val_loss", env={"KERAS_BACKEND": "torch"}
    )
    assert_only_complete_trials_wrote(workshop, "complete")
