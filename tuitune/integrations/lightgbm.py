"""LightGBM: a callback that reports, stops and saves, and what resumes a training."""

from __future__ import annotations

from typing import Any

from lightgbm import Booster

from tuitune.integrations.training_run import TrainingRun
from tuitune.trial.api import Trial

_FILE = "model.txt"


class TuituneCallback:
    """Reports each round as `{name of the evaluation set}_{metric}`.

    LightGBM loads no model in a callback: pass `init_model=callback.init_model` and the number of
    rounds as `callback.rounds(100)`. A training that must stop raises TrialStopped.
    """

    def __init__(self, trial: Trial | None = None, *, saves: bool = True) -> None:
        self._run = TrainingRun(trial, saves=saves)
        self.before_iteration = False
        self.order = 25  # after the logs of a round, before its early stopping

    @property
    def init_model(self) -> str | None:
        """The checkpoint's model; None if the trial starts over."""
        folder = self._run.folder
        return None if folder is None else str(folder / _FILE)

    def rounds(self, total: int) -> int:
        """How many rounds are left of `total`."""
        return total - self._run.start

    def __call__(self, env: Any) -> None:
        """Report the round."""
        base = env.begin_iteration - self._run.start  # rounds of another init_model
        results = env.evaluation_result_list or []
        metrics = {f"{result[0]}_{result[1]}": result[2] for result in results}
        model = env.model  # or the folds of a cross-validation, which are not saved
        save = None
        if isinstance(model, Booster):
            # -1: all rounds, not only those up to the best one
            save = lambda folder: model.save_model(folder / _FILE, num_iteration=-1)  # noqa: E731
        self._run.report(env.iteration + 1 - base, metrics, save)
        self._run.raise_if_stopped()
