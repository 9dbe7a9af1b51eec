"""Where on an axis does a value lie, and which round values name the axis?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROUND: Final = (1, 2, 5)
LARGEST: Final = 1e300  # beyond it differences overflow
SMALLEST: Final = 1e-280  # what is nearer to 0 is 0


class Scale(Record, frozen=True):
    """From low to high, both finite; with `log` both above 0."""

    low: float
    high: float
    log: bool = False

    def at(self, value: float) -> float:
        """0 at low and 1 at high, and beyond them where the value is; NaN: nowhere."""
        return self.all((value,))[0]

    def all(self, values: Iterable[float]) -> list[float]:
        """`at` each of many values."""
        low, high = self.low, self.high
        if self.log:
            low, high = math.log(low), math.log(high)
            values = [math.log(value) if value > 0 else math.nan for value in values]
        span = high - low
        return [(value - low) / span for value in values]

    def ticks(self, most: int) -> list[float]:
        """Round values within the scale, rising, at most so many (at least 2 are tried for)."""
        most = max(2, most)
        if self.log:
            return self._log_ticks(most)
        return _linear_ticks(self.low, self.high, most)

    def words(self, ticks: Sequence[float]) -> list[str]:
        return labels(ticks, aligned=not self.log)

    def _log_ticks(self, most: int) -> list[float]:
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        decades = last - first + 1
        if decades >= 2:
            stride = -(-decades // most)
            return [10.0**power for power in range(first, last + 1, stride)]
        between = [
            factor * 10.0**power for power in range(first - 1, last + 1) for factor in (1, 2, 5)
        ]
        inside = [tick for tick in between if self.low <= tick <= self.high]
        if 2 <= len(inside) <= most:
            return inside
        return [tick for tick in _linear_ticks(self.low, self.high, most) if tick > 0]


def scale(low: float, high: float, *, log: bool = False) -> Scale:
    """A scale of some width, also where low is high. Limits are brought into what can be drawn."""
    low, high = (min(max(end, -LARGEST), LARGEST) for end in (low, high))
    if log:
        low, high = max(low, 1 / LARGEST), max(high, 1 / LARGEST)
        narrow = high <= low * (1 + 1e-9)
        return Scale(low / 2, low * 2, log) if narrow else Scale(low, high, log)
    if high - low > max(abs(low), abs(high), SMALLEST) * 1e-9:
        return Scale(low, high)
    room = abs(low) * 0.1 if abs(low) > SMALLEST else 1.0
    return Scale(low - room, low + room)


def labels(ticks: Sequence[float], *, aligned: bool = True) -> list[str]:
    """The ticks with as many figures as they need; aligned: with as many decimals each."""
    for digits in range(1, 12):
        words = [tidy(tick, digits) for tick in ticks]
        if all(_is_told(tick, word) for tick, word in zip(ticks, words, strict=True)):
            break
    else:
        words = [tidy(tick, 12) for tick in ticks]
    decimals = max((len(word.partition(".")[2]) for word in words if "e" not in word), default=0)
    if not aligned or not decimals or any("e" in word for word in words):
        return words
    return [f"{tick:.{decimals}f}" for tick in ticks]


def tidy(value: float, digits: int = 4) -> str:
    """So many significant figures, without the noughts of an exponent."""
    words = f"{value:.{digits}g}"
    if "e" not in words:
        return words
    mantissa, _, exponent = words.partition("e")
    if 0 <= int(exponent) <= 5:
        return f"{value:.0f}"
    return f"{mantissa}e{int(exponent)}"


def _is_told(tick: float, word: str) -> bool:
    return math.isclose(float(word), tick, rel_tol=1e-9, abs_tol=1e-300)


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Multiples of the smallest round step that gives no more; one more than `most` to have two."""
    power = math.floor(math.log10((high / most) - (low / most)))
    steps = [float(f"{factor}e{p}") for p in (power, power + 1) for factor in ROUND]
    counts = [_multiples(low, high, step) for step in steps]
    place = next(place for place, count in enumerate(counts) if len(count) <= most)
    if len(counts[place]) < 2 and place and len(counts[place - 1]) == most + 1:
        place -= 1
    return [_exactly(index, steps[place]) for index in counts[place]]


def _multiples(low: float, high: float, step: float) -> range:
    return range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)


def _exactly(index: int, step: float) -> float:
    """index * step, as one would write it: 3 * 0.1 is 0.3."""
    return float(f"{index * step:.12g}")
