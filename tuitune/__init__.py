"""What does a training script need of tuitune? Its trial, and the word that it must end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuitune.trial.api import Trial
    from tuitune.trial.current import current
    from tuitune.trial.link import TrialStopped

__all__ = ["Trial", "TrialStopped", "current"]


def __getattr__(name: str) -> Any:
    """Only where it is asked for: an app that is opened is no training script."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tuitune.trial import api, current  # noqa: PLC0415 - see above

    return getattr(current if name == "current" else api, name)
