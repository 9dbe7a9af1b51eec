"""The commands on the results of a study: `best`, `export` and `train`."""

# ruff: noqa: PLC0415 - as in `cli.main`

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuitune.cli import arguments, options

if TYPE_CHECKING:
    from tuitune.messages.configuration import ConfigurationForm
    from tuitune.store.exported import ExportedTable

_one_trial_argument = click.argument("words", nargs=-1, metavar="[STUDY] [TRIAL]")


def _study_and_trial(words: tuple[str, ...], runs: Path) -> tuple[str | None, int | None]:
    """Both may be left out; a number is a trial, unless a study has that name."""
    study, trials = arguments.study_and_trials(words, runs, required=False)
    if len(trials) > 1:
        raise click.UsageError("one trial at a time")
    return study, trials[0] if trials else None


@click.command()
@arguments.study_argument
@click.option(
    "--what",
    "--table",
    "what",
    type=click.Choice(["trials", "reports", "importance"]),
    help="One row for each trial (the default), each report, or the importance of each parameter.",
)
@click.option(
    "--to",
    default="csv",
    show_default=True,
    metavar="FORM",
    help="csv, json, html (a report); or another tool: tensorboard, wandb, mlflow, optuna.",
)
@click.option(
    "-o",
    "out",
    default="",
    metavar="PLACE",
    help="The file; or the tool's folder, address or project, if not its default.",
)
@options.runs_option
def export(study: str | None, *, what: ExportedTable | None, to: str, out: str, runs: Path) -> None:
    """Write a table of STUDY, a report, or all of it to another tool.

    A tool gets what it lacks: the same command again adds what is new.
    """
    from tuitune.cli.export import export_study

    sys.exit(export_study(study, runs, what=what, to=to, out=out))


@click.command()
@_one_trial_argument
@click.option(
    "--as",
    "form",
    type=click.Choice(["toml", "json", "yaml", "python", "flags"]),
    default="toml",
    show_default=True,
    help="How the configuration is written.",
)
@click.option("--checkpoint", is_flag=True, help="Print only the path of its checkpoint.")
@options.runs_option
def best(words: tuple[str, ...], *, form: ConfigurationForm, checkpoint: bool, runs: Path) -> None:
    """Print the best configuration of STUDY, or that of TRIAL. Comments name its checkpoint."""
    from tuitune.cli.best import print_best

    study, trial = _study_and_trial(words, runs)
    sys.exit(print_best(study, runs, trial, form, only_checkpoint=checkpoint))


@click.command()
@_one_trial_argument
@click.option(
    "--to", type=click.IntRange(min=1), required=True, help="The last step, as epoch 200."
)
@click.option("--no-ui", is_flag=True, help="Print lines instead of opening the app.")
@options.look_options
@options.runs_option
def train(words: tuple[str, ...], *, to: int, no_ui: bool, look: options.Look, runs: Path) -> None:
    """Train TRIAL of STUDY, or the best one, on from its checkpoint.

    Nothing is pruned. It becomes the only trial of a study of its own, so that the search and its
    results stay as they are. The same command again continues it.
    """
    from tuitune.cli.app import AppOptions
    from tuitune.cli.train import train_on

    study, trial = _study_and_trial(words, runs)
    sys.exit(train_on(study, runs, trial, to, None if no_ui else AppOptions(**look)))


RESULTS = (best, export, train)
