"""The commands: what may be said, and who does it. Imports what a command needs when it runs."""

# ruff: noqa: PLC0415, PLR0913 - `tuitune --help` pays for no engine; a parameter an option

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

RUNS = click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    envvar="TUITUNE_RUNS",
    show_default=True,
    help="The folder of study folders.",
)
SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another value for a key of the study file, as search.trials=20; may be repeated.",
)
STUDY_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
STUDY = click.argument("study")


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="tuitune", message="tuitune %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """Hyperparameter search from the terminal.

    \b
    tuitune STUDY.toml        run a study, or go on with it
    tuitune                   this machine's studies
    """  # noqa: D301 - click reads the backspace as "leave these lines alone"
    if context.invoked_subcommand is None:
        context.invoke(ls, runs=Path(os.environ.get("TUITUNE_RUNS", "runs")))


@commands.command()
@STUDY_FILE
@click.option("--no-ui", is_flag=True, help="Print lines in place of the app.")
@click.option("--json", "as_json", is_flag=True, help="Print every event as one JSON object.")
@click.option("--new", is_flag=True, help="Start another study beside earlier ones of this name.")
@click.option("--steal", is_flag=True, help="Take the study over from an engine on another host.")
@click.option("--seed", type=int, help="Another [search] seed.")
@click.option("--trials", type=int, help="Another [search] trials.")
@SET
@RUNS
def run(
    file: Path,
    *,
    no_ui: bool,
    as_json: bool,
    new: bool,
    steal: bool,
    seed: int | None,
    trials: int | None,
    overrides: tuple[str, ...],
    runs: Path,
) -> None:
    """Run the study of FILE, or go on with it where it was left."""
    from tuitune.cli.run import Wish, run_study

    said = list(overrides)
    said += [] if seed is None else [f"search.seed={seed}"]
    said += [] if trials is None else [f"search.trials={trials}"]
    if not no_ui and not as_json:
        click.echo("The app isn't there yet in this version; running as with --no-ui.", err=True)
    wish = Wish(file=file, overrides=tuple(said), runs=runs, new=new, steal=steal, as_json=as_json)
    sys.exit(run_study(wish))


@commands.command()
@STUDY_FILE
@SET
def check(file: Path, *, overrides: tuple[str, ...]) -> None:
    """Say what is wrong with FILE, or what a run of it would do."""
    from tuitune.cli.check import check_file

    sys.exit(check_file(file, overrides))


@commands.command()
@RUNS
def ls(runs: Path) -> None:
    """List this machine's studies."""
    from tuitune.cli.listing import list_studies

    sys.exit(list_studies(runs))


@commands.command()
@STUDY
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--why", type=int, metavar="N", help="What was decided about trial N, and why.")
@RUNS
def show(study: str, *, as_json: bool, why: int | None, runs: Path) -> None:
    """Show how STUDY stands: its counts, its best configuration, its trials."""
    from tuitune.cli.show import show_study

    sys.exit(show_study(study, runs, as_json=as_json, why=why))


@commands.command()
@STUDY
@click.option("--to", "form", type=click.Choice(["csv", "json"]), default="csv", show_default=True)
@click.option("-o", "out", type=click.Path(path_type=Path, dir_okay=False), help="Into this file.")
@RUNS
def export(study: str, *, form: str, out: Path | None, runs: Path) -> None:
    """Write a row a trial of STUDY."""
    from tuitune.cli.export import export_study

    sys.exit(export_study(study, runs, form=form, out=out))


@commands.command()
@STUDY
@click.option("--finish", is_flag=True, help="Let the running trials end first.")
@RUNS
def stop(study: str, *, finish: bool, runs: Path) -> None:
    """Stop STUDY so that it can go on later: its trials save and leave."""
    from tuitune.cli.steer import stop_study

    sys.exit(stop_study(study, runs, finish=finish))


@commands.command()
@STUDY
@click.argument("trials", type=int, nargs=-1, required=True)
@RUNS
def kill(study: str, *, trials: tuple[int, ...], runs: Path) -> None:
    """End TRIALS of STUDY for good."""
    from tuitune.cli.steer import act_on_trials

    sys.exit(act_on_trials(study, runs, "kill", trials))


@commands.command()
@STUDY
@click.argument("trials", type=int, nargs=-1)
@RUNS
def pause(study: str, *, trials: tuple[int, ...], runs: Path) -> None:
    """Pause TRIALS of STUDY: they save and leave. Without any: launch nothing new."""
    from tuitune.cli.steer import act_on_trials

    sys.exit(act_on_trials(study, runs, "pause", trials))


@commands.command()
@STUDY
@click.argument("trials", type=int, nargs=-1)
@RUNS
def resume(study: str, *, trials: tuple[int, ...], runs: Path) -> None:
    """Let paused TRIALS of STUDY go on. Without any: launch again."""
    from tuitune.cli.steer import act_on_trials

    sys.exit(act_on_trials(study, runs, "resume", trials))


@commands.command()
@STUDY
@click.argument("trials", type=int, nargs=-1, required=True)
@RUNS
def retry(study: str, *, trials: tuple[int, ...], runs: Path) -> None:
    """Take TRIALS of STUDY up again that failed, were pruned or were killed."""
    from tuitune.cli.steer import act_on_trials

    sys.exit(act_on_trials(study, runs, "retry", trials))


@commands.command()
@STUDY
@click.argument("values", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--like", type=int, metavar="N", help="As trial N, but for the values given.")
@RUNS
def add(study: str, *, values: tuple[str, ...], like: int | None, runs: Path) -> None:
    """Add a trial of your own to STUDY; what you leave out is chosen for you."""
    from tuitune.cli.steer import add_trial

    sys.exit(add_trial(study, runs, values, like))


@commands.command("set")
@STUDY
@click.argument("overrides", nargs=-1, required=True, metavar="KEY=VALUE...")
@RUNS
def set_(study: str, *, overrides: tuple[str, ...], runs: Path) -> None:
    """Change STUDY while it runs, as search.concurrency=4 or search.trials=200."""
    from tuitune.cli.steer import set_settings

    sys.exit(set_settings(study, runs, overrides))


@commands.command()
@STUDY
@SET
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@RUNS
def simulate(study: str, *, overrides: tuple[str, ...], as_json: bool, runs: Path) -> None:
    """Say what STUDY would have done under other pruning, as --set pruning.reduction=4."""
    from tuitune.cli.simulate import simulate_study

    sys.exit(simulate_study(study, runs, overrides, as_json=as_json))


@commands.command()
@click.argument("script", type=click.Path(path_type=Path, dir_okay=False))
def init(script: Path) -> None:
    """Write a study file to start from, read from SCRIPT's argparse without running it."""
    from tuitune.cli.init import write_draft

    sys.exit(write_draft(script))
