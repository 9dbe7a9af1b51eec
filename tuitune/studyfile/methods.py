"""The key `method` of a table, built in or installed, and the options that a method has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tuitune import plugins
from tuitune.plugins import PluginError
from tuitune.studyfile.hints import unknown_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tuitune.core.options import Fault, Option
    from tuitune.studyfile.table import Table


class _HasOptions(Protocol):
    @property
    def options(self) -> tuple[Option, ...]: ...


Result = TypeVar("Result")
Kind = TypeVar("Kind", bound=_HasOptions)


def method_of(
    table: Table, built_in: Mapping[str, Kind], group: str, kind: type[Kind], default: str
) -> tuple[str, Kind, Kind | None]:
    """(name, its row, the same where it is installed); the default's where it can't be used.

    Packages are asked only for a name that is not built in. The table's keys are checked, too.
    """
    name = table.text("method", default)
    if name in built_in:
        table.check_keys()
        return name, built_in[name], None
    found: Any = None
    try:
        found = plugins.find(group, name)
    except PluginError as error:
        known = [*built_in, *plugins.names(group)]
        unknown = f"is no method; {unknown_value(name, known)}{_installed(group)}"
        table.wrong("method", f"can't be used: {error}" if name in known else unknown)
    else:
        if isinstance(found, kind):
            table.check_keys([option.key for option in found.options])
            return name, found, found
        table.wrong("method", f"can't be used: its package offers no {kind.__name__}")
    table.check_keys()
    return default, built_in[default], None


def _installed(group: str) -> str:
    names = ", ".join(plugins.names(group))
    return f"; installed: {names}" if names else ""


def read_options(table: Table, options: Iterable[Option]) -> dict[str, Any]:
    """The values of a method's own keys, or their defaults."""
    return {option.key: _value(table, option) for option in options}


def _value(table: Table, option: Option) -> Any:
    match option.kind:
        case "whole":
            return table.whole(option.key, option.default, low=int(option.low))
        case "number":
            return table.number(option.key, option.default, low=option.low)
        case "text":
            return table.text(option.key, option.default)


def note(table: Table, faults: Iterable[Fault]) -> None:
    """Note what a method's own check has found."""
    for fault in faults:
        if fault.how == "missing":
            table.problems.missing(table.name, fault.key, fault.words)
        elif fault.how == "unused":
            table.unused(fault.key, "method", fault.words)
        else:
            table.wrong(fault.key, fault.words)


def guarded(table: Table, call: Callable[[], Result]) -> Result | None:
    """What a method's own code returns; an error of it is noted, and None is returned."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - code of an installed package may raise anything
        table.wrong("method", f"can't be used: {type(error).__name__}: {error}")
        return None
