"""What does a training script need of tuitune? Its trial, and the word that it must end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuitune.trial.here import current
    from tuitune.trial.link import TrialStopped
    from tuitune.trial.worker import Trial

__all__ = ["Trial", "TrialStopped", "current"]


def __getattr__(name: str) -> Any:
    """Only where it is asked for: an app that is opened is no training script."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tuitune.trial import here, worker  # noqa: PLC0415 - see above

    return getattr(here if name == "current" else worker, name)
