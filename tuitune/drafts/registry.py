"""The ways in which scripts take their settings, in the order in which they are tried."""

from tuitune.drafts.option import Reader, Reading
from tuitune.drafts.readers import argparse_calls, constants, flags, hydra, jsonargparse, optuna
from tuitune.drafts.readers.dataclasses import read_hf, read_simple_parsing, read_tyro
from tuitune.drafts.readers.functions import read_click, read_fire, read_typer
from tuitune.drafts.script import Script

# Those of a command line; the first one that finds its own calls reads the script.
COMMAND_LINES: tuple[Reader, ...] = (
    hydra.read_hydra,
    jsonargparse.read_lightning,
    read_tyro,
    read_hf,
    jsonargparse.read_jsonargparse,
    read_simple_parsing,
    read_click,
    read_typer,
    read_fire,
    flags.read_absl,
    constants.read_configurator,
    argparse_calls.read_argparse,
)
READERS: tuple[Reader, ...] = (optuna.read_optuna, *COMMAND_LINES, constants.read_constants)


def read(script: Script, readers: tuple[Reader, ...] = READERS) -> Reading | None:
    """What the first fitting reader finds; None where none fits."""
    return next((found for reader in readers if (found := reader(script)) is not None), None)
