"""Where in a chart is there room to say which line is which?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tuitune.ui.render.lines import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.ui.charts.canvas import Canvas


class Entry(NamedTuple):
    """A line's name, the same in short, and its value."""

    name: str
    short: str
    value: str
    role: str


def put_legend(canvas: Canvas, entries: Sequence[Entry]) -> None:
    """In the emptiest corner, as long as it covers no more than half of the chart's width."""
    entries = entries[: max(1, canvas.height // 2)]
    values = max((len(entry.value) for entry in entries), default=0)
    names = [entry.name for entry in entries]
    if _widest(names) + 1 + values > canvas.width // 2:
        names = [entry.short for entry in entries]
    wide = _widest(names)
    if wide + 1 + values > canvas.width * 2 // 3:
        wide, values = min(wide, canvas.width // 2), 0
    width = wide + (1 + values if values else 0)
    left, top = _corner(canvas, width, len(entries))
    for line, (entry, name) in enumerate(zip(entries, names, strict=False), top):
        text = fit(name, wide) + (" " + fit(entry.value, values, right=True) if values else "")
        canvas.write(left, line, text, entry.role)


def _widest(names: Sequence[str]) -> int:
    return max((len(name) for name in names), default=0)


def _corner(canvas: Canvas, width: int, height: int) -> tuple[int, int]:
    """Of equally empty ones the first: top right, bottom right, top left, bottom left."""
    right, bottom = max(0, canvas.width - width), max(0, canvas.height - height)
    corners = ((right, 0), (right, bottom), (0, 0), (0, bottom))
    return min(corners, key=lambda at: canvas.dots_in(at[0], at[1], width, height))
