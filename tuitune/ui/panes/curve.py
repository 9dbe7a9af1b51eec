"""The pane of the charts, and the actions that choose and read them."""

# ruff: noqa: PLC0415 - charts are imported when first shown, to keep the first paint fast

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final, Protocol

from tuitune.messages.text import plain
from tuitune.ui.actions.action import Action
from tuitune.ui.actions.focusing import focus
from tuitune.ui.charts.axis import axes
from tuitune.ui.charts.curve import CurveChart, curve, metric, overlaid
from tuitune.ui.panes.pane import TALL_FROM, THREE_FROM, Pane, Place, rule
from tuitune.ui.render.lines import stacked

if TYPE_CHECKING:
    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.charts.frame import Drawing
    from tuitune.ui.panes.pane import Room
    from tuitune.ui.render.lines import Line, Size
    from tuitune.ui.state.render_context import RenderContext
    from tuitune.ui.state.snapshot import Snapshot


_NAME: Final = "curve"
_STRIDE: Final = 60  # at most this many key presses from one end of a chart to the other


class _Chart(Protocol):
    """A chart. It is drawn again when its key changes."""

    def key(self, context: RenderContext) -> object: ...

    def draw(self, context: RenderContext, size: Size) -> Drawing: ...


def chart_named(name: str) -> _Chart:
    """The chart of this name, one per study, since some cache what they computed."""
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
    """The chosen chart. Caches the last drawing and the charts of one study."""

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._charts: dict[str, _Chart] = {}
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
        focused = context.selection.focus == _NAME
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
        line = rule(context, _NAME, title, width, right="  ".join(keys))
        if any(keys[0] in text for text, _ in line):
            return line
        keys.pop()
    return rule(context, _NAME, title, width)


def _where(room: Room, _: Snapshot) -> Place | None:
    if room.columns == 1:
        return Place(0, 10) if room.body >= TALL_FROM else None
    share = 50 if room.columns == 2 and room.body >= THREE_FROM else 60
    return Place(1, room.body * share // 100)


# --- its actions ---------------------------------------------------------------------------------


def _curve(app: AppActions) -> None:
    app.selection.chart = "curve"


def _show(app: AppActions, chart: str) -> None:
    """Shows this chart, or the curve if the chart is shown already."""
    selection = app.selection
    selection.chart = "curve" if selection.chart == chart else chart
    focus(app, _NAME)


def _best(app: AppActions) -> None:
    """Shows the chart over trials, then over time, then the curve again."""
    selection = app.selection
    if selection.chart != "best":
        selection.by_time = False
        _show(app, "best")
    elif not selection.by_time:
        selection.by_time = True
        app.move()
    else:
        _show(app, "best")


def _importance(app: AppActions) -> None:
    _show(app, "importance")


def _parallel(app: AppActions) -> None:
    _show(app, "parallel")


def _rungs(app: AppActions) -> None:
    _show(app, "rungs")


def _next_parameter(app: AppActions) -> None:
    """Shows the first parameter, or the next one; after the last the curve again."""
    selection = app.selection
    names = [axis.name for axis in axes(app.snapshot.spec.space, app.snapshot.rows)]
    if selection.chart != "slice":
        selection.parameter = selection.parameter if selection.parameter in names else names[0]
        _show(app, "slice")
        return
    place = names.index(selection.parameter) + 1 if selection.parameter in names else 0
    if place < len(names):
        selection.parameter = names[place]
        app.move()
    else:
        selection.parameter = names[0]
        _show(app, "slice")


def _no_parameter(context: RenderContext) -> str:
    found = axes(context.snapshot.spec.space, context.snapshot.rows)
    return "" if found else "no parameter takes more than one value"


def _log(app: AppActions) -> None:
    app.selection.log_y = not app.selection.log_y
    app.move()


def _next_metric(app: AppActions) -> None:
    selection, names = app.selection, app.snapshot.metrics
    now = metric(app.context())
    selection.metric = names[(names.index(now) + 1) % len(names)] if now in names else None
    selection.chart = "curve"
    app.say(f"curve of {metric(app.context())}")
    app.move()


def _one_metric(context: RenderContext) -> str:
    if len(context.snapshot.metrics) > 1:
        return ""
    return (
        "trials report no other metric" if context.snapshot.metrics else "no trial has reported yet"
    )


def _overlay(app: AppActions) -> None:
    selection = app.selection
    selection.overlay = not selection.overlay
    app.say(f"marked trials {'are' if selection.overlay else 'are not'} drawn in the curve")
    app.move()


def _read_right(app: AppActions) -> None:
    _read(app, 1)


def _read_left(app: AppActions) -> None:
    _read(app, -1)


def _read(app: AppActions, by: int) -> None:
    """Moves the read-out to the next reported step; moving past either end turns it off."""
    selection = app.selection
    steps = _steps(app.context())
    if not steps:
        return
    stride = (steps[-1] - steps[0]) // _STRIDE
    if selection.inspected is None:
        place = len(steps) - 1 if by < 0 else 0
    elif by > 0:
        place = max(
            bisect_right(steps, selection.inspected),
            bisect_left(steps, selection.inspected + stride),
        )
    else:
        place = (
            min(
                bisect_left(steps, selection.inspected),
                bisect_right(steps, selection.inspected - stride),
            )
            - 1
        )
    selection.inspected = steps[place] if 0 <= place < len(steps) else None
    app.move()


def _steps(context: RenderContext) -> list[int]:
    """All reported steps of the curves shown, ascending."""
    return sorted({step for one in overlaid(context) for step in curve(context, one.trial).steps})


def _no_read_out(context: RenderContext) -> str:
    if context.selection.chart != "curve":
        return "only curves show the values of a step"
    return "" if _steps(context) else "there are no reports yet"


PANE = Pane(
    _NAME,
    "the curve",
    CurvePane,
    _where,
    (
        Action(
            "chart.best",
            ("B",),
            "best so far",
            "Show the best value by trial, then by time, then the curve again.",
            "Look",
            _best,
        ),
        Action(
            "chart.importance",
            ("I",),
            "importance",
            "Show which parameters matter, by a model of the trials.",
            "Look",
            _importance,
        ),
        Action(
            "chart.parallel",
            ("C",),
            "coordinates",
            "Show all parameters side by side, one line for each trial, the best tenth apart.",
            "Look",
            _parallel,
        ),
        Action(
            "chart.slice",
            ("D",),
            "one parameter",
            "Show one parameter against the metric; again: the next parameter.",
            "Look",
            _next_parameter,
            why_not=_no_parameter,
        ),
        Action(
            "chart.rungs",
            ("H",),
            "rungs",
            "Show the rungs, and how many trials are held at each.",
            "Look",
            _rungs,
        ),
        Action(
            "chart.log",
            ("L",),
            "log scale",
            "Show the metric on a log scale, or not.",
            "Look",
            _log,
        ),
        Action(
            "chart.metric",
            ("m",),
            "next metric",
            "Show the curve of the next metric that trials report.",
            "Look",
            _next_metric,
            why_not=_one_metric,
        ),
        Action(
            "chart.overlay",
            ("o",),
            "overlay",
            "Show the curves of marked trials beside the cursor's, or not.",
            "Look",
            _overlay,
        ),
        Action(
            "chart.right",
            ("right",),
            "next step",
            "Show the values of the curves at the next step.",
            "Look",
            _read_right,
            _NAME,
            why_not=_no_read_out,
        ),
        Action(
            "chart.left",
            ("left",),
            "previous step",
            "Show the values of the curves at the previous step.",
            "Look",
            _read_left,
            _NAME,
            why_not=_no_read_out,
        ),
    ),
    (
        ("chart.log", "log"),
        ("chart.metric", "metric"),
        ("chart.overlay", "overlay"),
        ("chart.right", "read"),
        ("chart.best", "best so far"),
        ("chart.importance", "importance"),
        ("chart.parallel", "coordinates"),
        ("chart.slice", "parameter"),
        ("chart.rungs", "rungs"),
    ),
    again=_curve,
)
