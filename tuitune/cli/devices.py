"""Which keys of a study file do the options for its devices stand for?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")

PLACE = "tuitune.devices"  # in the context, for `said`


def device_options(command: Command) -> Command:
    """Add --gpus and the options of [devices]; what they say is had from `said`."""
    for option in (_SHARE, _LEAVE_FREE, _ALLOW, _GPUS):
        command = option(command)
    return command


def said(context: click.Context) -> list[str]:
    """The overrides that the options stand for."""
    found: list[str] = context.meta.get(PLACE, [])
    return found


def _keep(form: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value is None:
            return
        word = str(value).lower() if isinstance(value, bool) else value
        context.meta.setdefault(PLACE, []).append(form.format(word))

    return keep


def _keep_list(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        words = [word.strip() for word in value.split(",") if word.strip()]
        listed = ", ".join(word if word.isdigit() else f'"{word}"' for word in words)
        context.meta.setdefault(PLACE, []).append(f"devices.allow=[{listed}]")


_GPUS = click.option(
    "--gpus",
    metavar="N|auto",
    expose_value=False,
    callback=_keep("trial.gpus={}"),
    help="GPUs a trial: a whole number, a fraction, or auto.",
)
_ALLOW = click.option(
    "--allow",
    metavar="GPU,...",
    expose_value=False,
    callback=_keep_list,
    help="Only these GPUs, by nvidia-smi's numbers or UUIDs.",
)
_LEAVE_FREE = click.option(
    "--leave-free",
    type=int,
    metavar="N",
    expose_value=False,
    callback=_keep("devices.leave_free={}"),
    help="Leave so many GPUs to others.",
)
_SHARE = click.option(
    "--share/--no-share",
    default=None,
    expose_value=False,
    callback=_keep("devices.share={}"),
    help="Take GPUs on which others compute, too.",
)
