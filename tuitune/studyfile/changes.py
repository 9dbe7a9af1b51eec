"""Differences between a study as it was run and its current file."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tuitune.core import space, spec
from tuitune.messages import parameters, text

_Key = tuple[str, str]  # a table of the study file, and a key of it


def _keys(tables: Mapping[str, str]) -> frozenset[_Key]:
    return frozenset((table, key) for table, keys in tables.items() for key in keys.split())


# Keys that a running engine adopts.
_SETTINGS = _keys(
    {
        "search": "trials concurrency",
        "trial": "cpus memory retries timeout keep_checkpoints leave_within gpus pause",
        "limits": "time target disk_free",
        "notify": "command",
        "devices": "on_foreign yield_to max_gpus hours",
    }
)
# Fields that are not keys of a study file.
_NO_KEYS = _keys({"pruning": "anchor installed", "search": "installed"})
# Keys that may change within a study; a change of any other needs a new study.
_FREE = _SETTINGS | _keys(
    {
        "trial": "env cwd checkpoint_every python",
        "devices": "allow leave_free share",
        "log": "to places",
    }
)


class Change(msgspec.Struct, frozen=True):
    """A key whose value differs, with both values as text."""

    key: str
    before: str
    now: str
    is_setting: bool = False  # a running engine adopts it

    def __str__(self) -> str:
        return f"{self.key}: was {self.before}, is {self.now}"


def changes(before: spec.StudySpec, now: spec.StudySpec) -> tuple[list[Change], list[Change]]:
    """(changes that a study accepts, changes that need a new study)."""
    accepted: list[Change] = []
    refused: list[Change] = []
    for table in ("objective", "trial", "search", "pruning", "limits", "devices", "notify", "log"):
        old, new = _values(getattr(before, table)), _values(getattr(now, table))
        for name in {**old, **new}:
            was, is_ = old.get(name), new.get(name)
            place = (table, name)
            if was == is_ or place in _NO_KEYS:
                continue
            free = place in _FREE or _appended(table, name, was, is_)
            words = _words(name, was), _words(name, is_)
            change = Change(f"[{table}] {name}", *words, is_setting=place in _SETTINGS)
            (accepted if free else refused).append(change)
    refused += _space_changes(before, now)
    was, is_ = before.space.constraints, now.space.constraints
    if was != is_:  # what was tried stays; later configurations keep the new ones
        accepted.append(Change("[space] constraints", _words("", was), _words("", is_)))
    return accepted, refused


def _values(table: Any) -> dict[str, Any]:
    """The keys of a table, including a method's own options."""
    if isinstance(table, spec.NotifySpec | spec.LogSpec):
        return table._asdict()
    found = msgspec.structs.asdict(table)
    options: dict[str, Any] = found.pop("options", {})
    return found | options


def _appended(table: str, name: str, before: Any, now: Any) -> bool:
    return (table, name) == ("search", "points") and now[: len(before)] == before


def _space_changes(before: spec.StudySpec, now: spec.StudySpec) -> list[Change]:
    old = {p.name: p for p in before.space.parameters}
    new = {p.name: p for p in now.space.parameters}
    names = [*old, *(name for name in new if name not in old)]
    return [
        Change(f"[space] {name}", _parameter(old.get(name)), _parameter(new.get(name)))
        for name in names
        if old.get(name) != new.get(name)
    ]


def _words(name: str, value: Any) -> str:
    if value is None or value == ():
        return "not set"
    if name in {"time", "timeout", "leave_within", "checkpoint_every"}:
        return f"{value:g} s"
    if name == "hours":
        return ", ".join(map(text.window, value))
    return f"{value / 1e9:g} GB" if name in {"memory", "disk_free"} else space.spell(value)


def _parameter(parameter: space.Parameter | None) -> str:
    if parameter is None:
        return "absent"
    likely = ", ".join(map(space.spell, space.likely_of(parameter)))
    parts = [
        parameters.domain(parameter),
        parameters.condition(parameter),
        likely and f"likely {likely}",
    ]
    return ", ".join(part for part in parts if part)
