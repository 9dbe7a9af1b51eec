"""The keys of actions: which action a key runs in which pane."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

_SHOWN: Mapping[str, str] = {"escape": "esc", "f1": "F1", "pageup": "pgup", "pagedown": "pgdn"}


class Bindable(Protocol):
    """The part of an action that a keymap reads."""

    @property
    def id(self) -> str:
        """As in the key file: "trial.pause"."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The default keys."""

    @property
    def pane(self) -> str | None:
        """The pane that must have the focus; None: any."""

    @property
    def dangerous(self) -> bool:
        """Whether it changes the study."""


class Keymap:
    """Keys by the id of an action, and ids by key and focused pane."""

    def __init__(
        self, actions: Iterable[Bindable], keys: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """keys: by id, replace the default keys; an empty sequence removes them."""
        changed = keys or {}
        dangerous: set[str] = set()
        self._keys: dict[str, tuple[str, ...]] = {}
        self._found: dict[tuple[str | None, str], str] = {}
        for action in actions:
            names = tuple(map(named, changed.get(action.id, action.keys)))
            self._keys[action.id] = names
            self._found.update(((action.pane, name), action.id) for name in names)
            if action.dangerous:
                dangerous.add(action.id)
        self.dangerous = frozenset(dangerous)

    def find(self, key: str, character: str | None, focus: str) -> str | None:
        """The action of a pressed key; those of the focused pane come first."""
        name = pressed(key, character)
        return self._found.get((focus, name)) or self._found.get((None, name))

    def keys(self, id_: str) -> tuple[str, ...]:
        """All keys of an action, as shown to the user."""
        return tuple(_SHOWN.get(name, name) for name in self._keys[id_])

    def shown(self, id_: str) -> str:
        """The first key of an action; without keys, its command, as ":restart"."""
        keys = self.keys(id_)
        return keys[0] if keys else f":{id_.rpartition('.')[2]}"


def clashes(actions: Iterable[Bindable], keys: Mapping[str, Sequence[str]]) -> list[str]:
    """A message for each key that two actions of the same pane, or of all panes, have."""
    owners: dict[tuple[str | None, str], str] = {}
    found: list[str] = []
    for action in actions:
        for name in map(named, keys.get(action.id, action.keys)):
            other = owners.setdefault((action.pane, name), action.id)
            if other != action.id:
                found.append(f"{name!r} is a key of both {other} and {action.id}")
    return found


def pressed(key: str, character: str | None) -> str:
    """The name of a pressed key: its character if that is printable, else Textual's name."""
    if character and character != " " and character.isprintable():
        return character
    return key


def key_named(shown: str) -> str:
    """The name of a key by its label, as the keymap shows it: "esc" is "escape"."""
    return next((name for name, label in _SHOWN.items() if label == shown), shown)


def named(text: str) -> str:
    """The name of a key as written in the key file; "question_mark" becomes "?"."""
    if len(text) == 1:
        return "space" if text == " " else text
    try:
        character = unicodedata.lookup(text.replace("_", " "))
    except KeyError:
        return text.lower()
    return character if character.isprintable() and character != " " else text.lower()
