"""Writes the pages about commands and keys from the program's own tables: `python docs/reference.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from tuitune.cli.main import commands
from tuitune.ui.actions.action import Action
from tuitune.ui.actions.registry import ACTIONS
from tuitune.ui.state.keymap import Keymap

HERE = Path(__file__).parent
GROUPS = {
    "Studies": ("run", "attach", "serve", "ls", "stop", "set", "simulate", "rm", "repair"),
    "Trials": ("add", "pause", "resume", "kill", "retry"),
    "Results": ("show", "best", "train", "export"),
    "Study files and machines": ("check", "init", "doctor"),
}
COMMANDS = """\
# Commands

Every command with its options, as `tuitune COMMAND --help` prints them.

- `tuitune STUDY.toml` is `tuitune run STUDY.toml`, `tuitune STUDY` is `tuitune attach STUDY`, and `tuitune` alone shows
  this machine's studies.
- STUDY is the name of a study, as `tuitune ls` lists them, or the path of its folder. Without it a command means the
  study that runs, else the one run last.
- TRIAL is a number, as `7` or `#7`.

| variable | means |
|---|---|
| `TUITUNE_RUNS` | the folder of study folders, as `--runs` |
| `TUITUNE_THEME` | the app's colours, as `--theme` |
| `TUITUNE_LOCKS` | the folder of the locks of GPUs, which [containers](study-file.md#devices) share |
| `TUITUNE_CONFIG` | a JSON file with [one configuration, by hand](from-python.md#one-configuration-by-hand) |
| `NO_COLOR` | no colours, as `--no-color` |

| exit status | means |
|---|---|
| 0 | done; of a study: at least one trial is complete |
| 1 | no trial completed, or the command failed |
| 2 | the file or the call was wrong |
| 130 | stopped by Ctrl-C or a signal: the same command continues |
"""
KEYS = """\
# Keys of the app

Every action with its keys, as `?` shows them in the app, and its name: `:` takes it (`:pause 3`, or in full
`:trial.pause 3`), and `~/.config/tuitune/keys.toml` [gives it other keys](how-to.md#use-the-app). A key with a pane
works while that pane has the focus.
"""
TITLES = {
    "Move": "Moving",
    "Look": "Panes and charts",
    "Trials": "Trials",
    "Study": "The study",
    "App": "The app",
}


def cell(text: str) -> str:
    """Text of a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def grouped() -> dict[str, tuple[str, ...]]:
    """The groups of commands; one that is in no group comes last."""
    named = {name for group in GROUPS.values() for name in group}
    shown = {name for name, command in commands.commands.items() if not command.hidden}
    groups = {title: tuple(n for n in names if n in shown) for title, names in GROUPS.items()}
    others = tuple(sorted(shown - named))
    return groups | ({"Others": others} if others else {})


def options_of(command: click.Command, context: click.Context) -> Iterator[str]:
    """The rows of a table of options."""
    for option in command.get_params(context):
        record = option.get_help_record(context) if isinstance(option, click.Option) else None
        if record is not None and "--help" not in option.opts:
            yield f"| `{cell(record[0]).replace('`', '')}` | {cell(record[1])} |"


def command_section(name: str) -> str:
    """One command: its help, its usage, its options."""
    command = commands.commands[name]
    context = click.Context(command, info_name=f"tuitune {name}")
    usage = " ".join(command.collect_usage_pieces(context))
    rows = "\n".join(options_of(command, context))
    table = f"\n| option | |\n|---|---|\n{rows}\n" if rows else ""
    text = click.unstyle(command.help or "").replace("`", "").strip()
    paragraphs = "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    return f"### tuitune {name}\n\n`tuitune {name} {usage}`\n\n{paragraphs}\n{table}"


def commands_page() -> str:
    """The page about commands."""
    parts = [COMMANDS]
    for title, names in grouped().items():
        parts += [f"## {title}\n", *map(command_section, names)]
    return "\n".join(parts)


def key_row(action: Action, keymap: Keymap) -> str:
    """One action: its keys, its name, what it does."""
    keys = " ".join(f"`` {key} ``" if "`" in key else f"`{key}`" for key in keymap.keys(action.id))
    usage = f" {action.argument.usage}" if action.argument else ""
    return (
        f"| {cell(keys)} | {action.pane or ''} | `{cell(action.id + usage)}` "
        f"| {cell(action.help)} |"
    )


def keys_page() -> str:
    """The page about keys."""
    keymap = Keymap(ACTIONS)
    parts = [KEYS]
    for group, title in TITLES.items():
        rows = "\n".join(key_row(action, keymap) for action in ACTIONS if action.group == group)
        parts.append(f"## {title}\n\n| key | pane | name | |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(parts)


PAGES: Mapping[str, Callable[[], str]] = {"commands.md": commands_page, "keys.md": keys_page}


def main() -> None:
    """Write both pages."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
