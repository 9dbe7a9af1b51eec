"""The ways in which scripts take their settings, in the order in which they are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.drafts.readers.argparse_calls import read_argparse
from tuitune.drafts.readers.constants import read_configurator, read_constants
from tuitune.drafts.readers.dataclasses import read_hf, read_simple_parsing, read_tyro
from tuitune.drafts.readers.flags import read_absl
from tuitune.drafts.readers.functions import read_click, read_fire, read_typer
from tuitune.drafts.readers.hydra import read_hydra
from tuitune.drafts.readers.jsonargparse import read_jsonargparse, read_lightning
from tuitune.drafts.readers.optuna import read_optuna

if TYPE_CHECKING:
    from tuitune.drafts.option import Reader, Reading
    from tuitune.drafts.script import Script

# Those of a command line; the first one that finds its own calls reads the script.
COMMAND_LINES: tuple[Reader, ...] = (
    read_hydra,
    read_lightning,
    read_tyro,
    read_hf,
    read_jsonargparse,
    read_simple_parsing,
    read_click,
    read_typer,
    read_fire,
    read_absl,
    read_configurator,
    read_argparse,
)
READERS: tuple[Reader, ...] = (read_optuna, *COMMAND_LINES, read_constants)


def read(script: Script, readers: tuple[Reader, ...] = READERS) -> Reading | None:
    """What the first fitting reader finds; None where none fits."""
    return next((found for reader in readers if (found := reader(script)) is not None), None)
