"""How the engine notices that the machine's clock was set."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LEAST_STEP = 1.0  # s; less is how clocks are kept right all the time


class ClockSteps:
    """Compares the wall clock with the monotonic one, which nobody can set.

    A machine that was suspended counts as one whose clock was set: nothing ran meanwhile.
    """

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._apart = wall() - steady()

    def __call__(self) -> float:
        """Seconds by which the clock was set since the last call; 0 for none."""
        apart = self._wall() - self._steady()
        by = apart - self._apart
        if abs(by) < LEAST_STEP:
            return 0.0
        self._apart = apart
        return by
