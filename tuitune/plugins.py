"""Entry points: searchers, pruners, panes, executors, requests, destinations of packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoints

SEARCHERS: Final = "tuitune.searchers"
PRUNERS: Final = "tuitune.pruners"
PANES: Final = "tuitune.panes"
EXECUTORS: Final = "tuitune.executors"
REQUESTS: Final = "tuitune.requests"
DESTINATIONS: Final = "tuitune.destinations"


class PluginError(Exception):
    """An entry point that is not installed, or that can't be loaded; str() is for the user."""


def names(group: str) -> tuple[str, ...]:
    """The names that installed packages offer in this group, sorted, each once; loads none.

    Slow: reads the metadata of every installed package. Call it only for names not built in.
    """
    return tuple(sorted(_entry_points(group).names))


def find(group: str, name: str, built_in: Iterable[str] = ()) -> Any:
    """Load the object that an installed package offers under this name.

    Of two packages that offer it, the first on sys.path counts. Raises PluginError: with the known
    names, `built_in` included, if no package offers it; with the package's error if loading fails.
    """
    found = _entry_points(group)
    if name not in found.names:
        raise PluginError(f'there is no "{name}"; there are {available(group, built_in)}')
    entry = next(iter(found.select(name=name)))
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        package = f" of the package {entry.dist.name}" if entry.dist else ""
        raise PluginError(
            f'"{name}" ({entry.value}){package} can\'t be loaded: {type(error).__name__}: {error}'
        ) from error


def available(group: str, built_in: Iterable[str] = ()) -> str:
    """The known names for a message, as "a, b, c (installed)"."""
    known = [*built_in]
    listed = [*known, *(f"{name} (installed)" for name in names(group) if name not in known)]
    return ", ".join(listed) or "none"


def _entry_points(group: str) -> EntryPoints:
    from importlib.metadata import entry_points  # noqa: PLC0415 - slow, and rarely needed

    return entry_points(group=group)
