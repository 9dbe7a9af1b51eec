"""What is the shape of a trial's curve, in a few cells?

Each curve has a range of its own: a table's column of values tells how trials compare. A curve of
few points is short, so that its length tells how far it got.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.store.curves import Curve

LEVELS: Final = 4  # of dots in a cell
LEFT: Final = (0x40, 0x04, 0x02, 0x01)  # dots of a cell's left column, from below
RIGHT: Final = (0x80, 0x20, 0x10, 0x08)
BLANK: Final = "\N{BRAILLE PATTERN BLANK}"
ASCII: Final = "_.-'"
WIDE: Final = 10.0  # largest over smallest from which on a scale is logarithmic


def sparkline(curve: Curve, cells: int, *, ascii_only: bool) -> str:
    """Exactly `cells` cells, blank where the curve has no points."""
    columns = cells if ascii_only else 2 * cells
    return _drawn(sampled(curve.values, columns), cells, ascii_only)


def sampled(values: Sequence[float], most: int) -> tuple[float | None, ...]:
    """At most so many of the values, evenly over all, the last one among them. None: not finite."""
    count = len(values)
    if count > most:
        values = [values[(place + 1) * count // most - 1] for place in range(most)]
    return tuple(value if math.isfinite(value) else None for value in values)


@lru_cache(maxsize=4096)
def _drawn(values: tuple[float | None, ...], cells: int, ascii_only: bool) -> str:  # noqa: FBT001
    levels = heights(values, LEVELS)
    if ascii_only:
        return "".join(" " if level is None else ASCII[level] for level in levels).ljust(cells)
    dots = [0] * cells
    before: int | None = None
    for place, level in enumerate(levels):
        if level is not None:
            cell, right = divmod(place, 2)
            for dot in _stroke(before, level):
                dots[cell] |= (RIGHT if right else LEFT)[dot]
        before = level
    return "".join(chr(ord(BLANK) + mask) if mask else " " for mask in dots)


def heights(values: Sequence[float | None], levels: int) -> list[int | None]:
    """A level from 0 for each value; what lies outside the range of most stands at its edge."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return [None] * len(values)
    spare = len(known) // 8  # a first loss of a thousand is not to flatten all that follows
    least, most = known[spare], known[-1 - spare]
    scale = math.log if known[0] > 0 and most > WIDE * least else _quarter
    reach = (scale(most) - scale(least)) / 2
    low, high = scale(known[0]), scale(known[-1])
    if reach > 0:
        low, high = max(low, scale(least) - reach), min(high, scale(most) + reach)
    height = high - low
    if height <= 1e-9 * max(abs(low), abs(high)):
        return [None if value is None else levels // 2 - 1 for value in values]
    return [
        None if value is None else _level((scale(value) - low) / height, levels) for value in values
    ]


def _quarter(value: float) -> float:
    """So that no difference of two floats is too large for one."""
    return value / 4


def _level(part: float, levels: int) -> int:
    return min(levels - 1, max(0, int(part * levels)))


def _stroke(before: int | None, level: int) -> range:
    """The dots from just beside the level before to this one."""
    if before is None or before == level:
        return range(level, level + 1)
    return range(before + 1, level + 1) if before < level else range(level, before)
