"""Options that several commands share: the folder of studies, the look of the app, devices."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import click

runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    envvar="TUITUNE_RUNS",
    show_default=True,
    help="The folder of study folders.",
)

_Command = TypeVar("_Command", bound="Callable[..., Any]")

_ASCII = click.option("--ascii", "ascii_only", is_flag=True, help="Draw the app in plain ASCII.")
_NO_COLOR = click.option("--no-color", is_flag=True, help="Draw the app without colours.")
THEME_NAMES = ("dark", "light", "contrast", "16")  # of ui.render.themes, which is not loaded here
_THEME = click.option(
    "--theme",
    type=click.Choice(THEME_NAMES),
    envvar="TUITUNE_THEME",
    help="The app's colours; the default goes by the terminal's background.",
)


class Look(TypedDict):
    """How the app is to look, as keywords of `cli.app.AppOptions`."""

    ascii_only: bool
    no_color: bool
    theme: str


def look_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --ascii, --no-color and --theme, which the command gets as one `Look` named "look"."""

    @wraps(command)
    def with_look(*, ascii_only: bool, no_color: bool, theme: str | None, **others: Any) -> None:
        look = Look(ascii_only=ascii_only, no_color=no_color, theme=theme or "")
        command(look=look, **others)

    return _ASCII(_NO_COLOR(_THEME(with_look)))


_PLACE = "tuitune.devices"  # in the context, for `device_overrides`


def device_options(command: _Command) -> _Command:
    """Add --gpus and the options of [devices]; `device_overrides` reads them."""
    for name, write, more in reversed(_OPTIONS):
        callback = _keep(write)
        command = click.option(name, expose_value=False, callback=callback, **more)(command)
    return command


def device_overrides(context: click.Context) -> list[str]:
    """The overrides of the study file that the given options stand for."""
    found: list[str] = context.meta.get(_PLACE, [])
    return found


def _keep(write: Callable[[Any], str]) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is not None:
            context.meta.setdefault(_PLACE, []).append(write(value))

    return keep


def _listed(value: str) -> str:
    words = [word.strip() for word in value.split(",") if word.strip()]
    listed = ", ".join(word if word.isdigit() else f'"{word}"' for word in words)
    return f"devices.allow=[{listed}]"


_OPTIONS: tuple[tuple[str, Callable[[Any], str], dict[str, Any]], ...] = (
    (
        "--gpus",
        "trial.gpus={}".format,
        {"metavar": "N|auto", "help": "GPUs for each trial: a whole number, a fraction, or auto."},
    ),
    (
        "--allow",
        _listed,
        {"metavar": "GPU,...", "help": "Only these GPUs, by nvidia-smi's numbers or UUIDs."},
    ),
    (
        "--leave-free",
        "devices.leave_free={}".format,
        {"type": int, "metavar": "N", "help": "Leave N GPUs to others."},
    ),
    (
        "--share/--no-share",
        lambda value: f"devices.share={str(value).lower()}",
        {"default": None, "help": "Also use GPUs on which others compute."},
    ),
)
