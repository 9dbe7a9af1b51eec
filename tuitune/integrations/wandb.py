"""A program of a W&B sweep as a trial: its wandb.config and wandb.log, without a W&B server."""

from __future__ import annotations

import functools
import json
import os
import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuitune.integrations.training_run import numbers
from tuitune.trial.current import current

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.trial.api import Trial

_FILE = "sweep-parameters.json"  # YAML to W&B, which JSON is


def main() -> None:
    """Run `PROGRAM ARGUMENTS…` with the trial's configuration as the parameters of a sweep's run.

    What the program logs is reported whenever the study's metric is in it. W&B is offline unless
    WANDB_MODE says otherwise, and writes to the trial's folder.
    """
    if len(sys.argv) < 2:
        sys.exit("usage: python -m tuitune.integrations.wandb PROGRAM [ARGUMENTS]")
    program = sys.argv[1]
    trial = current()
    folder = Path(trial.folder)
    parameters = {name: {"value": value} for name, value in _nested(trial.config).items()}
    (folder / _FILE).write_text(json.dumps(parameters), encoding="utf-8")
    os.environ["WANDB_SWEEP_PARAM_PATH"] = str(folder / _FILE)
    os.environ.setdefault("WANDB_MODE", "offline")
    os.environ.setdefault("WANDB_DIR", str(folder))
    _report_logs(trial)
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(program).absolute().parent)
    runpy.run_path(program, run_name="__main__")


def _nested(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with "opt.lr" as lr within opt, as nested parameters of a sweep are."""
    nested: dict[str, Any] = {}
    for name, value in config.items():
        *path, last = name.split(".")
        table = nested
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value
    return nested


def _report_logs(trial: Trial) -> None:
    """Report what runs log from here on."""
    from wandb.sdk.wandb_run import Run  # noqa: PLC0415 - after the environment is set

    log: Callable[..., None] = Run.log

    @functools.wraps(log)
    def reporting(run: Run, data: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        log(run, data, *args, **kwargs)
        if trial.metric in data:
            trial.report(numbers({n: v for n, v in data.items() if not isinstance(v, bool)}))

    Run.log = reporting


if __name__ == "__main__":
    main()
