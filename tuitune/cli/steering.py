"""The commands that ask a running engine for something."""

# ruff: noqa: PLC0415 - `tuitune --help` pays for no engine

import sys
from pathlib import Path
from typing import Final, NoReturn

import click

from tuitune.cli import arguments, options


@click.command()
@arguments.study_argument
@click.option("--finish", is_flag=True, help="Let the running trials end first.")
@click.option("--now", is_flag=True, help="Kill the running trials, whether or not they save.")
@options.runs_option
def stop(study: str | None, *, finish: bool, now: bool, runs: Path) -> None:
    """Stop STUDY, to continue later: its trials save and leave."""
    from tuitune.cli.control import stop_study

    if finish and now:
        raise click.UsageError("--finish waits for the trials and --now kills them: give one")
    sys.exit(stop_study(study, runs, finish=finish, now=now))


def _act(act: str, words: tuple[str, ...], runs: Path, *, required: bool) -> NoReturn:
    from tuitune.cli.control import act_on_trials

    study, trials = arguments.study_and_trials(words, runs, required=required)
    sys.exit(act_on_trials(study, runs, act, trials))


@click.command()
@arguments.trials_argument
@options.runs_option
def kill(words: tuple[str, ...], *, runs: Path) -> None:
    """End TRIALS of STUDY. They stay ended unless `retry` continues one."""
    _act("kill", words, runs, required=True)


@click.command()
@arguments.more_argument
@options.runs_option
def pause(words: tuple[str, ...], *, runs: Path) -> None:
    """Pause TRIALS of STUDY: they save and leave. Without any: launch nothing new."""
    _act("pause", words, runs, required=False)


@click.command()
@arguments.more_argument
@options.runs_option
def resume(words: tuple[str, ...], *, runs: Path) -> None:
    """Continue paused TRIALS of STUDY. Without any: launch new ones again."""
    _act("resume", words, runs, required=False)


@click.command()
@arguments.trials_argument
@options.runs_option
def retry(words: tuple[str, ...], *, runs: Path) -> None:
    """Continue TRIALS that failed, were pruned or were killed.

    Each continues from its newest checkpoint if that was kept, and starts again otherwise.
    """
    _act("retry", words, runs, required=True)


@click.command()
@click.argument("words", nargs=-1, metavar="[STUDY] [KEY=VALUE]...")
@click.option(
    "--like",
    type=arguments.trial_number,
    metavar="N",
    help="Take the values that are not given from trial N.",
)
@options.runs_option
def add(words: tuple[str, ...], *, like: int | None, runs: Path) -> None:
    """Add a trial of your own to STUDY. What you leave out is chosen for you."""
    from tuitune.cli.control import add_trial

    study, values = arguments.study_and_values(words, runs)
    sys.exit(add_trial(study, runs, values, like))


@click.command("set")
@click.argument("words", nargs=-1, metavar="[STUDY] KEY=VALUE...")
@options.runs_option
def set_(words: tuple[str, ...], *, runs: Path) -> None:
    """Change STUDY while it runs, as search.trials=200."""
    from tuitune.cli.control import set_settings

    study, overrides = arguments.study_and_values(words, runs)
    if not overrides:
        raise click.UsageError("what is to be changed? Write KEY=VALUE, as search.trials=200")
    sys.exit(set_settings(study, runs, overrides))


STEERING: Final = (stop, kill, pause, resume, retry, add, set_)
