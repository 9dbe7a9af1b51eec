"""The app's options, from the command line and the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence
    from pathlib import Path

LOCAL, REMOTE = 0.25, 0.5  # s between two readings of the store
NEAR, FAR = 1.0, 2.0  # s between two readings of the devices, sampled every second


class ConfigurationError(Exception):
    """The user's configuration is invalid; the message has a line for each mistake."""


class Restart(Protocol):
    """Starts an engine on a study. Returns the reason if that fails, else an empty text."""

    def __call__(self, overrides: Sequence[str] = (), *, hold: bool = False) -> str:
        """overrides: changed keys of the study file, as "search.trials=80".

        hold: a finished study is run, too, and waits some seconds for a first request.
        """


class Training(Record, frozen=True):
    """What has come of training a trial on: words to be shown."""

    words: str
    failed: bool = False


class TrainOn(Protocol):
    """Trains a trial of a study on, as the only trial of another study, which it starts."""

    def __call__(self, trial: int, to: int) -> Training:
        """to: the resource up to which it is trained."""


class OpenedStudy(Record, frozen=True):
    """A study to show."""

    folder: Path
    file: str  # the study file as a command takes it, with its name if the file has another
    restart: Restart | None = None
    train: TrainOn | None = None


class StudyList(Record, frozen=True):
    """The studies of this machine, of which the user chooses one."""

    runs: Path
    find: Callable[[Path], OpenedStudy]  # by its folder; may raise StoreError, StudyFileError


class Options(Record, frozen=True):
    """Options of the command line, and what the environment allows."""

    readonly: bool = False
    ascii: bool = False
    theme: str = "dark"  # a name of render.themes; "": the user's file or the ground decides
    is_light: bool = False  # the terminal's background
    answer_is_late: bool = False  # the terminal may still answer what it was asked at the start
    tick: float = LOCAL
    devices_tick: float = NEAR


def options_for(
    environment: Mapping[str, str],
    *,
    readonly: bool,
    ascii_only: bool,
    no_color: bool,
    theme: str = "",
) -> Options:
    """The options for this environment; over SSH the store is read half as often.

    theme: as the user asked; a terminal without many colours has its own 16, or none.
    """
    remote = "SSH_CONNECTION" in environment
    bare = no_color or "NO_COLOR" in environment or not has_many_colours(environment)
    ascii_only = ascii_only or not _is_utf8(environment)
    ticks = (REMOTE, FAR) if remote else (LOCAL, NEAR)
    theme = "16" if bare else theme
    tick, devices_tick = ticks
    return Options(readonly, ascii_only, theme, tick=tick, devices_tick=devices_tick)


def prepare(environment: MutableMapping[str, str], options: Options, *, no_color: bool) -> None:
    """Sets the variables that Textual reads at import: no animations, 15 frames/s over SSH."""
    environment.setdefault("TEXTUAL_ANIMATIONS", "none")
    environment.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    if options.tick == REMOTE:
        environment.setdefault("TEXTUAL_FPS", "15")
    if "TEXTUAL_DRIVER" not in environment:  # a browser's size is in them, and changes otherwise
        for name in ("COLUMNS", "LINES"):  # Textual would use them and ignore a resize
            environment.pop(name, None)
    if no_color:
        environment["NO_COLOR"] = "1"


def has_many_colours(environment: Mapping[str, str]) -> bool:
    """Whether the terminal has 256 colours, by its name."""
    term = environment.get("TERM", "")
    return (
        environment.get("COLORTERM", "") in ("truecolor", "24bit")
        or "256" in term
        or "direct" in term
        or term.startswith(("xterm-kitty", "alacritty", "foot", "wezterm", "ghostty"))
    )


def _is_utf8(environment: Mapping[str, str]) -> bool:
    locale = (
        environment.get("LC_ALL") or environment.get("LC_CTYPE") or environment.get("LANG") or ""
    )
    return "utf" in locale.lower() or locale in ("", "C.UTF-8")
