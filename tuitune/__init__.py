"""What does a training script need of tuitune? Its trial, and the word that it must end."""

from __future__ import annotations

from tuitune.execution.worker import Trial, TrialStopped, current

__all__ = ["Trial", "TrialStopped", "current"]
