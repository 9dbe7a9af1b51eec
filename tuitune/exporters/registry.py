"""The registry of destinations. Each is imported when it is opened: their packages are large."""

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tuitune import plugins
from tuitune.exporters.destination import Destination, DestinationError, Source
from tuitune.store.folder import expanded

Opener = Callable[[Source, str], Destination]


class DestinationKind(NamedTuple):
    """A tool that a study can be written to. An installed package may offer more of them."""

    open: Opener | str  # a function, or the module of this package that has it as `open_NAME`
    where: str  # the default place; {folder}: the study folder, {study}: its name
    means: str  # what a place is
    module: str = ""  # that has to be installed where tuitune is
    package: str = ""  # what to install for that
    is_path: bool = False  # a place without "://" is a path
    variable: str = ""  # an environment variable that has the default place


class Place(NamedTuple):
    """Where a study is written: a destination, and its folder, address or project."""

    name: str
    where: str


DESTINATIONS: Mapping[str, DestinationKind] = {
    "tensorboard": DestinationKind(
        "tensorboard",
        "{folder}/tensorboard",
        "a folder",
        "tensorboard",
        "tensorboard",
        is_path=True,
    ),
    "wandb": DestinationKind(
        "wandb", "{study}", "a project, or TEAM/PROJECT", "wandb", "wandb", variable="WANDB_PROJECT"
    ),
    "mlflow": DestinationKind(
        "mlflow",
        "sqlite:///{folder}/mlflow.db",
        "the address of a tracking server or store",
        "mlflow",
        "mlflow",
        variable="MLFLOW_TRACKING_URI",
    ),
    "optuna": DestinationKind(
        "optuna",
        "{folder}/optuna.log",
        "a journal file, or the address of a database",
        "optuna",
        "optuna",
        is_path=True,
    ),
}


def destination_kind(name: str, others: Sequence[str] = ()) -> DestinationKind:
    """Raises DestinationError if there is none; it names those that there are, and `others`."""
    if name in DESTINATIONS:
        return DESTINATIONS[name]
    try:
        kind: DestinationKind = plugins.find(plugins.DESTINATIONS, name, (*others, *DESTINATIONS))
    except plugins.PluginError as error:
        raise DestinationError(str(error)) from error
    return kind


def missing(name: str) -> str:
    """What has to be installed for it, for the user; empty if it is. Raises DestinationError."""
    kind = destination_kind(name)
    if not kind.module or _is_installed(kind.module):
        return ""
    return f"{name}: {kind.module} is not installed where tuitune is; pip install {kind.package}"


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it is in
        return False


def opener(name: str) -> Opener:
    """The function that opens it. Raises DestinationError if its package is not installed."""
    kind = destination_kind(name)
    if words := missing(name):
        raise DestinationError(words)
    if not isinstance(kind.open, str):
        return kind.open
    module = importlib.import_module(f"tuitune.exporters.{kind.open}")
    found: Opener = getattr(module, f"open_{kind.open}")
    return found


def place_of(name: str, where: str, folder: Path, base: Path) -> Place:
    """`where`, relative to `base` if it is a path; if it is empty the default of this study."""
    kind = destination_kind(name)
    if not where:
        default = kind.where.format(folder=folder.absolute(), study=folder.name)
        return Place(name, os.environ.get(kind.variable, "") or default)
    if kind.is_path and "://" not in where:
        return Place(name, str(base / expanded(where)))
    return Place(name, where)
