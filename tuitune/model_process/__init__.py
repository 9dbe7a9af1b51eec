"""A model in a process of its own, so that the engine neither loads numpy nor waits."""

from tuitune.model_process.client import ModelError, ModelProcess, Timeouts
from tuitune.model_process.protocol import Brief

__all__ = ["Brief", "ModelError", "ModelProcess", "Timeouts"]
