"""The commands and their options. Each command imports what it needs when it runs."""

# ruff: noqa: PLC0415, PLR0913 - `tuitune --help` pays for no engine; a parameter an option

import sys
from pathlib import Path

import click

from tuitune.cli import early_signals, results, steering
from tuitune.cli.arguments import (
    StudyOrCommand,
    default_runs,
    more_argument,
    study_and_trials,
    study_argument,
    trial_number,
)
from tuitune.cli.options import Look, device_options, device_overrides, look_options, runs_option

_SET = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the study file, as search.trials=20; may be repeated.",
)
_STUDY_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_ON = click.option(
    "--on",
    metavar="WHERE",
    help="Run the trials on a Ray cluster: its HOST:PORT, or ray for the one found here.",
)
_CHECK_ON = click.option(
    "--on",
    metavar="WHERE",
    help="Of every node of a Ray cluster: its HOST:PORT, or ray for the one found here.",
)
_STORAGE = click.option(
    "--storage",
    metavar="PATH|URL",
    callback=lambda _, __, text: None if text is None else _place_of(text),
    help="With --on: where checkpoints outlive a node. The default is the study folder.",
)
_READONLY = click.option("--readonly", is_flag=True, help="Show the study, but change nothing.")
_EXECUTOR = click.option("--executor", metavar="NAME", hidden=True)  # what runs the trials


def _place_of(text: str) -> str:
    from tuitune.engine.storing import place_of

    return place_of(text)


@click.group(
    cls=StudyOrCommand,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="tuitune", message="tuitune %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """Hyperparameter search from the terminal.

    \b
    tuitune STUDY.toml        run a study, or continue it
    tuitune STUDY             open the app on a study
    tuitune                   this machine's studies

    Without STUDY a command means the one that runs, else the one run last.
    """  # noqa: D301 - click reads the backspace as "leave these lines alone"
    if context.invoked_subcommand is not None:
        return
    runs = default_runs()
    from tuitune.cli.app import AppOptions, choose, has_terminal

    if not has_terminal():
        context.invoke(ls, runs=runs)
        return
    sys.exit(choose(runs.absolute(), AppOptions()))


@commands.command()
@_STUDY_FILE
@click.option("--no-ui", is_flag=True, help="Print lines instead of opening the app.")
@click.option("--json", "as_json", is_flag=True, help="Print every event as one JSON object.")
@click.option("--new", is_flag=True, help="Start a new study, even if this name has earlier ones.")
@click.option("--steal", is_flag=True, help="Take the study over from an engine on another host.")
@click.option("--seed", type=int, help="Override [search] seed.")
@click.option("--trials", type=int, help="Override [search] trials.")
@_ON
@_STORAGE
@_EXECUTOR
@device_options
@_SET
@look_options
@runs_option
def run(
    file: Path,
    *,
    look: Look,
    no_ui: bool,
    as_json: bool,
    new: bool,
    steal: bool,
    seed: int | None,
    trials: int | None,
    on: str | None,
    storage: str | None,
    executor: str | None,
    overrides: tuple[str, ...],
    runs: Path,
) -> None:
    """Run the study of FILE, or continue it."""
    from tuitune.cli.app import AppOptions, has_terminal, run_with_app
    from tuitune.cli.run_request import RunRequest

    changed = [*overrides, *device_overrides(click.get_current_context())]
    changed += [] if seed is None else [f"search.seed={seed}"]
    changed += [] if trials is None else [f"search.trials={trials}"]
    request = RunRequest(
        file,
        runs.absolute(),
        tuple(changed),
        new=new,
        steal=steal,
        as_json=as_json,
        executor=executor,
        on=on,
        storage=storage,
    )
    if not no_ui and not as_json and has_terminal():
        early_signals.let_come()
        sys.exit(run_with_app(request, AppOptions(**look)))
    from tuitune.cli.run import run_study

    sys.exit(run_study(request))


@commands.command()
@study_argument
@_READONLY
@click.option("--server", type=int, hidden=True)
@look_options
@runs_option
def attach(
    study: str | None, *, readonly: bool, server: int | None, look: Look, runs: Path
) -> None:
    """Open the app on STUDY. Without it, on the one that runs or the newest."""
    from tuitune.cli.app import AppOptions, attach as attach_to, show_in_browser

    options = AppOptions(readonly=readonly, **look)
    if server is not None:
        sys.exit(show_in_browser(study, runs.absolute(), options, server))
    sys.exit(attach_to(study, runs.absolute(), options))


@commands.command()
@study_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The default is a free one.")
@_READONLY
@look_options
@runs_option
def serve(
    study: str | None, *, host: str, port: int, readonly: bool, look: Look, runs: Path
) -> None:
    """Open the app on STUDY in a browser. The address that is printed has a token in it."""
    from tuitune.cli.app import AppOptions
    from tuitune.cli.serve import Place, serve_study

    options = AppOptions(readonly=readonly, **look)
    sys.exit(serve_study(study, runs.absolute(), Place(host, port), options))


@commands.command(hidden=True)
@_STUDY_FILE
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--startup", type=int, required=True)
@click.option("--steal", is_flag=True)
@click.option("--hold", is_flag=True)
@_ON
@_STORAGE
@_EXECUTOR
@_SET
def engine(
    file: Path,
    *,
    folder: Path,
    startup: int,
    steal: bool,
    hold: bool,
    on: str | None,
    storage: str | None,
    executor: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Run the study of an existing folder in the background, without a terminal."""
    from tuitune.cli.run import run_detached
    from tuitune.cli.run_request import RunRequest

    request = RunRequest(
        file,
        folder.parent,
        overrides,
        steal=steal,
        executor=executor,
        on=on,
        storage=storage,
        hold=hold,
    )
    sys.exit(run_detached(request, folder, startup))


@commands.command()
@_STUDY_FILE
@_CHECK_ON
@device_options
@_SET
@runs_option
def check(file: Path, *, on: str | None, overrides: tuple[str, ...], runs: Path) -> None:
    """List the mistakes in FILE, or say what a run of it would do."""
    from tuitune.cli.check import check_file

    changed = (*overrides, *device_overrides(click.get_current_context()))
    sys.exit(check_file(file, changed, runs.absolute(), on))


@commands.command()
@_CHECK_ON
def doctor(*, on: str | None) -> None:
    """Show this machine's GPUs, and what prevents their use."""
    if on is None:
        from tuitune.cli.machine import examine

        sys.exit(examine())
    from tuitune.cli.nodes import examine_nodes

    sys.exit(examine_nodes(on))


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@runs_option
def ls(*, as_json: bool, runs: Path) -> None:
    """List this machine's studies."""
    from tuitune.cli.listing import list_studies

    sys.exit(list_studies(runs, as_json=as_json))


@commands.command()
@click.argument("study")
@click.option("--yes", is_flag=True, help="Don't ask for the study's name first.")
@click.option("--checkpoints", is_flag=True, help="Delete only its checkpoints; the rest is kept.")
@runs_option
def rm(study: str, *, yes: bool, checkpoints: bool, runs: Path) -> None:
    """Delete STUDY with its checkpoints, once its name is typed."""
    from tuitune.cli.listing import remove_checkpoints, remove_study

    remove = remove_checkpoints if checkpoints else remove_study
    sys.exit(remove(study, runs, yes=yes))


@commands.command()
@click.argument("study")
@runs_option
def repair(study: str, *, runs: Path) -> None:
    """Write a damaged STUDY anew, with all that can be read of it.

    The damaged database is kept beside it.
    """
    from tuitune.cli.repair import repair_study

    sys.exit(repair_study(study, runs))


@commands.command()
@more_argument
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; with --why one for each line."
)
@click.option(
    "--why",
    type=trial_number,
    metavar="N",
    help="Print the decisions about trial N, with their reasons.",
)
@click.option("--top", type=click.IntRange(1), metavar="N", help="Only the N best trials.")
@click.option("--failed", is_flag=True, help="Only the trials that failed, with their errors.")
@runs_option
def show(
    words: tuple[str, ...],
    *,
    as_json: bool,
    why: int | None,
    top: int | None,
    failed: bool,
    runs: Path,
) -> None:
    """Show the trials of STUDY, the best one last, and what matters.

    With TRIALS, all that is known of these.
    """
    from tuitune.cli.show import Chosen, show_study

    study, trials = study_and_trials(words, runs, required=False)
    if failed and top is not None:
        raise click.UsageError("--top shows the best trials and --failed those without one")
    if trials and (failed or top is not None or why is not None):
        raise click.UsageError("with trials go neither --why nor --top nor --failed")
    chosen = Chosen(top, failed=failed, trials=trials)
    sys.exit(show_study(study, runs, chosen, as_json=as_json, why=why))


@commands.command()
@study_argument
@_SET
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@runs_option
def simulate(study: str | None, *, overrides: tuple[str, ...], as_json: bool, runs: Path) -> None:
    """Say what other pruning would have done in STUDY.

    Such as --set pruning.reduction=4.
    """
    from tuitune.cli.simulate import simulate_study

    sys.exit(simulate_study(study, runs, overrides, as_json=as_json))


@commands.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("script", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def init(script: Path, *, arguments: tuple[str, ...]) -> None:
    """Write a study file to start from, for SCRIPT.

    SCRIPT is read, and does not run. ARGUMENTS are given to it in every trial as they are, and are
    not searched. SCRIPT may be the file of a W&B sweep, too.
    """
    from tuitune.cli.init import write_draft

    sys.exit(write_draft(script, arguments))


for _command in (*results.RESULTS, *steering.STEERING):
    commands.add_command(_command)
