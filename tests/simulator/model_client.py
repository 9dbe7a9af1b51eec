"""The model of a search in this process, with a simulated time for each answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tuitune.core.search.proposal import History, Model, Proposal
    from tuitune.core.spec import StudySpec


class InProcessModel:
    """A `tuitune.engine.ports.ModelClient` without a process of its own.

    latency: seconds of the simulated clock until the next answer; it may raise ModelError.
    """

    def __init__(self, model: Model, latency: Callable[[], float] = lambda: 0.0) -> None:
        self._model = model
        self._latency = latency

    async def propose(
        self, trial: int, history: History, tried: Collection[str]
    ) -> Proposal | None:
        seconds = self._latency()
        if seconds:
            await asyncio.sleep(seconds)
        return self._model.propose(trial, history, tried)


def make_model_client(
    spec: StudySpec, latency: Callable[[], float] = lambda: 0.0
) -> InProcessModel | None:
    """The study's model; None where its search has none."""
    if not spec.is_modelled:
        return None
    from tuitune.core.search.registry import make_model  # noqa: PLC0415 - loads numpy

    model = make_model(spec.space, spec.search, spec.objective.mode, spec.pruner.milestones)
    return InProcessModel(model, latency)
