"""Contents of table cells: numbers with aligned decimal points, and sparklines."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from tuitune.core.space import parameters
from tuitune.messages.command import spelled
from tuitune.messages.text import duration
from tuitune.store.curves import Curve

_SCIENTIFIC: Final = "e"
_TIGHT: Final = len("2.7e-3")  # cells below which a scientific number has two digits
METRIC_WIDTH: Final = 9  # "-123.4567" and "-1.23e-15"
TEXT_WIDTH: Final = 14  # most cells of a text


def metric(value: float | None, form: str = "") -> str:
    """A value in the form of its column, without one in its own: at most four digits or so.

    Scientific where that would be too wide.
    """
    if value is None:
        return "-"
    form = form or metric_form(value)
    text = "" if form == _SCIENTIFIC else format(value, form)
    return text if 0 < len(text) <= METRIC_WIDTH else _scientific(value, 3)


def metric_form(best: float | None) -> str:
    """The format of all values of a metric, by the size of the best one."""
    size = 1.0 if not best or not math.isfinite(best) else abs(best)
    if not 0.01 <= size < 1e6:
        return _SCIENTIFIC
    return f".{4 if size <= 1 else max(0, 3 - int(math.log10(size)))}f"


def parameter(value: Any, form: str = "", width: int = 99) -> str:
    """A number in this form; another value as in the study file, without quotes.

    width: cells of its column; a scientific number has three digits where they fit, else two.
    """
    if form and isinstance(value, int | float) and not isinstance(value, bool):
        if form == _SCIENTIFIC:
            return _scientific(value, 3 if width > _TIGHT else 2)
        return format(value, form)
    return spelled(value)


def form_of(parameter: parameters.Parameter) -> str:
    """The format of all values of a parameter, with aligned decimal points.

    Scientific for a log scale or values far from 1, else with the decimals of its step or about
    four significant digits.
    """
    match parameter:
        case parameters.FloatRange(log=True):
            return _SCIENTIFIC
        case parameters.FloatRange(low=low, step=float(step)) if step >= 0.001:
            return f".{max(_decimals(low), _decimals(step))}f"
        case parameters.FloatRange(low=low, high=high):
            size = max(abs(low), abs(high))
            if not 0.01 <= size < 1e6:
                return _SCIENTIFIC
            return f".{max(0, 3 - max(0, int(math.log10(size))))}f"
        case parameters.IntRange(low=low, high=high):
            return _SCIENTIFIC if max(abs(low), abs(high)) >= 10**8 else ""
    return ""


def _decimals(value: float) -> int:
    """Digits after the point that it is written with: 2 for 0.05."""
    return len(f"{value:.6f}".rstrip("0").partition(".")[2])


def _scientific(value: float, figures: int) -> str:
    """As 3.1e-3, not 3.1e-03; "nan" and "inf" unchanged."""
    if not math.isfinite(value):
        return str(value)
    mantissa, _, exponent = f"{value:.{figures - 1}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def count(value: int) -> str:
    """A number of steps: up to five digits, then in k, M or G."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= 100 * size:
            return f"{value // size}{letter}"
    return str(value)


def elapsed(seconds: float) -> str:
    """To the second for ten minutes, then to the minute, so that fewer cells are repainted."""
    return f"{int(seconds // 60)}m" if 600 <= seconds < 3600 else duration(seconds)


_LEVELS: Final = 4  # of dots in a cell
_LEFT: Final = (0x40, 0x04, 0x02, 0x01)  # dots of a cell's left column, from below
_RIGHT: Final = (0x80, 0x20, 0x10, 0x08)
_BLANK: Final = "\N{BRAILLE PATTERN BLANK}"
_ASCII: Final = "_.-'"
_WIDE: Final = 10.0  # ratio of largest and smallest value from which the scale is logarithmic


def sparkline(curve: Curve, cells: int, *, ascii_only: bool) -> str:
    """The curve in exactly `cells` cells, blank where it has no points."""
    columns = cells if ascii_only else 2 * cells
    return _drawn(sampled(curve.values, columns), cells, ascii_only)


def sampled(values: Sequence[float], most: int) -> tuple[float | None, ...]:
    """At most `most` of the values, evenly spaced, with the last one. None: not finite."""
    count = len(values)
    if count > most:
        values = [values[(place + 1) * count // most - 1] for place in range(most)]
    return tuple(value if math.isfinite(value) else None for value in values)


@lru_cache(maxsize=4096)
def _drawn(values: tuple[float | None, ...], cells: int, ascii_only: bool) -> str:  # noqa: FBT001
    levels = heights(values, _LEVELS)
    if ascii_only:
        return "".join(" " if level is None else _ASCII[level] for level in levels).ljust(cells)
    dots = [0] * cells
    before: int | None = None
    for place, level in enumerate(levels):
        if level is not None:
            cell, right = divmod(place, 2)
            for dot in _stroke(before, level):
                dots[cell] |= (_RIGHT if right else _LEFT)[dot]
        before = level
    return "".join(chr(ord(_BLANK) + mask) if mask else " " for mask in dots)


def heights(values: Sequence[float | None], levels: int) -> list[int | None]:
    """A level from 0 for each value; outliers are moved to the edge of the range."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return [None] * len(values)
    spare = len(known) // 8  # outliers, such as a first loss of 1000, must not flatten the rest
    least, most = known[spare], known[-1 - spare]
    scale = math.log if known[0] > 0 and most > _WIDE * least else _quarter
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
    """A linear scale on which differences never overflow."""
    return value / 4


def _level(part: float, levels: int) -> int:
    return min(levels - 1, max(0, int(part * levels)))


def _stroke(before: int | None, level: int) -> range:
    """The dots from the previous level, exclusive, to this one."""
    if before is None or before == level:
        return range(level, level + 1)
    return range(before + 1, level + 1) if before < level else range(level, before)
