"""How does a supervisor report for a command, which may print one step many times over?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitune.trial.api import Trial
from tuitune.trial.metric_encoding import OPEN, WAITS, line_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuitune.trial.channel import Channel
    from tuitune.trial.wire import Order


class CommandTrial(Trial):
    """Like a function's trial it is judged by the first report of a step that has the objective.

    But a command can be judged later, too, for it doesn't wait. Where steps are reported several
    times, each report is sent as open, and its step once more, to be judged, as soon as
    something shows that it is over: a later step, or the command's end.
    """

    def __init__(self, order: Order, channel: Channel) -> None:
        super().__init__(order, channel)
        self._postponed.may_wait = False  # what a command prints never can save
        self._repeats = order.repeats and order.resource is not None
        self._merged: dict[str, Any] = {}  # all that the step under way has reported

    @property
    def is_complete(self) -> bool:
        return self._steps.is_complete

    def take(self, values: Mapping[str, Any]) -> None:
        """Raises what `report` raises."""
        self._turn.take()
        steps = self._steps
        step = steps.of(values)
        is_current = False
        if step is not None:
            if step > steps.now:
                self._close()
                self._merged = {}
            elif step == steps.told and self._metric in values:
                self._repeats = True
            is_current = step >= steps.now
        if is_current:
            self._merged.update(_sent(values, steps.resource))
        copy = dict(values)
        self._take(self._count(copy), copy, None, OPEN if self._repeats and is_current else "")

    def finish(self) -> None:
        """The command has exited well: nothing but its verdict is left to wait for."""
        answer_wanted = self._closing()
        if answer_wanted is not None:
            self._link.send(answer_wanted)
            self._answer(self._steps.now)
        self._finish()

    def warn(self, kind: str, text: str) -> None:
        self._warn(kind, text)

    def _close(self) -> None:
        """A later step has begun: let the one before it be judged."""
        line = self._closing()
        if line is not None:
            self._link.send(line)
            self._obey(self._answer(self._steps.now), None)

    def _closing(self) -> bytes | None:
        """The report that ends the step under way, None where nothing of it is to be judged."""
        value = self._merged.get(self._metric)
        now = self._steps.now
        if not self._repeats or value is None or not self._steps.waits(now, value, closing=True):
            return None
        return line_of(now, self._merged, WAITS)[0]


def _sent(values: Mapping[str, Any], resource: str | None) -> dict[str, Any]:
    """Those of a report's values that were sent."""
    refused = line_of(0, dict(values))[1]
    return {
        name: value for name, value in values.items() if name not in refused and name != resource
    }
