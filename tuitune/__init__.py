"""What a training script needs of tuitune, and what a program does with studies."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuitune.api.loaded import load
    from tuitune.trial.api import Trial
    from tuitune.trial.current import current, debug
    from tuitune.trial.link import TrialStopped

__all__ = ["Trial", "TrialStopped", "current", "debug", "load"]

# Loaded only where they are asked for: a training script pays for its trial alone, and an app that
# is opened is no training script.
_PLACES = {
    "Trial": "tuitune.trial.api",
    "TrialStopped": "tuitune.trial.api",
    "current": "tuitune.trial.current",
    "debug": "tuitune.trial.current",
    "load": "tuitune.api.loaded",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)
