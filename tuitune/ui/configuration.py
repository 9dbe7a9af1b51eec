"""The user's configuration of the app, read from a file: keys of actions, additional panes."""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Any, Final

from platformdirs import user_config_path

from tuitune.ui.actions.registry import actions_of
from tuitune.ui.panes.registry import PANES
from tuitune.ui.render.themes import THEMES
from tuitune.ui.state import options, records
from tuitune.ui.state.keymap import Keymap, clashes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tuitune.ui.actions.action import Action
    from tuitune.ui.panes.pane import Pane

    Keys = Mapping[str, tuple[str, ...]]  # by the id of an action

_NO_ACTION: Final = "there is no such action; `:keys` in the app lists them"


class Configuration(records.Record, frozen=True):
    """The panes, the actions and the keys of an app."""

    panes: tuple[Pane, ...]
    actions: tuple[Action, ...]
    keymap: Keymap
    theme: str = ""  # "": by the terminal's background


def configured(
    panes: Sequence[Pane] = (), keys: Keys | None = None, theme: str = ""
) -> Configuration:
    """A configuration with additional panes, and keys that replace the default ones."""
    every = (*PANES, *panes)
    actions = actions_of(every)
    return Configuration(every, actions, Keymap(actions, keys), theme)


def key_file() -> Path:
    """The path of the file, which need not exist."""
    return user_config_path("tuitune", appauthor=False) / "keys.toml"


def load_configuration() -> Configuration:
    """Reads the user's file; the default without one. Raises ConfigurationError."""
    file = key_file()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return configured()
    except (OSError, UnicodeDecodeError) as error:
        raise options.ConfigurationError(f"{file}: can't be read: {error}") from error
    try:
        return read_configuration(text)
    except options.ConfigurationError as error:
        lines = (f"{file}: {line}" for line in str(error).splitlines())
        raise options.ConfigurationError("\n".join(lines)) from None


def read_configuration(text: str) -> Configuration:
    """Reads the text of a file. Raises ConfigurationError with a line for each mistake."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words = f'{error}; write [keys], then "trial.pause" = ["p"], for example'
        raise options.ConfigurationError(words) from error
    problems = [
        f"[{name}]: there is no such table; write [keys]"
        for name in document
        if name not in ("keys", "panes", "theme")
    ]
    theme = document.get("theme", "")
    if theme and theme not in THEMES:
        problems.append(f"theme: there is no theme {theme!r}; write one of {', '.join(THEMES)}")
    panes = _panes(document.get("panes", []), problems)
    actions = actions_of((*PANES, *panes))
    keys = _keys(document.get("keys", {}), actions, problems)
    problems += [
        f"[keys] {words}; give one of them another key" for words in clashes(actions, keys)
    ]
    if problems:
        raise options.ConfigurationError("\n".join(problems))
    return configured(panes, keys, theme)


def _panes(names: Any, problems: list[str]) -> list[Pane]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        problems.append('panes is not a list of names; write panes = ["name"]')
        return []
    if not names:
        return []
    from tuitune.ui.panes.plugin import PluginError, load_pane  # noqa: PLC0415 - rarely needed

    found: list[Pane] = []
    for name in names:
        try:
            found.append(load_pane(name, (*PANES, *found)))
        except PluginError as error:
            problems.append(f"panes: {error}")
    return found


def _keys(content: Any, actions: Sequence[Action], problems: list[str]) -> Keys:
    if not isinstance(content, dict):
        problems.append("keys is not a table; write [keys] on a line of its own")
        return {}
    known = [action.id for action in actions]
    keys: dict[str, tuple[str, ...]] = {}
    for id_, value in _flat(content):
        problem = _problem(id_, value, known)
        if problem:
            problems.append(f"[keys] {id_}: {problem}")
        else:
            keys[id_] = (value,) if isinstance(value, str) else tuple(value)
    return keys


def _flat(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """(id, keys); in TOML, `trial.pause` without quotes is a nested table and means the same."""
    found: list[tuple[str, Any]] = []
    for name, value in content.items():
        if isinstance(value, dict):
            found += [(f"{name}.{inner}", one) for inner, one in value.items()]
        else:
            found.append((name, value))
    return found


def _problem(id_: str, value: Any, known: Sequence[str]) -> str:
    if id_ in ("panes", "theme"):
        return "must be above [keys]"
    if id_ not in known:
        near = difflib.get_close_matches(id_, known, n=1)
        return f"there is no such action; did you mean {near[0]}?" if near else _NO_ACTION
    keys = [value] if isinstance(value, str) else value
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        return 'is not a list of keys; write ["p"] or ["ctrl+k", "f5"], for example'
    return ""
