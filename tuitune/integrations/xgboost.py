"""XGBoost: a callback that reports, stops, saves and resumes."""

from __future__ import annotations

from typing import Any

from xgboost import Booster
from xgboost.callback import TrainingCallback

from tuitune.integrations.training_run import TrainingRun
from tuitune.trial.api import Trial
from tuitune.trial.current import own_trial

_FILE = "model.ubj"


class TuituneCallback(TrainingCallback):
    """Reports each round as `{name of the evaluation set}_{metric}`.

    A resumed trial continues from the model of its checkpoint and ends at `rounds`, by default the
    study's maximum; without both it neither saves nor resumes. Put it last, so that the other
    callbacks have ended when it raises TrialStopped at the end of a training that must stop.
    """

    def __init__(
        self, trial: Trial | None = None, *, rounds: int | None = None, saves: bool = True
    ) -> None:
        super().__init__()
        self._trial = trial
        self._rounds = rounds
        self._saves = saves
        self._base = 0  # rounds of a model that training was given to start from

    def before_training(self, model: Any) -> Any:
        """Load the checkpoint's model."""
        trial = self._trial or own_trial()
        if self._rounds is None:
            self._rounds = getattr(trial, "max_resource", None)
        can_resume = self._rounds is not None and isinstance(model, Booster)
        self._run = TrainingRun(trial, saves=self._saves and can_resume)
        if self._run.folder is not None:
            model.load_model(self._run.folder / _FILE)
        if isinstance(model, Booster):
            self._base = model.num_boosted_rounds() - self._run.start
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Report the round. Returns whether to stop."""
        is_model = isinstance(model, Booster)  # or the folds of a cross-validation
        step = model.num_boosted_rounds() - self._base if is_model else epoch + 1
        metrics = {
            f"{data}_{name}": values[-1] if is_model else values[-1][0]
            for data, log in evals_log.items()
            for name, values in log.items()
        }
        must_stop = self._run.report(step, metrics, lambda folder: model.save_model(folder / _FILE))
        return must_stop or (self._run.start > 0 and step == self._rounds)

    def after_training(self, model: Any) -> Any:
        """Raise TrialStopped if the trial was told to stop."""
        self._run.raise_if_stopped()
        return model
