"""For how long does a trial that was told to save and leave go on to a report that can save?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.trial.steps import NEVER
from tuitune.trial.wire import Stop

if TYPE_CHECKING:
    from tuitune.trial.steps import Steps
    from tuitune.trial.wire import Verdict


class Postponed:
    """A leave that waits for a report with `save`, but not for long: what is trained is lost."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._until = NEVER  # the last step that it waits for
        self.may_wait = True
        self.can_save = False  # some report has come with a way to save
        self.answer: Verdict | Stop | None = None  # what it was told, None where nothing waits

    def waits(self, answer: Verdict | Stop) -> bool:
        """Whether what was told at a report that can't save is left to a later one."""
        if not answer.save or not (isinstance(answer, Stop) or answer.action == "stop"):
            return False
        if not self.may_wait:
            return False
        if self.answer is None:
            self._until = self._last()
        self.answer = answer  # a second word changes the reason, not the time
        return self._steps.now <= self._until

    def due(self, *, saves: bool) -> Verdict | Stop | None:
        """What is to be obeyed at this report."""
        return self.answer if saves or self._steps.now > self._until else None

    def never_due(self) -> None:
        """No report follows that it could wait for, and no step that could be lost."""
        self._until = NEVER

    def take_back(self) -> None:
        self.answer = None

    def _last(self) -> int:
        now = self._steps.now
        if self.can_save:
            return now + 1
        # In its first step nobody knows yet whether a report with `save` ends each one.
        return now if now <= self._steps.first else now - 1
