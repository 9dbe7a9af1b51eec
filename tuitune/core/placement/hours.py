"""How many GPUs a study may use, by the time of day."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

_DAY = 24 * 60


class Window(msgspec.Struct, frozen=True, array_like=True):
    """A part of each day, in minutes since midnight, and the GPUs that may be used in it.

    start > end: it goes past midnight. The end is not a part of it.
    """

    start: int
    end: int
    gpus: int

    def has(self, minute: int) -> bool:
        """Whether this minute of the day is in the window."""
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


class Allowance(NamedTuple):
    """GPUs that may be used now, and until which minute of the day; None: all, and always."""

    gpus: int | None
    until: int | None = None


def allowance(most: int | None, windows: Iterable[Window], minute: int) -> Allowance:
    """What holds in this minute of the day; most: outside the windows."""
    windows = list(windows)
    for window in windows:
        if window.has(minute):
            always = (window.end - window.start) % _DAY == 0
            return Allowance(window.gpus, None if always else window.end % _DAY)
    starts = [window.start for window in windows]
    return Allowance(most, min(starts, key=lambda start: (start - minute) % _DAY, default=None))


def most_ever(most: int | None, windows: Iterable[Window]) -> int | None:
    """The GPUs that may be used at some time of the day; None: all."""
    windows = list(windows)
    if not windows or any(not any(w.has(m) for w in windows) for m in range(_DAY)):
        return None if most is None else max([most, *(window.gpus for window in windows)])
    return max(window.gpus for window in windows)


def overlap(windows: Sequence[Window]) -> tuple[int, int] | None:
    """The places of two windows that have a minute in common; None where none do."""
    for place, one in enumerate(windows):
        for other in range(place + 1, len(windows)):
            if windows[other].has(one.start) or one.has(windows[other].start):
                return place, other
    return None
