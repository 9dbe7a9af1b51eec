"""Arguments that commands share: a study that may be left out, and trials."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

_NEAR = 0.75  # least similarity of a name that is suggested
# What other tools call the commands here.
_ELSEWHERE = {
    word: command
    for command, words in {
        "add": "enqueue",
        "attach": "monitor open plot ui view watch",
        "check": "lint validate",
        "doctor": "devices gpus nvidia-smi",
        "export": "report save",
        "init": "create draft new",
        "ls": "experiments list studies sweeps",
        "rm": "clean delete remove",
        "run": "continue optimize search start sweep tune",
        "serve": "dashboard web",
        "show": "info log logs results status trials",
        "stop": "abort cancel interrupt",
    }.items()
    for word in words.split()
}
_MOST_DIGITS = 18  # of a trial's number: the store keeps 64 bits

study_argument = click.argument("study", required=False)
trials_argument = click.argument("words", nargs=-1, metavar="[STUDY] TRIALS...")
more_argument = click.argument("words", nargs=-1, metavar="[STUDY] [TRIALS]...")


class Refusal(click.ClickException):
    """What a command is not done for: its message is printed as it is, with exit status 2."""

    exit_code = 2

    def show(self, _file: object = None) -> None:
        """Print it on stderr."""
        print(self.message, file=sys.stderr)


def trial_number(text: str) -> int:
    """The type of an option that names a trial, as 7 or #7. Raises BadParameter."""
    number = _number(text)
    if number is None:
        raise click.BadParameter(f"{text!r} is not the number of a trial, such as 7")
    return number


def _number(text: str) -> int | None:
    digits = text.removeprefix("#").lstrip("0") or text[-1:]
    is_number = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS
    return int(digits) if is_number else None


def study_and_trials(
    words: Sequence[str], runs: Path, *, required: bool
) -> tuple[str | None, tuple[int, ...]]:
    """The study that is named first, or None, and the trials.

    A number is a trial, unless a study has that name. Raises UsageError.
    """
    study, rest = _apart(words, runs, is_more=bool(words) and _number(words[0]) is not None)
    trials: list[int] = []
    for word in rest:
        if (number := _number(word)) is None:
            raise click.UsageError(f"{word!r} is not the number of a trial, such as 7")
        trials.append(number)
    if required and not trials:
        raise click.UsageError("which trials? Give their numbers, such as 7 12")
    return study, tuple(trials)


def study_and_values(words: Sequence[str], runs: Path) -> tuple[str | None, tuple[str, ...]]:
    """The study that is named first, or None, and the words KEY=VALUE."""
    return _apart(words, runs, is_more=bool(words) and "=" in words[0])


def _apart(
    words: Sequence[str], runs: Path, *, is_more: bool
) -> tuple[str | None, tuple[str, ...]]:
    """is_more: whether the first word looks like one that follows a study."""
    if not words or (is_more and not _is_study(words[0], runs)):
        return None, tuple(words)
    return words[0], tuple(words[1:])


def _is_study(text: str, runs: Path) -> bool:
    from tuitune.store.errors import StoreError  # noqa: PLC0415 - `--help` needs no store
    from tuitune.store.folder import find_study  # noqa: PLC0415

    try:
        find_study(text, runs)
    except StoreError:
        return False
    return True


class StudyOrCommand(click.Group):
    """A group whose command may be a study's name, which then is opened by `attach`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a study that can't be read is a refusal."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            from tuitune.store.errors import StoreError  # noqa: PLC0415 - as in `_is_study`
            from tuitune.studyfile import StudyFileError  # noqa: PLC0415

            if isinstance(error, StoreError | StudyFileError):
                raise Refusal(str(error)) from error
            if isinstance(error, click.UsageError) and (hint := _set_hint(error)):
                raise click.UsageError(f"{error.message}; {hint}", error.ctx) from error
            raise

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """`attach` for a study; a usage error with names that are near for what is neither."""
        name = args[0]
        is_command = self.get_command(ctx, name) is not None or name.startswith("-")
        if not is_command and _is_study(name, _runs_of(args)):
            return "attach", self.get_command(ctx, "attach"), args
        if not is_command:
            hint = self._hint(ctx, name, _runs_of(args))
            raise click.UsageError(f"{name}: neither a command nor a study; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: click.Context, name: str, runs: Path) -> str:
        import difflib  # noqa: PLC0415 - few commands are mistyped

        from tuitune.store.folder import all_studies, is_file  # noqa: PLC0415 - not for `--help`
        from tuitune.studyfile.hints import SCRIPTS  # noqa: PLC0415

        if is_file(Path(f"{name}.toml")):
            return f"`tuitune {name}.toml` runs that file"
        if name.endswith(SCRIPTS) and is_file(Path(name)):
            return f"`tuitune init {name}` writes a study file for it"
        studies = [folder.name for folder in all_studies(runs)]
        files = [file.name for file in Path().glob("*.toml")]
        known = list(dict.fromkeys([*self.list_commands(ctx), *studies, *files]))
        meant = _ELSEWHERE.get(name)
        near = [meant] if meant else difflib.get_close_matches(name, known, n=3, cutoff=_NEAR)
        if near:
            return f"did you mean {' or '.join(near)}?"
        return "`tuitune --help` lists the commands, `tuitune ls` the studies"


def _set_hint(error: click.UsageError) -> str:
    """How a key of the study file is given, where one stands alone; else empty."""
    extra = re.fullmatch(r"Got unexpected extra arguments? \((.*)\)", error.message)
    key = next((word for word in extra[1].split() if "=" in word), "") if extra else ""
    takes = error.ctx is not None and any(p.name == "overrides" for p in error.ctx.command.params)
    return f"a key of the study file needs --set: --set {key}" if key and takes else ""


def _runs_of(args: Sequence[str]) -> Path:
    """The folder of --runs among these arguments, else the default one."""
    for at, word in enumerate(args):
        if word == "--runs" and at + 1 < len(args):
            return Path(args[at + 1])
        if word.startswith("--runs="):
            return Path(word.removeprefix("--runs="))
    return default_runs()


def default_runs() -> Path:
    """The folder of study folders where --runs is not given."""
    return Path(os.environ.get("TUITUNE_RUNS", "runs"))
