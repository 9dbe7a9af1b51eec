"""The command line: runs an action by its name, or moves to a trial by its number."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tuitune.messages.text import trial_name
from tuitune.ui.actions.action import Action, AppActions
from tuitune.ui.actions.moving import jump_to
from tuitune.ui.state.status_line import Prompt

_NUMBER = re.compile(r"[#t]?[0-9]{1,9}", re.ASCII)
_MOST = 12  # candidates that a hint lists


class _Command(NamedTuple):
    """A parsed line: an action, and the text after its name."""

    action: Action
    argument: str


def command_line(app: AppActions, text: str = "") -> None:
    """Opens the command line with this text in it."""
    app.prompt(
        Prompt(
            ":",
            text,
            done=lambda line: execute(app, line),
            hint=lambda line: hint(app, line),
            complete=lambda line: completed(app, line),
        )
    )


def whole_number(app: AppActions, name: str, text: str) -> int | None:
    """The typed number; if it is not a whole number of at least 1, shows that and returns None."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    app.say(f"{name}: {text or 'nothing'} is not a whole number from 1; write :{name} 8", "warning")
    return None


def execute(app: AppActions, line: str) -> None:
    """Runs the command of this line, or shows what is wrong with it."""
    line = line.strip().removeprefix(":").strip()
    if not line:
        return
    if _NUMBER.fullmatch(line):
        jump_to(app, line)
        return
    actions = app.actions.values()
    command = understood(actions, line)
    if command is None:
        app.say(_unknown(actions, line), "warning")
        return
    action, argument = command
    if argument and action.argument is None:
        app.say(f"{name_of(action, actions)} takes no argument: {argument}", "warning")
    else:
        app.act(action.id, argument)


def understood(actions: Iterable[Action], line: str) -> _Command | None:
    """Finds an action by id, by the last part of its id, or by title; None if there is none."""
    known = _names(actions)
    whole = known.get(line.lower())
    if whole is not None:
        return _Command(whole, "")
    first, _, rest = line.partition(" ")
    action = known.get(first.lower())
    return None if action is None else _Command(action, rest.strip())


def _names(actions: Iterable[Action]) -> Mapping[str, Action]:
    """Every name that an action can be called by.

    A short name that several actions share means the one that takes an argument (`:trials 200`),
    else the first one.
    """
    listed = sorted(actions, key=lambda action: action.argument is None)
    found: dict[str, Action] = {action.id: action for action in listed}
    for action in listed:
        found.setdefault(action.id.rpartition(".")[2], action)
    for action in listed:
        found.setdefault(action.title.lower(), action)
    return found


def name_of(action: Action, actions: Iterable[Action]) -> str:
    """The shortest name that means only this action."""
    return _shortest(action, _names(actions))


def _shortest(action: Action, known: Mapping[str, Action]) -> str:
    short = action.id.rpartition(".")[2]
    return short if known[short] is action else action.id


def _unknown(actions: Iterable[Action], line: str) -> str:
    """The message for a line that names no action."""
    first = line.split(maxsplit=1)[0]
    near = difflib.get_close_matches(first, _names(actions), n=2)
    mend = f"did you mean {' or '.join(near)}?" if near else "? lists all actions"
    return f"{first}: no such command; {mend}"


def _candidates(app: AppActions, line: str) -> Sequence[str]:
    """Possible completions of the last word."""
    actions = app.actions.values()
    known = _names(actions)
    first, space, rest = line.lstrip().partition(" ")
    if not space:
        shortest = [_shortest(action, known) for action in actions]
        found = [name for name in shortest if name.startswith(first)]
        return found or [action.id for action in actions if action.id.startswith(first)]
    action = known.get(first)
    if action is None or action.argument is None or action.argument.values is None:
        return []
    return [value for value in action.argument.values(app.context()) if value.startswith(rest)]


def completed(app: AppActions, line: str) -> str:
    """The line, extended by what all candidates have in common."""
    found = _candidates(app, line)
    if not found:
        return line
    head, space, _ = line.lstrip().partition(" ")
    start = f"{head} " if space else ""
    if len(found) > 1:
        return start + common_start(found)
    takes_more = not space and _names(app.actions.values())[found[0]].argument is not None
    return start + found[0] + (" " if takes_more else "")


def common_start(words: Sequence[str]) -> str:
    """The longest common prefix."""
    least, most = min(words), max(words)
    return next((least[:at] for at, c in enumerate(least) if c != most[at]), least)


def hint(app: AppActions, line: str) -> str:
    """What can be typed next, or what the command does."""
    line = line.strip().removeprefix(":")
    if not line:
        return "an action's name, or a trial's number; tab completes"
    if _NUMBER.fullmatch(line):
        return f"moves to {trial_name(int(line.lstrip('#t')))}"
    actions = app.actions.values()
    command = understood(actions, line)
    if command is not None:
        return _usage(command.action, actions)
    found = _candidates(app, line)
    if not found:
        return _unknown(actions, line)
    more = f"  and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "  ".join(found[:_MOST]) + more


def _usage(action: Action, actions: Iterable[Action]) -> str:
    usage = "" if action.argument is None else f" {action.argument.usage}"
    return f":{name_of(action, actions)}{usage}  {action.help}"
