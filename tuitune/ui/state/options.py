"""How does this terminal want the app?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping
    from pathlib import Path

LOCAL, REMOTE = 0.25, 0.5  # s between two looks at the store
NEAR, FAR = 1.0, 2.0  # s between two looks at the devices, each of which has news every second


class ConfigurationError(Exception):
    """The user's configuration of the app can't be followed; a line for each mistake."""


class OpenedStudy(Record, frozen=True):
    """A study to show."""

    folder: Path
    file: str  # the study file, as the user would name it
    restart: Callable[[], str] | None = None  # starts an engine on it; a reason if that fails


class StudyList(Record, frozen=True):
    """The studies of this machine, of which the user chooses one."""

    runs: Path
    find: Callable[[Path], OpenedStudy]  # by its folder; may raise StoreError, StudyFileError


class Options(Record, frozen=True):
    """Said on the command line, or seen in the environment."""

    readonly: bool = False
    ascii: bool = False
    many_colours: bool = True  # False: the terminal's own sixteen, or none with NO_COLOR
    tick: float = LOCAL
    devices_tick: float = NEAR


def options_for(
    environment: Mapping[str, str], *, readonly: bool, ascii_only: bool, no_color: bool
) -> Options:
    """Over SSH half as many looks; sixteen colours where the terminal says no more of itself."""
    remote = "SSH_CONNECTION" in environment
    bare = no_color or "NO_COLOR" in environment or not _has_many(environment)
    ascii_only = ascii_only or not _is_utf8(environment)
    ticks = (REMOTE, FAR) if remote else (LOCAL, NEAR)
    return Options(readonly, ascii_only, not bare, *ticks)


def prepare(environment: MutableMapping[str, str], options: Options, *, no_color: bool) -> None:
    """What Textual reads when it is imported: no animations, and no frame that nobody sees."""
    environment.setdefault("TEXTUAL_ANIMATIONS", "none")
    environment.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    if options.tick == REMOTE:
        environment.setdefault("TEXTUAL_FPS", "15")
    for name in ("COLUMNS", "LINES"):  # Textual would believe them and never hear of another size
        environment.pop(name, None)
    if no_color:
        environment["NO_COLOR"] = "1"


def _has_many(environment: Mapping[str, str]) -> bool:
    term = environment.get("TERM", "")
    return (
        environment.get("COLORTERM", "") in ("truecolor", "24bit")
        or "256" in term
        or "direct" in term
        or term.startswith(("xterm-kitty", "alacritty", "foot", "wezterm", "ghostty"))
    )


def _is_utf8(environment: Mapping[str, str]) -> bool:
    said = environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or ""
    return "utf" in said.lower() or said in ("", "C.UTF-8")
