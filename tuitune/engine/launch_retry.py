"""When is launching tried again after the machine had run out of something?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core import events as ev

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

FIRST = 5.0  # s
LONGEST = 60.0


class LaunchAgain:
    """Lets launching go on after a while, which doubles each time that it was in vain."""

    def __init__(
        self,
        take: Callable[[Sequence[ev.Event]], None],
        clock: Callable[[], float],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._take = take
        self._clock = clock
        self._loop = loop
        self._delay = FIRST
        self._timer: asyncio.TimerHandle | None = None

    def note(self, fact: ev.LaunchBlocked | ev.Started) -> None:
        if self._timer is not None:
            return
        if isinstance(fact, ev.Started):  # a trial has found all that it needed
            self._delay = FIRST
        elif fact.cause == "resources" and fact.why:
            self._timer = self._loop.call_later(self._delay, self._again)
            self._delay = min(2 * self._delay, LONGEST)

    def _again(self) -> None:
        self._timer = None
        self._take([ev.LaunchBlocked(self._clock(), "resources", "")])
