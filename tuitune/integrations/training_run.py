"""A framework's training run within a trial: what all callbacks share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any, Protocol

from tuitune.trial import current, link, wire
from tuitune.trial.api import Trial

_NOTE = "training-run.json"  # in each checkpoint: the step that it was written at

Save = Callable[[Path], object]


class Ranks(Protocol):
    """The processes of a distributed run. All of them call `report`; rank 0 sends it."""

    @property
    def is_first(self) -> bool:
        """Whether this process has rank 0."""

    @property
    def count(self) -> int:
        """The number of processes."""

    def broadcast(self, value: Any) -> Any:
        """The value that rank 0 gives, in every process."""


class Alone:
    """The ranks of a run in one process."""

    is_first = True
    count = 1

    def broadcast(self, value: Any) -> Any:
        """`value` itself."""
        return value


class TrainingRun:
    """Reports the steps of a run, and knows whether it must stop.

    Outside a study it does nothing. With `saves` False it neither saves nor resumes.
    """

    def __init__(self, trial: Trial | None = None, *, saves: bool = True) -> None:
        self.trial = trial or current.own_trial()
        self.folder: Path | None = None  # the checkpoint to resume from
        self.start = 0  # the step that it was written at
        self._saves = saves
        self._stop: link.TrialStopped | None = None
        path = self.trial.resume_path if self.trial is not None and saves else None
        if path is not None and (path / _NOTE).exists():
            self.folder = path
            self.start = json.loads((path / _NOTE).read_text(encoding="utf-8"))["step"]

    @property
    def counts_epochs(self) -> bool:
        """Whether the study's resource counts epochs, by its name."""
        resource = None if self.trial is None else self.trial.resource
        return resource is not None and resource.startswith("epoch")

    @property
    def must_stop(self) -> bool:
        """Whether the trial has been told to stop."""
        return self._stop is not None

    def report(
        self, step: int, metrics: Mapping[str, Any], save: Save | None, ranks: Ranks | None = None
    ) -> bool:
        """Report a step, in all ranks. Returns whether training is to end: stopped, or at `max`.

        What is not a number is left out. `save` runs in all ranks if a checkpoint is needed. A step
        that the resumed checkpoint has already is not reported again.
        """
        if self.trial is None or step <= self.start or self.must_stop:
            return self.must_stop
        ranks = ranks or Alone()
        write = save if self._saves else None
        if ranks.is_first:
            self._lead(self.trial, step, metrics, write, ranks)
        else:
            self._follow(write, ranks)
        return self._stop is not None or _is_last(self.trial, step)

    def raise_if_stopped(self) -> None:
        """Raise TrialStopped if the trial was told to stop."""
        if self._stop is not None:
            raise self._stop

    def _lead(
        self, trial: Trial, step: int, metrics: Mapping[str, Any], save: Save | None, ranks: Ranks
    ) -> None:
        def save_everywhere(folder: Path) -> None:
            assert save is not None
            ranks.broadcast(("save", str(folder)))
            try:
                save(folder)
            except OSError as error:
                if ranks.count == 1:
                    raise
                # The others wait within `save`: a trial that went on would wait for ever.
                raise RuntimeError(f"the checkpoint could not be written: {error}") from error
            (folder / _NOTE).write_text(json.dumps({"step": step}), encoding="utf-8")

        values: dict[str, float] = numbers(metrics)
        if trial.resource is not None:
            values[trial.resource] = step
        try:
            trial.report(values, save=None if save is None else save_everywhere)
        except link.TrialStopped as stop:
            self._stop = stop
        ranks.broadcast(("go", "") if self._stop is None else ("stop", self._stop.reason))

    def _follow(self, save: Save | None, ranks: Ranks) -> None:
        """Do what rank 0 does: save as often as it does, then stop or go on."""
        while True:
            what, text = ranks.broadcast(None)
            if what == "save":
                assert save is not None
                save(Path(text))
                continue
            if what == "stop":
                self._stop = link.TrialStopped(text)
            return


def _is_last(trial: Trial, step: int) -> bool:
    return trial.resource is not None and step >= getattr(trial, "max_resource", inf)


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are single numbers, as floats."""
    found = {}
    for name, value in metrics.items():
        with suppress(TypeError, ValueError, RuntimeError):  # an array of several numbers
            if (number := wire.number_of(value)) is not None:
                found[name] = number
    return found
