"""Zoom and pan: the part of an x axis that charts show, and where it is on the screen."""

from bisect import bisect_left, bisect_right
from typing import Final

from tuitune.store.curves import Curve
from tuitune.ui.charts.axis import Range
from tuitune.ui.state import records, render_context

_CLOSER: Final = 0.5  # of what is shown, after one step of the zoom
_PAN: Final = 0.25  # of what is shown, moved by one step


class Window(records.Record, frozen=True):
    """The x axis of a chart. left, width: cells from the pane's edge to its canvas, and of it.

    every: cells from one canvas to the next, in a grid of them. least: the narrowest zoom.
    """

    whole: Range
    shown: Range
    left: int
    width: int
    every: int = 0
    least: float = 1.0

    def value_at(self, column: int) -> float | None:
        """The x value below a column of the pane; None beside the canvas."""
        inside = (column % self.every if self.every else column) - self.left
        if not 0 <= inside < self.width:
            return None
        return self.shown.low + self.shown.span() * (inside + 0.5) / self.width

    def zoomed(self, around: float, *, closer: bool) -> Range | None:
        """What is shown one step closer to `around`, or one step away; None: all of it."""
        factor = _CLOSER if closer else 1 / _CLOSER
        span = self.shown.span() * factor
        if span >= self.whole.span():
            return None
        if span < self.least:
            return self.shown
        low = around - (around - self.shown.low) * factor
        return self._inside(low, span)

    def panned(self, by: int) -> Range:
        """What is shown after so many steps to the right."""
        span = self.shown.span()
        return self._inside(self.shown.low + by * _PAN * span, span)

    def _inside(self, low: float, span: float) -> Range:
        low = max(self.whole.low, min(low, self.whole.high - span))
        return Range(low, low + span)


def shown_part(selection: render_context.Selection, whole: Range) -> Range:
    """The part of the axis that the user has chosen, as far as it still exists; else all of it."""
    if selection.span is None:
        return whole
    low, high = max(whole.low, selection.span[0]), min(whole.high, selection.span[1])
    return Range(low, high) if low < high else whole


def visible(curve: Curve, part: Range) -> Curve:
    """The points of a curve within the part of the axis."""
    steps, values = curve
    first, end = bisect_left(steps, part.low), bisect_right(steps, part.high)
    if first == 0 and end == len(steps):
        return curve
    return Curve(steps[first:end], values[first:end])
