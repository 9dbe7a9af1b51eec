"""Which values does a chart show? A range that neither a spike nor a diverged trial can ruin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FAR: Final = 10.0  # times the deviation of nine tenths of a line, beyond which a value is a spike
SPIKE: Final = 100.0  # times the value of a line that is flat but for it
GROWTH: Final = 4.0  # times the range so far: a line that needs more is cut off
LARGEST: Final = 1e300  # what is larger is taken for this
MOST: Final = 256  # values of a line that are looked at


class Range(NamedTuple):
    low: float
    high: float

    def span(self) -> float:
        return self.high - self.low


def shown_range(lines: Iterable[Sequence[float]], *, log: bool = False) -> Range | None:
    """The range of several lines, the most trusted first: its own is always shown, spikes apart.

    Another line widens the range by as much as it needs, or not at all where that is more than
    GROWTH times what the lines before it need. None: no finite value (with log: none above 0).
    """
    shown: Range | None = None
    for line in lines:
        own = _interval(_drawable(line, log=log))
        if own is None:
            continue
        if shown is None:
            shown = own
            continue
        wider = Range(min(shown.low, own.low), max(shown.high, own.high))
        least = max(shown.span(), 0.05 * max(abs(shown.low), abs(shown.high)))
        if wider.span() <= GROWTH * least:
            shown = wider
    if shown is None or not log:
        return shown
    return Range(10.0**shown.low, 10.0**shown.high)


def _interval(values: list[float]) -> Range | None:
    """The extremes of those that lie at most FAR times as far from the median as nine in ten do."""
    if not values:
        return None
    ordered = sorted(values if len(values) <= MOST else _some(values))
    median = ordered[(len(ordered) - 1) // 2]
    away = sorted(abs(value - median) for value in ordered)
    usual = FAR * away[(len(away) - 1) * 9 // 10] or SPIKE * (abs(median) or 1.0)
    kept = [value for value in ordered if abs(value - median) <= usual]
    return Range(kept[0], kept[-1])


def _some(values: list[float]) -> list[float]:
    """Evenly some of them, and the extremes: those are what a range is about."""
    stride = -(-len(values) // MOST)
    return [*values[::stride], values[-1], min(values), max(values)]


def _drawable(line: Sequence[float], *, log: bool) -> list[float]:
    """The finite values, with `log` their decades; none too large to be subtracted."""
    numbers = list(filter(math.isfinite, line))
    if log:
        return [math.log10(min(max(v, 1 / LARGEST), LARGEST)) for v in numbers if v > 0]
    if max(map(abs, numbers), default=0.0) > LARGEST:
        return [min(max(v, -LARGEST), LARGEST) for v in numbers]
    return numbers
