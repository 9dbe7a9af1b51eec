"""The table [trial]."""

import fnmatch
import json
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

from tuitune.core.space import SearchSpace, listed
from tuitune.core.spec import TrialSpec
from tuitune.studyfile.command import LONGEST_WORD, Names, check_variable, read_command
from tuitune.studyfile.problems import Problems, WrongValueError, kind
from tuitune.studyfile.table import Table

_DEFAULT = TrialSpec()
LONGEST_CONFIGURATION = 100_000  # bytes, which leaves room for the rest of the environment


def read_trial(
    table: Table, names: Collection[str], space: SearchSpace, folder: Path | None, *, missing: bool
) -> TrialSpec:
    """[trial]; names: all of [space]; folder: where a target is looked for, None: nowhere."""
    target, command = table.text("target", None), table.content.get("command")
    if (target, command) == (None, None):
        if ("trial", "command") not in table.problems.meant and not missing:
            table.needs("target", '"train.py:train", or a command')
    elif command is not None and "target" in table.content:
        table.wrong(
            "command", "is set together with target, and a trial runs only one; remove one of them"
        )
    elif command is None:
        table.unused(
            "metrics",
            "target",
            "has patterns for what a command prints, and a target reports by itself, with "
            "trial.report(…); take [trial.metrics] out, or run a command in place of the target",
        )
        table.unused(
            "saves",
            "target",
            "names the files of a command, and a target saves by trial.report(…, save=…); take it "
            "out, or run a command in place of the target",
        )
    return TrialSpec(
        target=None if target is None else _target(table, target, folder),
        command=None if command is None else _command(table, names, space),
        metrics={} if command is None else _patterns(table),
        gpus=_gpus(table),
        cpus=table.number("cpus", _DEFAULT.cpus, low=0),
        memory=table.bytes("memory", None),
        retries=table.whole("retries", _DEFAULT.retries, low=0),
        timeout=table.duration("timeout", None),
        leave_within=table.duration("leave_within", None),
        checkpoint_every=table.duration("checkpoint_every", _DEFAULT.checkpoint_every, zero=True),
        keep_checkpoints=table.one_of(
            "keep_checkpoints", _DEFAULT.keep_checkpoints, ("best", "all", "none")
        ),
        cwd=table.text("cwd", None),
        saves=_saves(table),
        env=_environment(table, Names(names, space)),
        pause=table.one_of("pause", _DEFAULT.pause, ("save", "park")),
        python=_python(table, is_used=command is None or bool(space.sampled)),
    )


def working_folder(file: str | Path, cwd: str | None) -> Path:
    """The folder in which trials run, and that targets are looked up in; file: the study file."""
    folder = Path(file).parent
    return folder if cwd is None else Path(os.path.normpath(folder / Path(cwd).expanduser()))


def folder_of(table: Table, file: Path) -> Path | None:
    """The working folder of [trial], which is there; None, with a problem recorded, if not."""
    cwd = table.content.get("cwd")
    if not isinstance(cwd, str) or not cwd.strip():  # `read_trial` records its problem
        cwd = None
    try:
        folder = working_folder(file, cwd)
    except RuntimeError:  # the home folder of a user that there is not
        folder = Path(table.content["cwd"])
    if folder.is_dir():
        return folder
    table.wrong("cwd", f"there is no folder {folder}; name one, relative to the study file")
    return None


def check_interpreter(table: Table, file: Path) -> None:
    """Record the problem of a `python` that names no interpreter; file: the study file."""
    text = table.content.get("python")
    if isinstance(text, str) and text.strip():
        from tuitune.studyfile.interpreter import find_interpreter  # noqa: PLC0415 - few need it

        try:
            find_interpreter(text, file.parent)
        except WrongValueError as wrong:
            table.wrong("python", str(wrong))


def check_metrics(
    problems: Problems, metrics: Mapping[str, str], objective: str, resource: str | None
) -> None:
    """Record patterns of a command that lack the objective or the resource."""
    for name, role in ((objective, "metric in [objective]"), (resource, "resource in [pruning]")):
        if metrics and name and name not in metrics:
            words = f"there is no pattern for {name}, the {role}; add {name} = '{name}=([0-9.]+)'"
            problems.add("trial.metrics", "", None, words)


def _target(table: Table, target: str, folder: Path | None) -> str:
    from tuitune.studyfile import targets  # noqa: PLC0415 - a command needs no syntax tree

    try:
        targets.check_target(target, folder, arguments=1, here="python" not in table.content)
    except WrongValueError as wrong:
        words = str(wrong)
        if "cwd" in table.content:
            words = words.replace("next to the study file", "in the folder of cwd")
        table.wrong("target", words)
    return target


def _python(table: Table, *, is_used: bool) -> str | None:
    if not is_used:
        table.unused(
            "python",
            "command",
            "is the interpreter of a target, and a command begins with its own; write that as the "
            "command's first word, and take python out",
        )
    return table.text("python", None)


def _command(
    table: Table, names: Collection[str], space: SearchSpace
) -> tuple[str | tuple[str, ...], ...]:
    longest = _check_values(table, space)
    try:
        return read_command(table.content["command"], Names(names, space, longest))
    except WrongValueError as wrong:
        table.wrong("command", str(wrong))
        return ()


def _check_values(table: Table, space: SearchSpace) -> Mapping[str, int]:
    """The largest size in bytes of each parameter's values; 0 for numbers and samples.

    A command gets its configuration in one environment variable.
    """
    longest: dict[str, int] = {}
    for parameter in space.parameters:
        texts = [json.dumps(value) for value in listed(parameter)]
        longest[parameter.name] = max(map(len, texts), default=0)
        if any("\\u0000" in text for text in texts):
            words = "contains a NUL character, which no command can get; leave it out"
            table.problems.add("space", parameter.name, None, words)
    if sum(longest.values()) > LONGEST_CONFIGURATION:
        name = max(longest, key=longest.__getitem__)
        words = (
            f"its values have up to {longest[name]} bytes, and a command can get at most "
            f"{LONGEST_CONFIGURATION} in all; write the name of a file that contains them"
        )
        table.problems.add("space", name, None, words)
    return longest


def _saves(table: Table) -> str | None:
    saves = table.text("saves", None)
    if saves is None:
        return None
    from tuitune.trial.checkpoints import CHECKPOINTS  # noqa: PLC0415 - few need these
    from tuitune.trial.saved_files import OF_THE_FOLDER  # noqa: PLC0415

    plain = os.path.normpath(saves.removeprefix("{trial.folder}/"))
    first = plain.split(os.sep, 1)[0]
    if plain.startswith((os.sep, "..")) or plain == "." or "\0" in plain or "{" in plain:
        words = 'is not a path below the trial\'s folder; write "last.ckpt" or "out/*.pt", say'
    elif first == CHECKPOINTS:
        words = (
            f"is in tuitune's own folder {CHECKPOINTS}; let the program write to another one, such "
            'as {trial.folder}/out, and write "out/*.ckpt", say'
        )
    elif any(fnmatch.fnmatch(name, plain) for name in OF_THE_FOLDER):
        words = 'is what tuitune writes itself, too; write what no other file is called, as "*.pt"'
    else:
        return plain
    table.wrong("saves", words)
    return None


def _patterns(table: Table) -> dict[str, str]:
    patterns = table.texts("metrics")
    for name, pattern in patterns.items():
        words = ""
        try:
            groups = re.compile(pattern).groups
        except re.error as wrong:
            words = f"is not a pattern: {wrong}; correct it"
        else:
            if groups != 1:
                words = f"has {groups} groups; put ( ) around the number alone, (?: ) elsewhere"
        if words:
            table.problems.add("trial.metrics", name, pattern, words)
    return patterns


def _gpus(table: Table) -> float | Literal["auto"] | None:
    value = table.content.get("gpus")
    if value == "auto":
        return "auto"
    if isinstance(value, str):
        table.wrong("gpus", f'is {kind(value)}; write gpus = 1, a fraction such as 0.5, or "auto"')
        return None
    gpus = table.number("gpus", None, low=0)
    if gpus is not None and gpus > 1 and not gpus.is_integer():
        table.wrong("gpus", "is neither whole nor a fraction of one GPU; write 2 or 0.5, say")
    return gpus


def _environment(table: Table, names: Names) -> dict[str, str]:
    environment = table.texts("env")
    for name, text in environment.items():
        words = "" if table.problems.lenient else _problem_of(text, names)
        if not name or "=" in name or "\0" in name + text:
            words = 'can\'t be a variable of the environment; write NAME = "text"'
        elif len(f"{name}={text}".encode("utf-8", "surrogateescape")) > LONGEST_WORD:
            words = f"has more than the {LONGEST_WORD} bytes that the system takes; write less"
        if words:
            table.problems.add("trial.env", name, text, words)
    return environment


def _problem_of(text: str, names: Names) -> str:
    """What is wrong with the placeholders of a variable; empty if nothing is."""
    try:
        check_variable(text, names)
    except WrongValueError as wrong:
        return str(wrong)
    return ""
