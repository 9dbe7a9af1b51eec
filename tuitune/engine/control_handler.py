"""Requests from other processes to a running engine, handled one by one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tuitune.control.requests import RefusedError
from tuitune.core import events as ev
from tuitune.engine.settings import NotWhileRunningError
from tuitune.executors.base import SampleError
from tuitune.studyfile import StudyFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitune.control.requests import Answer, Request
    from tuitune.core.search.proposal import Proposal
    from tuitune.core.study import Study
    from tuitune.engine.engine import Engine
    from tuitune.engine.ports import SettingsFile


class ControlHandler:
    """Handles requests, which use it as their EnginePort."""

    def __init__(self, engine: Engine, document: SettingsFile, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._document = document
        self.clock = clock

    async def __call__(self, request: Request, by: str) -> Answer:
        """The answer to a request, once its effects are stored. Raises RefusedError."""
        if self.study.state.finished:
            raise RefusedError("the study has just ended")
        answer = await request.handle(self, by)
        await asyncio.sleep(0)  # let the engine commit first
        if self._engine.broken is not None:
            raise RefusedError(str(self._engine.broken))
        return answer

    @property
    def study(self) -> Study:
        """The engine's study, to be read only."""
        return self._engine.study

    def take(self, events: Sequence[ev.Event]) -> None:
        """As Engine.take."""
        self._engine.take(events)

    async def add(self, proposal: Proposal, by: str) -> dict[str, Any]:
        """Make a trial of it. Returns its whole configuration. Raises RefusedError."""
        try:
            return await self._engine.add(proposal, by)
        except SampleError as error:
            raise RefusedError(f"a parameter can't be sampled: {error}") from error

    def change_settings(self, overrides: Sequence[str], by: str) -> list[str]:
        """As `tuitune set`. Returns what has changed, as text. Raises RefusedError."""
        try:
            settings, changes = self._document.change(overrides, self.study)
        except (StudyFileError, NotWhileRunningError) as error:
            raise RefusedError(str(error)) from error
        if changes:
            self.take([ev.SettingsChanged(self.clock(), settings, by, "; ".join(changes))])
        return changes
