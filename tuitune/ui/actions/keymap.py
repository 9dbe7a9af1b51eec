"""Which key does what, with which pane in focus?"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tuitune.ui.actions.action import Action

SHOWN: Mapping[str, str] = {"escape": "esc", "f1": "F1", "pageup": "pgup", "pagedown": "pgdn"}


class Keymap:
    """The actions by id, and the keys that lead to them."""

    def __init__(
        self, actions: Iterable[Action], keys: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """keys: those of actions that a user has given others, by id; none at all is possible."""
        self.actions: dict[str, Action] = {action.id: action for action in actions}
        changed = keys or {}
        self._keys = {
            id_: tuple(map(named, changed.get(id_, action.keys)))
            for id_, action in self.actions.items()
        }
        self._found: dict[tuple[str | None, str], str] = {}
        for id_, names in self._keys.items():
            for name in names:
                self._found[self.actions[id_].pane, name] = id_

    def find(self, key: str, character: str | None, focus: str) -> str | None:
        """The action of a pressed key: first what the focused pane does with it."""
        name = pressed(key, character)
        return self._found.get((focus, name)) or self._found.get((None, name))

    def keys(self, id_: str) -> tuple[str, ...]:
        """All keys of an action, as they are shown."""
        return tuple(SHOWN.get(name, name) for name in self._keys[id_])

    def shown(self, id_: str) -> str:
        """An action's first key; its name behind a colon where it has none."""
        keys = self.keys(id_)
        return keys[0] if keys else f":{id_.rpartition('.')[2]}"


def clashes(actions: Iterable[Action], keys: Mapping[str, Sequence[str]]) -> list[str]:
    """Words for each key that two actions of one pane, or of all panes, want."""
    owners: dict[tuple[str | None, str], str] = {}
    found: list[str] = []
    for action in actions:
        for name in map(named, keys.get(action.id, action.keys)):
            other = owners.setdefault((action.pane, name), action.id)
            if other != action.id:
                found.append(f"{name!r} is a key of both {other} and {action.id}")
    return found


def pressed(key: str, character: str | None) -> str:
    """What a key is called here: a printable one by its character, the others by their name."""
    if character and character != " " and character.isprintable():
        return character
    return key


def named(text: str) -> str:
    """A key as written in a table or by a user, so that "question_mark" is "?" too."""
    if len(text) == 1:
        return "space" if text == " " else text
    try:
        character = unicodedata.lookup(text.replace("_", " "))
    except KeyError:
        return text.lower()
    return character if character.isprintable() and character != " " else text.lower()
