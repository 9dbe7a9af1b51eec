"""Hugging Face's Trainer: a callback that reports, stops and saves, and `train`, which resumes."""

from __future__ import annotations

from math import floor
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback

from tuitune.integrations.training_run import TrainingRun
from tuitune.trial.api import Trial


def train(trainer: Any, trial: Trial | None = None, *, saves: bool = True, **options: Any) -> Any:
    """`trainer.train(**options)` as a trial, from its checkpoint where it has one.

    Returns what that returns, and raises TrialStopped if the trial was told to stop.
    """
    callback = TuituneCallback(trainer, trial, saves=saves)
    trainer.add_callback(callback)
    try:
        if callback.checkpoint is not None:
            options["resume_from_checkpoint"] = callback.checkpoint
        return trainer.train(**options)
    finally:
        trainer.remove_callback(callback)


class TuituneCallback(TrainerCallback):
    """Reports the metrics of each evaluation; the study's metric is "eval_loss", for example.

    If the name of the study's resource begins with "epoch", a report's step is the number of
    finished epochs, and the first evaluation after each of them is reported; otherwise it is
    `state.global_step`. A trial that must stop ends training as early stopping does, and raises
    TrialStopped after it.
    """

    def __init__(self, trainer: Any, trial: Trial | None = None, *, saves: bool = True) -> None:
        self._trainer = trainer
        self._run = TrainingRun(trial, saves=saves)
        self._at = -1  # the global step of the newest report
        self._step = 0  # its step

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint for `resume_from_checkpoint`; None if the trial starts over."""
        folder = self._run.folder
        return None if folder is None else str(next(folder.glob("checkpoint-*")))

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
        """Report the evaluation, unless it is none of the training's."""
        step = floor(state.epoch or 0) if self._run.counts_epochs else state.global_step
        is_repeated = step == self._step and state.global_step != self._at
        if not self._trainer.is_in_train or step == 0 or is_repeated:
            return
        self._step, self._at = step, state.global_step  # several sets are evaluated at one step
        if self._run.report(step, metrics, self._save, _Ranks(args)):
            control.should_training_stop = True
        if self._run.must_stop:
            control.should_save = False

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Neither evaluate nor save once more at the end of a training that must stop."""
        if self._run.must_stop:
            control.should_evaluate = control.should_save = False

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Raise TrialStopped if the trial was told to stop."""
        self._run.raise_if_stopped()

    def _save(self, folder: Path) -> None:
        """Let the trainer write its own kind of checkpoint, into this folder and nowhere else."""
        args = self._trainer.args
        ours = {
            "output_dir": str(folder),
            "save_only_model": False,
            "push_to_hub": False,
            "save_strategy": "no",  # else it would take this folder for that of the best model
        }
        theirs = {name: getattr(args, name) for name in ours}
        try:
            _set(args, ours)
            self._trainer._save_checkpoint(self._trainer.model, trial=None)  # noqa: SLF001
        finally:
            _set(args, theirs)
        self._trainer.accelerator.wait_for_everyone()  # each rank writes its random state


def _set(args: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(args, name, value)


class _Ranks:
    def __init__(self, args: Any) -> None:
        self.is_first: bool = args.process_index == 0
        self.count: int = args.world_size

    def broadcast(self, value: Any) -> Any:
        return broadcast_object_list([value])[0]
