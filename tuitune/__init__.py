"""What a training script needs of tuitune, and what a program does with studies."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuitune.api.asking import open as open  # noqa: A004 - as tuitune.open
    from tuitune.api.loaded import load as load
    from tuitune.api.running import run as run
    from tuitune.trial.api import Trial
    from tuitune.trial.current import current, debug
    from tuitune.trial.link import TrialStopped

# Without `open`, which `from tuitune import *` would put in the place of Python's own.
__all__ = ["Trial", "TrialStopped", "current", "debug", "load", "run"]

# Loaded only where they are asked for: a training script pays for its trial alone, and an app that
# is opened is not a training script.
_PLACES = {
    "Trial": "trial.api:Trial",
    "TrialStopped": "trial.link:TrialStopped",
    "current": "trial.current:current",
    "debug": "trial.current:debug",
    "load": "api.loaded:load",
    "open": "api.asking:open",
    "run": "api.running:run",
}


def __dir__() -> list[str]:
    """What a notebook's Tab shows."""
    return sorted(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, found = _PLACES[name].partition(":")
    return getattr(importlib.import_module(f"tuitune.{module}"), found)
