"""Keys and ranges of numbers as TOML."""

from __future__ import annotations

import re

from tuitune.core.space import spell


def toml_key(name: str) -> str:
    """Spell a key, in quotes only where it needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else spell(name)


def number_domain(
    low: float, high: float, *, whole: bool, log: bool, step: float | None = None
) -> str:
    """Spell a range of numbers."""
    kind = int if whole else float
    ends = (kind(low), kind(high))
    text = f"{{ low = {spell(ends[0])}, high = {spell(ends[1])}"
    text += ', type = "int"' if ends == (0, 1) and whole else ""  # else it may be a choice of two
    text += ", log = true" if log else ""
    if step and not (whole and step == 1):
        text += f", step = {spell(kind(step))}"
    return text + " }"
