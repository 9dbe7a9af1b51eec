"""Nested tables of [space] as dotted names, in the table itself, in points and in conditions."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tuitune.studyfile.hints import PARAMETER_KINDS, is_hinted
from tuitune.studyfile.problems import Problems

CONSTRAINTS = "constraints"  # the one key of [space] that is not a parameter
_PLAIN = frozenset({"when", "likely", "weights"})  # keys of a parameter that hold tables or lists


def flattened(
    content: Mapping[str, Any], problems: Problems
) -> tuple[dict[str, Any], frozenset[str]]:
    """The parameters by their dotted names, and the names of those in nested tables."""
    entries: dict[str, Any] = {}
    in_tables: set[str] = set()
    for path, entry in _walked(content, ()):
        name = ".".join(path)
        if len(path) > 1 and path[-1] == CONSTRAINTS:
            words = "belongs in [space] itself; write it above the first nested table"
            problems.add("space", name, entry, words)
        elif len(path) > 1 and path[-1] == "when" and _is_table(entry):
            words = "is not a parameter; write when = { … } in each parameter of the table"
            problems.add("space", name, entry, words)
        elif len(path) > 1 and any("." in part or not part for part in path):
            problems.add("space", name, entry, "has a dot in a name; write a table for each part")
        elif name in entries:
            problems.add("space", name, entry, "is there twice; leave one of them out")
        elif path != (CONSTRAINTS,):
            entries[name] = entry
            in_tables |= {name} if len(path) > 1 else set()
    return entries, frozenset(in_tables)


def _walked(
    table: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, entry in table.items():
        if _is_nested(entry):
            yield from _walked(entry, (*above, key))
        else:
            yield (*above, key), entry


def _is_nested(entry: object) -> bool:
    """Whether it is a table of parameters, rather than a parameter in its long form.

    It has no key that decides the kind of a parameter, and at least one entry that is a parameter.
    """
    if not isinstance(entry, dict):
        return False
    kinds = [key for key in PARAMETER_KINDS if key in entry]
    if any(key == "value" or not _is_table(entry[key]) for key in kinds):
        return False
    return any(
        _is_table(value) or (isinstance(value, list) and not is_hinted(key, value))
        for key, value in entry.items()
        if key not in _PLAIN
    )


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def joined(table: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """A table with dotted names in place of nested tables, unless a parameter has the name."""
    return dict(_every(table, "", names))


def _every(
    table: Mapping[str, Any], above: str, names: Collection[str]
) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        name = f"{above}{key}"
        if name not in names and isinstance(value, dict):
            yield from _every(value, f"{name}.", names)
        else:
            yield name, value
