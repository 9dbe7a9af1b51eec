"""`train`: a trial of a study trained on, as the only trial of a study of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from tuitune.cli import best, run, run_request, studies, training
from tuitune.cli.app import AppOptions, has_terminal, run_with_app
from tuitune.cli.arguments import Refusal


def train_on(
    text: str | None, runs: Path, trial: int | None, to: int, app: AppOptions | None
) -> int:
    """Train this trial, or the best one, on to step `to`; the exit status of the run.

    app: None for lines, also where there is no terminal.
    """
    study = studies.open_study(text, runs)
    try:
        file, notes = training.prepared_file(study, best.find_trial(study, trial), to)
    except training.REFUSALS as error:
        raise Refusal(training.words(study, error)) from error
    for note in notes:
        print(f"{study.name}: {note}", file=sys.stderr)
    request = run_request.RunRequest(file, study.path.parent.absolute())
    if app is not None and has_terminal():
        return run_with_app(request, app)
    return run.run_study(request)
