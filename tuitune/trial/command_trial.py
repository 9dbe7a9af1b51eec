"""The trial of a command, reported by its supervisor from what the command prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tuitune.trial import wire
from tuitune.trial.api import Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tuitune.trial.channel import Channel


class Leaving(NamedTuple):
    """An order to save and leave, which came after the report of `step`."""

    reason: str
    step: int


class CommandTrial(Trial):
    """Reports for a command, which may print one step several times.

    As any trial it is judged by the first report of a step that has the objective. But a command
    doesn't wait for verdicts, so a step can also be judged once it is over: if steps are reported
    several times, each report is sent as open, and the merged report of the step is sent to be
    judged when a later step begins or the command ends.
    """

    def __init__(self, order: wire.Order, channel: Channel) -> None:
        super().__init__(order, channel)
        self._postponed.may_wait = False  # a command's reports can't save
        self._has_resumed = True  # whether it has can't be seen
        self._saves = order.saves is not None
        self._postponed.can_save = self._saves
        self.leaving: Leaving | None = None  # for a command that saves by itself
        self._repeats = order.repeats and order.resource is not None
        self._merged: dict[str, Any] = {}  # all that the current step has reported

    @property
    def is_complete(self) -> bool:
        """Whether a verdict says so."""
        return self._steps.is_complete

    @property
    def step(self) -> int:
        """The furthest step that this attempt has printed."""
        return self._steps.now

    def leave(self, reason: str) -> None:
        """Ask no verdict any more; the command is ended when it has saved."""
        if self.leaving is None:
            self.leaving = Leaving(reason, self._steps.now)
        self._postponed.answer = wire.Stop(reason, save=True)

    def stay(self) -> None:
        """Take the order to leave back."""
        self.leaving = None
        self._postponed.take_back()

    def _obey(
        self, answer: wire.Verdict | wire.Stop, save: Callable[[Path], object] | None
    ) -> None:
        reason = answer.reason if isinstance(answer, wire.Stop) else "pruned"
        must_end = isinstance(answer, wire.Stop) or answer.action == "stop"
        if self._saves and answer.save and must_end:
            self.leave(reason)
        else:
            super()._obey(answer, save)

    def take(self, values: Mapping[str, Any]) -> None:
        """Send the values of one printed report. Raises what `report` raises."""
        self._reporter.take()
        steps = self._steps
        step = steps.step_of(values)
        is_current = False
        if step is not None:
            if step > steps.now:
                self._close()
                self._merged = {}
            elif step == steps.newest_objective and self._metric in values:
                self._repeats = True
            is_current = step >= steps.now
        if is_current:
            self._merged.update(_sent(values, steps.resource))
        copy = dict(values)
        self._take(self._count(copy), copy, None, wire.OPEN if self._repeats and is_current else "")

    def finish(self) -> None:
        """The command has exited with status 0: wait for the last verdict."""
        line = self._closing()
        if line is not None:
            self._link.send(line)
            self._answer(self._steps.now)
        self._finish()

    def warn(self, kind: str, text: str) -> None:
        """Send a warning, once for each kind."""
        self._link.warn(kind, text)

    def _close(self) -> None:
        """A later step has begun: let the one before it be judged."""
        line = self._closing()
        if line is not None:
            self._link.send(line)
            self._obey(self._answer(self._steps.now), None)

    def _closing(self) -> bytes | None:
        """The merged report of the current step; None if it needs no verdict."""
        value = self._merged.get(self._metric)
        now = self._steps.now
        if not self._repeats or value is None or not self._steps.waits(now, value, closing=True):
            return None
        if self.leaving is not None:
            return None  # no verdict would come
        flags = wire.WAITS_AND_SAVES if self._saves else wire.WAITS
        return wire.report_line(now, self._merged, flags)[0]


def _sent(values: Mapping[str, Any], resource: str | None) -> dict[str, Any]:
    """Those of a report's values that were sent."""
    refused = wire.report_line(0, dict(values))[1]
    return {
        name: value for name, value in values.items() if name not in refused and name != resource
    }
