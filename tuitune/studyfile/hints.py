"""What did the writer of an unknown word most likely mean?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tuitune.studyfile.elsewhere import DISTRIBUTIONS, ELSEWHERE, IN_PARAMETER, VALUES

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS: dict[str, tuple[str, ...]] = {
    "study": ("name",),
    "objective": ("metric", "mode", "value"),
    "trial": (
        "target",
        "command",
        "gpus",
        "cpus",
        "memory",
        "retries",
        "timeout",
        "leave_within",
        "checkpoint_every",
        "keep_checkpoints",
        "env",
        "metrics",
    ),
    "space": (),
    "search": ("method", "trials", "seed", "concurrency", "points", "levels", "learn_from"),
    "pruning": ("method", "resource", "min", "max", "reduction", "style", "brackets"),
    "limits": ("time", "target", "disk_free"),
    "devices": ("allow", "leave_free", "share", "on_foreign"),
}

PARAMETER_KEYS = (
    "low",
    "high",
    "log",
    "step",
    "powers_of",
    "type",
    "choices",
    "ordered",
    "value",
    "sample",
    "when",
    "likely",
)

# Compiled where a mistake needs them, not at every start.
_CALL = r"(?s)(?:\w+\.)*(\w+)\((?:\s*(-?[\d.e+-]+)\s*,\s*(-?[\d.e+-]+))?.*"

_PLACE = r"(\w+)\b.* in \[(\w+)\]"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that this one is most likely a slip of."""
    import difflib  # noqa: PLC0415 - only a mistake pays for it

    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower().replace("-", "_"), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """End a message about an unknown word: the likely one, or all there are."""
    names = list(known)
    near = nearest(word, names)
    return f"did you mean {near}?" if near else f"there are: {', '.join(names) or 'none'}"


def unknown_key(table: str, key: str) -> str:
    """Say what to do about a key that its table doesn't have."""
    plain = key.lower().replace("-", "_")
    if plain in KEYS[table]:
        return f"there is no such key; did you mean {plain}?"
    if plain in ELSEWHERE:
        return f"there is no such key; here it is {ELSEWHERE[plain]}"
    homes = [name for name, keys in KEYS.items() if plain in keys]
    if homes:
        return f"there is no such key here; it belongs in {' or '.join(f'[{h}]' for h in homes)}"
    if nearest(key, KEYS[table]) is None:
        places = {name: home for home, keys in KEYS.items() for name in keys}
        near = nearest(key, places)
        if near is not None:
            return f"there is no such key; did you mean {near} in [{places[near]}]?"
    return f"there is no such key; {did_you_mean(key, KEYS[table])}"


def meant(table: str, key: str) -> tuple[str, str] | None:
    """Give the table and key that an unknown key most likely stands for."""
    plain = key.lower().replace("-", "_")
    elsewhere = re.match(_PLACE, ELSEWHERE.get(plain, ""))
    if elsewhere:
        return elsewhere[2], elsewhere[1]
    for home in (table, *KEYS):
        if plain in KEYS.get(home, ()):
            return home, plain
    near = nearest(key, KEYS.get(table, ()))
    return (table, near) if near else None


def unknown_table(name: str) -> str:
    """Say what to do about a table, or a key above all tables, that a study file doesn't have."""
    plain = name.lower().replace("-", "_")
    if plain in ELSEWHERE:
        return f"there is no such table; here it is {ELSEWHERE[plain]}"
    homes = [table for table, keys in KEYS.items() if plain in keys]
    if homes:
        return f"stands outside its table; it belongs in {' or '.join(f'[{h}]' for h in homes)}"
    near = nearest(name, KEYS)
    return "there is no such table; " + (
        f"did you mean [{near}]?" if near else f"there are: {', '.join(KEYS)}"
    )


def unknown_in_parameter(key: str, value: object) -> str:
    """Say what to do about a key that no parameter has."""
    plain = key.lower().replace("-", "_")
    if plain in IN_PARAMETER:
        return f"{key}: there is no such key; here it is {IN_PARAMETER[plain]}"
    ends = value if isinstance(value, list) else []
    as_here = distribution(plain, [str(end) for end in ends])
    if as_here:
        return f"{key}: there is no such key; here it is {as_here}"
    return f"{key}: there is no such key; {did_you_mean(key, PARAMETER_KEYS)}"


def distribution(word: str, ends: list[str]) -> str:
    """Write a distribution of Ray Tune or Optuna as a study file does; empty for other words."""
    template = DISTRIBUTIONS.get(word.lower(), "")
    low, high = ends if len(ends) == 2 else ("…", "…")
    return template.format(low, high)


def called(text: str) -> str:
    """Do the same for text such as "tune.loguniform(1e-4, 1e-1)"."""
    call = re.fullmatch(_CALL, text) if "(" in text else None
    return distribution(call[1], [end for end in call.groups()[1:] if end]) if call else ""


def unknown_value(value: str, known: Iterable[str]) -> str:
    """End a message about a word that isn't one of the allowed ones."""
    names = list(known)
    meant = VALUES.get(value.lower())
    if meant not in names:
        meant = nearest(value, names)
    there = " or ".join(f'"{name}"' for name in names)
    return f'did you mean "{meant}"?' if meant else f"write {there}"
