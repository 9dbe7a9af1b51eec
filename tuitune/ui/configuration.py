"""Which keys has this user given to which actions? One TOML file says so."""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING, Any

from platformdirs import user_config_path

from tuitune.ui import KeyFileError
from tuitune.ui.actions.registry import ACTIONS
from tuitune.ui.state.keymap import Keymap, clashes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def key_file() -> Path:
    """Where it lies, or would lie."""
    return user_config_path("tuitune", appauthor=False) / "keys.toml"


def load_keymap() -> Keymap:
    """The keys as they come, with this user's own. Raises KeyFileError."""
    file = key_file()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return Keymap(ACTIONS)
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{file}: can't be read: {error}") from error
    try:
        keys = read_keys(text)
    except KeyFileError as error:
        raise KeyFileError(
            "\n".join(f"{file}: {line}" for line in str(error).splitlines())
        ) from None
    return Keymap(ACTIONS, keys)


def read_keys(text: str) -> Mapping[str, tuple[str, ...]]:
    """Keys by action. Raises KeyFileError with a line for each mistake."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise KeyFileError(f'{error}; write [keys], then "trial.pause" = ["p"], say') from error
    problems = [
        f"[{name}]: there is no such table; write [keys]" for name in document if name != "keys"
    ]
    content = document.get("keys", {})
    keys: dict[str, tuple[str, ...]] = {}
    for id_, value in _flat(content) if isinstance(content, dict) else ():
        problem = _problem(id_, value)
        if problem:
            problems.append(f"[keys] {id_}: {problem}")
        else:
            keys[id_] = (value,) if isinstance(value, str) else tuple(value)
    if not isinstance(content, dict):
        problems.append("keys is no table; write [keys] on a line of its own")
    problems += [f"[keys] {words}; give one of them another" for words in clashes(ACTIONS, keys)]
    if problems:
        raise KeyFileError("\n".join(problems))
    return keys


def _flat(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """`trial.pause` without quotes is a table in TOML, and means the same."""
    found: list[tuple[str, Any]] = []
    for name, value in content.items():
        if isinstance(value, dict):
            found += [(f"{name}.{inner}", one) for inner, one in value.items()]
        else:
            found.append((name, value))
    return found


def _problem(id_: str, value: Any) -> str:
    known = [action.id for action in ACTIONS]
    if id_ not in known:
        near = difflib.get_close_matches(id_, known, n=1)
        return f"there is no such action; did you mean {near[0]}?" if near else _NO_ACTION
    keys = [value] if isinstance(value, str) else value
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        return 'is no list of keys; write ["p"], or ["ctrl+k", "f5"], say'
    return ""


_NO_ACTION = "there is no such action; `:keys` in the app lists them"
