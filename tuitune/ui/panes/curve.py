"""Curve: what the search looks like, by the view that the user has chosen."""

# ruff: noqa: PLC0415 - a view is imported by who looks at it: the first paint has no time for six

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tuitune.messages.text import plain
from tuitune.ui.charts.curve import CurveChart
from tuitune.ui.panes.titles import rule
from tuitune.ui.render.layout import CURVE
from tuitune.ui.render.lines import stacked

if TYPE_CHECKING:
    from tuitune.ui.charts.frame import Drawing
    from tuitune.ui.render.lines import Line, Size
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot


class Chart(Protocol):
    """One view. It is drawn again when its key is another one."""

    def key(self, context: RenderContext) -> object: ...

    def draw(self, context: RenderContext, size: Size) -> Drawing: ...


def chart_named(name: str) -> Chart:
    """As `view.chart` has it; those that remember something are made for one study."""
    match name:
        case "best":
            from tuitune.ui.charts import best

            return best
        case "importance":
            from tuitune.ui.charts import importance

            return importance
        case "parallel":
            from tuitune.ui.charts import parallel

            return parallel
        case "slice":
            from tuitune.ui.charts import slices

            return slices
        case "rungs":
            from tuitune.ui.charts.rungs import Rungs

            return Rungs()
        case _:
            return CurveChart()


class CurvePane:
    """Keeps the last drawing, and what the views remember, of one study."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._charts: dict[str, Chart] = {}
        self._key: object = None
        self._lines: list[Line] = []

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        if context.snapshot is not self._snapshot:
            self._snapshot, self._charts, self._key = context.snapshot, {}, None
        name = context.selection.chart
        if name not in self._charts:
            self._charts[name] = chart_named(name)
        chart = self._charts[name]
        focused = context.selection.focus == CURVE
        key = (name, size, context.glyphs, focused, chart.key(context))
        if key != self._key:
            drawing = chart.draw(context, size._replace(height=size.height - 1))
            self._lines = stacked([_title(context, drawing, size.width), *drawing.lines], size)
            self._key = key
        return self._lines


def _title(context: RenderContext, drawing: Drawing, width: int) -> Line:
    """The view's name, what is to be noted, and as many of its keys as there is room for."""
    title = plain(f"{drawing.title}, {drawing.note}" if drawing.note else drawing.title)
    keys = [f"{context.keymap.shown(action)} {words}" for action, words in drawing.actions]
    while keys:
        line = rule(context, CURVE, title, width, right="  ".join(keys))
        if any(keys[0] in text for text, _ in line):
            return line
        keys.pop()
    return rule(context, CURVE, title, width)
