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

    Another line widens the range by as much as it needs, and to GROWTH times what the lines before
    it need at most; a line that would be off by more than half of it even then doesn't at all.
    None: no finite value (with log: none above 0).
    """
    shown: Range | None = None
    for line in lines:
        usual = _usual(_drawable(line, log=log))
        if usual:
            shown = Range(usual[0], usual[-1]) if shown is None else _widened(shown, usual)
    if shown is None or not log:
        return shown
    return Range(10.0**shown.low, 10.0**shown.high)


def _widened(shown: Range, ordered: list[float]) -> Range:
    """So that it holds these values too, as far as that is not too much."""
    most = GROWTH * max(shown.span(), 0.05 * max(abs(shown.low), abs(shown.high)))
    above = [value for value in ordered if value >= shown.high - most]
    low = min(above[0], shown.low) if above else shown.low
    held = [value for value in above if value <= low + most]
    if 2 * len(held) < len(ordered):
        return shown
    return Range(low, max(held[-1], shown.high))


def _usual(values: list[float]) -> list[float]:
    """Those that lie at most FAR times as far from the median as nine in ten do, in order."""
    if not values:
        return []
    ordered = sorted(values if len(values) <= MOST else _some(values))
    median = ordered[(len(ordered) - 1) // 2]
    away = sorted(abs(value - median) for value in ordered)
    usual = FAR * away[(len(away) - 1) * 9 // 10] or SPIKE * (abs(median) or 1.0)
    return [value for value in ordered if abs(value - median) <= usual]


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
