"""How many trials have ended, how long do they take, and when will the last one end?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core import events as ev
from tuitune.core.events import ENDED
from tuitune.messages.text import duration

if TYPE_CHECKING:
    from tuitune.core.study import Study


class Forecast:
    """Counts as facts come by, so that a line costs the same in a study of ten thousand trials."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._ended: set[int] = set()
        self._timed = 0
        self._spent = 0.0  # s, of those that ended while we looked

    def see(self, fact: ev.AnyFact) -> None:
        match fact:
            case ev.Opened():
                self._ended = {t.number for t in self._study.state.trials if t.state in ENDED}
            case ev.Settled(trial=number, state=state) if state in ENDED:
                self._ended.add(number)
                trial = self._study.state.trials[number]
                if trial.started is not None:
                    self._timed += 1
                    self._spent += max(0.0, fact.time - trial.started)  # a clock may be set
            case ev.RetryAsked(trial=number):
                self._ended.discard(number)
            case _:
                pass

    @property
    def done(self) -> int:
        return len(self._ended)

    @property
    def total(self) -> int:
        settings = self._study.state.settings
        return (settings.trials if settings else 0) + self._study.state.by_hand

    def remaining(self) -> str:
        """An estimate: trials at their mean time, as many at once as now; empty where unknown."""
        running = len(self._study.state.running)
        if not self._timed or not running or self.done >= self.total:
            return ""
        left = (self.total - self.done) * self._spent / self._timed / running
        return f"ETA {duration(left)}"
