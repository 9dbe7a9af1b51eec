"""Actions that copy the cursor's trial, or the marked ones, to the clipboard."""

import math
import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tuitune.core.space import spell
from tuitune.messages import configuration
from tuitune.messages.command import fill_command, trial_values
from tuitune.messages.text import trial_name
from tuitune.store.rows import TrialRow
from tuitune.ui.actions import action, engine_state
from tuitune.ui.logs import log_file
from tuitune.ui.state import render_context, status_line
from tuitune.ui.state.snapshot import Snapshot


def _copy(app: action.AppActions) -> None:
    """The trials are those when the key was pressed, even if the cursor moves meanwhile."""
    snapshot = app.snapshot
    rows = engine_state.meant(app.context())
    names = trial_name(rows[0].number) if len(rows) == 1 else f"{len(rows)} trials"

    def choice(key: str, title: str, text: Callable[[], str]) -> status_line.Choice:
        return status_line.Choice(key, title, lambda: app.copy(text(), f"{title} of {names}"))

    choices = [
        choice("i", "id", lambda: ids(rows)),
        choice("c", "TOML", lambda: configurations(rows)),
        choice("j", "JSON", lambda: configurations(rows, "json")),
        choice("p", "Python dict", lambda: configurations(rows, "python")),
        choice("f", "flags", lambda: configurations(rows, "flags")),
        choice("a", "tuitune add", lambda: added(snapshot, rows)),
        choice("l", "log path", lambda: logs(snapshot.folder, rows)),
    ]
    if snapshot.spec.trial.command is not None:
        choices.insert(5, choice("r", "command", lambda: commands(snapshot, rows)))
    app.menu(status_line.Menu(f"copy of {names}", tuple(choices)))


def ids(rows: Sequence[TrialRow]) -> str:
    """The numbers, as commands take them: `tuitune show STUDY --why 3`."""
    return " ".join(str(row.number) for row in rows)


def configurations(rows: Sequence[TrialRow], form: configuration.ConfigurationForm = "toml") -> str:
    """The configurations of several trials are a JSON array, a line each, or below a comment."""
    texts = [configuration.configuration_text(row.config, form) for row in rows]
    if len(texts) == 1:
        return f"{texts[0]}\n"
    if form == "json":
        return "[\n" + ",\n".join(texts) + "\n]\n"
    if form == "flags":
        return "".join(f"{text}\n" for text in texts)
    pairs = zip(rows, texts, strict=True)
    return "\n".join(f"{trial_name(row.number)}\n{text}\n" for row, text in pairs)


def commands(snapshot: Snapshot, rows: Sequence[TrialRow]) -> str:
    """The command of each trial from its start, as it is run in the folder of the study file."""
    command = snapshot.spec.trial.command or ()
    return "\n".join(shlex.join(fill_command(command, _values(snapshot, row))) for row in rows)


def _values(snapshot: Snapshot, row: TrialRow) -> dict[str, Any]:
    from tuitune.engine.orders import attempt_seed  # noqa: PLC0415 - the app needs it seldom

    seed = attempt_seed(snapshot.spec.search.seed, row.number, max(0, row.attempt - 1))
    folder = os.fspath(log_file(snapshot.folder.absolute(), row.number).parent)
    asked = snapshot.spec.trial.gpus
    gpus = int(asked == "auto") if asked is None or isinstance(asked, str) else math.ceil(asked)
    return {**row.config, **trial_values(folder, row.number, seed, gpus, None)}


def added(snapshot: Snapshot, rows: Sequence[TrialRow]) -> str:
    """Commands that add the same configurations to the study."""
    return "\n".join(
        shlex.join(["tuitune", "add", _place(snapshot.folder), *map(_pair, row.config.items())])
        for row in rows
    )


def logs(folder: Path, rows: Sequence[TrialRow]) -> str:
    """The paths of the logs, one per line."""
    return "\n".join(str(log_file(folder, row.number)) for row in rows)


def _place(folder: Path) -> str:
    """The absolute path of the study, valid in any folder."""
    return os.fspath(folder.resolve())


def _pair(item: tuple[str, object]) -> str:
    name, value = item
    return f"{name}={spell(value)}"


def _nothing(context: render_context.RenderContext) -> str:
    return "" if engine_state.meant(context) else "there are no trials yet"


ACTIONS: Final = (
    action.Action(
        "trial.copy",
        ("y",),
        "copy",
        "Copy its id, its configuration in one of four forms, a command that adds it, or its log.",
        "Trials",
        _copy,
        why_not=_nothing,
    ),
)
