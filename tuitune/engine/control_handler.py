"""What requests of other processes may do with a running engine, and how it answers them."""

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
    """Handles requests one by one; it is the EnginePort that they are given."""

    def __init__(self, engine: Engine, document: SettingsFile, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._document = document
        self.clock = clock

    async def __call__(self, request: Request, by: str) -> Answer:
        """Raises RefusedError."""
        if self.study.state.finished:
            raise RefusedError("the study has just ended")
        answer = await request.handle(self, by)
        await asyncio.sleep(0)  # the commit comes first: what is answered is in the store
        if self._engine.broken is not None:
            raise RefusedError(str(self._engine.broken))
        return answer

    @property
    def study(self) -> Study:
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
        """What has changed, in words. Raises RefusedError."""
        try:
            settings, words = self._document.change(overrides, self.study)
        except (StudyFileError, NotWhileRunningError) as error:
            raise RefusedError(str(error)) from error
        if words:
            self.take([ev.SettingsChanged(self.clock(), settings, by, "; ".join(words))])
        return words
