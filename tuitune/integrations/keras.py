"""Keras 3: a callback that reports, stops, saves and resumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras.callbacks import Callback

from tuitune.integrations.training_run import TrainingRun
from tuitune.trial.api import Trial

_FILE = "last.weights.h5"


class TuituneCallback(Callback):
    """Reports the logs of each epoch.

    A resumed trial continues from its checkpoint at the epoch after it. Put it last, so that the
    other callbacks have ended when it raises TrialStopped at the end of a `fit` that must stop.
    """

    def __init__(self, trial: Trial | None = None, *, saves: bool = True) -> None:
        super().__init__()
        self._trial = trial
        self._saves = saves

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Load the checkpoint."""
        self._run = run = TrainingRun(self._trial, saves=self._saves)
        if run.folder is not None:
            self.model.load_weights(run.folder / _FILE)  # with the optimizer's
            self.model._initial_epoch = run.start  # noqa: SLF001 - as Keras's BackupAndRestore does

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Report the epoch."""
        if self._run.report(
            epoch + 1, logs or {}, lambda folder: self.model.save_weights(folder / _FILE)
        ):
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Raise TrialStopped if the trial was told to stop."""
        self.model._initial_epoch = None  # noqa: SLF001 - not for the next `fit`
        self._run.raise_if_stopped()
