"""A model in a process of its own: what it is told, what it answers, and what if it dies."""

from __future__ import annotations

from tuitune.model_process.client import ModelError, ModelProcess
from tuitune.model_process.protocol import Brief

__all__ = ["Brief", "ModelError", "ModelProcess"]
