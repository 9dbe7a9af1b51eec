"""Launching is tried again after delays that double, up to a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuitune.core import events as ev
from tuitune.engine.follow_up import LaunchRetry
from tuitune.engine.ports import Timeouts

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCKED = ev.LaunchBlocked(0.0, "resources", "no memory")
STARTED = ev.Started(0.0, 0, 0, 1, None, "", "", None)


class Loop:
    """Timers that fire when the test says so."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.due: Callable[[], Any] = lambda: None

    def call_later(self, delay: float, call: Callable[[], Any]) -> object:
        self.delays.append(delay)
        self.due = call
        return self


def test_the_wait_doubles_until_a_trial_has_started():
    loop, taken = Loop(), []
    again = LaunchRetry(taken.extend, lambda: 7.0, loop, Timeouts())
    again.note(ev.LaunchBlocked(0.0, "code", "train.py: SyntaxError"))
    assert loop.delays == []
    for _ in range(6):
        again.note(BLOCKED)
        again.note(BLOCKED)  # others that were launched at the same moment
        again.note(STARTED)  # one that was launched before
        loop.due()
    assert loop.delays == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert taken == [ev.LaunchBlocked(7.0, "resources", "")] * 6
    again.note(STARTED)
    again.note(BLOCKED)
    assert loop.delays[-1] == 5.0
