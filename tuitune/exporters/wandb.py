"""Weights & Biases: a run for each trial, in a group; offline where nobody is logged in."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb

from tuitune.exporters.destination import Source, has_ended, has_failed
from tuitune.ipc.files import replace_file
from tuitune.store import reader, rows

_STEP = "step"  # W&B's own step can't go back, as a trial's may that starts again


def open_wandb(source: Source, where: str) -> Wandb:
    """`where`: a project, or TEAM/PROJECT."""
    entity, _, project = where.rpartition("/")
    return Wandb(source, entity or None, project)


class Wandb:
    """Runs of a project. A run that another process has begun is resumed.

    How far each project was written is kept in the study folder: W&B may not be within reach.
    """

    def __init__(self, source: Source, entity: str | None, project: str) -> None:
        self._source = source
        self._place = {"entity": entity, "project": project}
        self._runs: dict[int, wandb.Run] = {}
        self._rows: dict[int, rows.TrialRow] = {}
        self._folder = source.folder / "wandb"
        self._folder.mkdir(exist_ok=True)
        name = hashlib.sha256(f"{entity}/{project}".encode()).hexdigest()[:16]
        self._state = self._folder / f"tuitune-{name}.json"
        known = _read(self._state)
        self._reached = int(known.get("reached", 0))
        self._ended: set[int] = set(known.get("ended", ()))

    def reached(self) -> int:
        """Read from a file in the study folder."""
        return self._reached

    def begin(self, trial: rows.TrialRow) -> None:
        """Keep its row; its run is begun by its first report or its end."""
        self._rows[trial.number] = trial

    def report(self, reports: Sequence[reader.Report]) -> None:
        """Log each, with its step as a metric."""
        for one in reports:
            self._run(one.trial).log({_STEP: one.step, "time": one.time, **one.metrics})

    def update(self, trial: rows.TrialRow) -> None:
        """Finish its run if it has ended, with its state and value as a summary."""
        ended_before = trial.number not in self._runs and trial.number in self._ended
        if not has_ended(trial) or ended_before:
            return
        run = self._run(trial.number)
        summary = {
            "state": str(trial.state),
            "value": trial.value,
            "why": trial.error or trial.note,
        }
        run.summary.update({f"tuitune/{name}": v for name, v in summary.items() if v is not None})
        run.finish(exit_code=int(has_failed(trial)))
        del self._runs[trial.number]
        self._ended.add(trial.number)

    def flush(self, reached: int) -> None:
        """W&B's own process writes what it was given to its files, also if this one is killed."""
        state = {"reached": reached, "ended": sorted(self._ended)}
        replace_file(self._state, json.dumps(state))

    def close(self) -> None:
        """Finish the runs, which another process may resume."""
        for run in self._runs.values():
            run.finish()
        self._runs.clear()

    def _run(self, number: int) -> wandb.Run:
        if number not in self._runs:
            trial = self._rows[number]
            identity = f"{self._source.tag}/{number}"
            run = wandb.init(
                **self._place,
                id=hashlib.sha256(identity.encode()).hexdigest()[:12],
                name=f"{self._source.name}-{number}",
                group=self._source.name,
                config={**trial.config, "tuitune": {"trial": number, "origin": trial.origin}},
                dir=str(self._source.folder),
                mode=_mode(),
                resume="allow",
                reinit="create_new",
                settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
            )
            run.define_metric("*", step_metric=_STEP)
            self._runs[number] = run
        return self._runs[number]


def _mode() -> str:
    """As W&B itself decides, but without a question to a person who may not be there."""
    chosen = os.environ.get("WANDB_MODE")
    if chosen:
        return chosen
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
