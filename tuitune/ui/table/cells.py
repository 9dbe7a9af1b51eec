"""How does a number stand in a cell of the table? Short, as wide as its column, points in line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from tuitune.core.space.parameters import FloatRange, IntRange, spell
from tuitune.messages.text import duration

if TYPE_CHECKING:
    from tuitune.core.space.parameters import Parameter

SCIENTIFIC: Final = "e"
METRIC_WIDTH: Final = 9  # "-123.4567" and "-1.23e-15"
TEXT_WIDTH: Final = 14  # at most, of a parameter that is a text


def label(number: int) -> str:
    """A trial as the app names it."""
    return f"t{number:04d}"


def metric(value: float | None) -> str:
    """Four decimals, so that the points of a column stand in line; else three figures."""
    if value is None:
        return "-"
    size = abs(value)
    if value == 0 or 0.01 <= size < 9999.99995:
        return f"{value:.4f}"
    return scientific(value, 3)


def parameter(value: Any, form: str = "") -> str:
    """Numbers in their column's form; all else as the study file spells it, without quotes."""
    if isinstance(value, str):
        return value
    if form and isinstance(value, int | float) and not isinstance(value, bool):
        return scientific(value, 3) if form == SCIENTIFIC else format(value, form)
    return spell(value)


def form_of(parameter: Parameter) -> str:
    """How all values of a parameter are written, so that their points stand in line.

    SCIENTIFIC where they span decades or are far from 1, else as many decimals as tell them apart.
    """
    match parameter:
        case FloatRange(log=True):
            return SCIENTIFIC
        case FloatRange(low=low, high=high):
            size = max(abs(low), abs(high))
            if not 0.01 <= size < 1e6:
                return SCIENTIFIC
            return f".{max(0, 3 - max(0, int(math.log10(size))))}f"
        case IntRange(low=low, high=high):
            return SCIENTIFIC if max(abs(low), abs(high)) >= 10**8 else ""
    return ""


def scientific(value: float, figures: int) -> str:
    """3.1e-3 and not 3.1e-03; "nan" and "inf" as they are."""
    if not math.isfinite(value):
        return str(value)
    mantissa, _, exponent = f"{value:.{figures - 1}e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def count(value: int) -> str:
    """Of steps: up to five figures, then thousands and more."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= 100 * size:
            return f"{value // size}{letter}"
    return str(value)


def elapsed(seconds: float) -> str:
    """To the second for ten minutes, then to the minute: a calm column, and fewer bytes."""
    return f"{int(seconds // 60)}m" if 600 <= seconds < 3600 else duration(seconds)
