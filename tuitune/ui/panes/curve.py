"""The pane of the charts."""

from typing import Final

from tuitune.messages.text import plain
from tuitune.ui.actions import charting, zooming
from tuitune.ui.charts.frame import Drawing
from tuitune.ui.charts.registry import CURVE, VIEWS, Chart, chart_named
from tuitune.ui.panes.pane import TALL_FROM, THREE_FROM, Pane, Place, Room, rule
from tuitune.ui.render.lines import Line, Size, stacked
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.snapshot import Snapshot

_STEP: Final = 5  # trials for which the table is made longer
_TABLE, _BELOW = 3, 5  # lines of the table beside its trials, and of the pane below, if boxed
_LOWEST, _TALLEST = 7, 14  # lines of a chart in a single column
_READING: Final = (
    ("chart.log", "log"),
    ("chart.metric", "metric"),
    ("chart.right", "read"),
    ("chart.closer", "zoom in"),
)


class CurvePane:
    """The chosen chart. Caches the last drawing and the charts of one study."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._charts: dict[str, Chart] = {}
        self._key: object = None
        self._lines: list[Line] = []

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The title, and the chosen chart."""
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
    """The title of the chart, its note, and as many of its keys as fit."""
    title = plain(f"{drawing.title}, {drawing.note}" if drawing.note else drawing.title)
    keys = [f"{context.keymap.shown(action)} {words}" for action, words in drawing.actions]
    while keys:
        line = rule(context, CURVE, title, width, right="  ".join(keys))
        if any(keys[0] in text for text, _ in line):
            return line
        keys.pop()
    return rule(context, CURVE, title, width)


def _where(room: Room, snapshot: Snapshot) -> Place | None:
    if room.columns == 1:
        # rounded up, so that the height seldom changes
        rows = -(-(len(snapshot.rows) + 1) // _STEP) * _STEP
        spare = room.body - rows - _TABLE - _BELOW
        least = 10 if room.body >= TALL_FROM else 0
        lines = max(least, min(spare, _TALLEST))
        return Place(0, lines) if lines >= _LOWEST else None
    share = 50 if room.columns == 2 and room.body >= THREE_FROM else 60
    return Place(1, room.body * share // 100)


PANE = Pane(
    CURVE,
    "the curve",
    CurvePane,
    _where,
    (*charting.ACTIONS, *zooming.ACTIONS),
    (*_READING, *((f"chart.{view.name}", view.title) for view in VIEWS if view.key)),
    click=zooming.click,
    wheel_at=zooming.zoom_at,
    again=charting.show_curve,
)
