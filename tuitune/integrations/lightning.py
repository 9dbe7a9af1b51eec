"""Lightning: a callback that reports, stops, saves and resumes."""

from __future__ import annotations

import sys
from typing import Any

from tuitune.integrations.training_run import TrainingRun
from tuitune.trial.api import Trial

# An installed package `lightning` has both names; a Trainer takes the callbacks of its own.
if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning.callbacks import EarlyStopping
else:
    from lightning.pytorch.callbacks import EarlyStopping

_FILE = "last.ckpt"


class TuituneCallback(EarlyStopping):
    """Reports `trainer.callback_metrics` after each validation, or each epoch without one.

    If the name of the study's resource begins with "epoch", a report's step is the number of
    finished epochs, and several validations in an epoch are one report; otherwise it is
    `trainer.global_step`. Works with LightningCLI, as
    `--trainer.callbacks=tuitune.integrations.lightning.TuituneCallback`.

    A trial that must stop ends `fit` as early stopping does; another use of its Trainer after that
    raises TrialStopped. A resumed trial continues from its checkpoint without `ckpt_path`.
    """

    # Only this kind of callback is called after the module's own `on_train_epoch_end`, which may
    # log what is to be reported. It inherits nothing else.

    def __init__(self, trial: Trial | None = None, *, saves: bool = True) -> None:
        super().__init__(monitor="")
        self._trial = trial
        self._saves = saves
        self._run: TrainingRun | None = None
        self._has_validated = False  # since the last report

    def state_dict(self) -> dict[str, Any]:
        """Empty: the checkpoints of the Trainer need no such callback to be loaded."""
        return {}

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Begin the run, and load its checkpoint."""
        if self._run is not None:
            self._run.raise_if_stopped()
        self._run = TrainingRun(self._trial, saves=self._saves) if stage == "fit" else None
        if not trainer.strategy.restore_checkpoint_after_setup:
            self._resume(trainer)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Load the checkpoint here with strategies that need a whole model for that."""
        if trainer.strategy.restore_checkpoint_after_setup:
            self._resume(trainer)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Report a validation within an epoch; that at its end is reported with the epoch."""
        if self._run is None or trainer.sanity_checking:
            return
        self._has_validated = True
        is_last = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        if not is_last and not self._run.counts_epochs:
            self._report(trainer, self._run)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Report the epoch, unless it has no validation and others have."""
        if self._run is not None and (self._has_validated or not trainer.enable_validation):
            self._report(trainer, self._run)

    def _resume(self, trainer: Any) -> None:
        if self._run is not None and self._run.folder is not None:
            # What `fit(ckpt_path=…)` does at this point; `fit` has no other way in for a callback.
            trainer._checkpoint_connector.resume_start(  # noqa: SLF001
                str(self._run.folder / _FILE), weights_only=False
            )

    def _report(self, trainer: Any, run: TrainingRun) -> None:
        self._has_validated = False
        step = trainer.current_epoch + 1 if run.counts_epochs else trainer.global_step
        if run.report(
            step,
            trainer.callback_metrics,
            lambda folder: trainer.save_checkpoint(folder / _FILE),
            _Ranks(trainer),
        ):
            trainer.should_stop = True
            trainer.fit_loop.min_epochs = 0  # they don't hold a trial that must stop
            trainer.fit_loop.epoch_loop.min_steps = None


class _Ranks:
    def __init__(self, trainer: Any) -> None:
        self.is_first: bool = trainer.is_global_zero
        self.count: int = trainer.world_size
        self.broadcast = trainer.strategy.broadcast
