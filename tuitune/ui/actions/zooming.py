"""Actions within charts: the read-out, zoom and pan, the size and the pages of the grid."""

import re
from bisect import bisect_left, bisect_right
from functools import partial
from typing import Final

from tuitune.ui.actions.action import Action, AppActions, Argument
from tuitune.ui.actions.charting import STEPPED, show
from tuitune.ui.charts.curve import reported_steps
from tuitune.ui.charts.registry import BY_NAME, CURVE, VIEWS, Zoomable, chart_named
from tuitune.ui.charts.window import Window
from tuitune.ui.panes.pane import Click
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.status_line import Choice, Menu

_STRIDE: Final = 60  # at most this many key presses from one end of a chart to the other
_SIZE = re.compile(r"([1-9])\s*[x ]\s*([1-9])")
_SIZES: Final = ("1x1", "1x2", "2x1", "2x2", "3x2", "3x3", "4x2", "4x3")


# --- the read-out --------------------------------------------------------------------------------


def _read(by: int, app: AppActions) -> None:
    """Moves the read-out to the next reported step; moving past either end turns it off."""
    selection = app.selection
    steps = reported_steps(app.context())
    if not steps:
        return
    if selection.span is not None:
        low, high = selection.span
        steps = steps[bisect_left(steps, low) : bisect_right(steps, high)] or steps
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


def _no_read_out(context: RenderContext) -> str:
    if context.selection.chart not in STEPPED:
        return "only curves show the values of a step"
    return "" if reported_steps(context) else "there are no reports yet"


def click(app: AppActions, click: Click) -> None:
    """Reads out the reported step that is nearest to the mouse; again on it: no more."""
    if app.selection.chart not in STEPPED or click.line < 1:
        return
    window = _window(app)
    at = None if window is None else window.value_at(click.column)
    steps = reported_steps(app.context())
    if at is None or not steps:
        return
    nearest = min(steps, key=lambda step: abs(step - at))
    app.selection.inspected = None if app.selection.inspected == nearest else nearest
    app.move()


# --- zoom and pan --------------------------------------------------------------------------------


def _window(app: AppActions) -> Window | None:
    chart, size = chart_named(app.selection.chart), app.size_of(CURVE)
    if not isinstance(chart, Zoomable):
        return None
    return chart.window(app.context(), size._replace(height=size.height - 1))


def zoom_at(app: AppActions, lines: int, column: int) -> None:
    """Zooms in around the mouse when its wheel is turned up, out when it is turned down."""
    window = _window(app)
    if window is not None:
        around = window.value_at(column)
        middle = window.shown.low + window.shown.span() / 2
        app.selection.span = window.zoomed(middle if around is None else around, closer=lines < 0)
        app.move()


def _zoom(app: AppActions, *, closer: bool) -> None:
    """Zooms around the read-out, else around the end of what is shown, where news comes."""
    window = _window(app)
    if window is None:
        return
    inspected = app.selection.inspected if app.selection.chart in STEPPED else None
    seen = inspected is not None and window.shown.low <= inspected <= window.shown.high
    around = float(inspected) if seen and inspected is not None else window.shown.high
    app.selection.span = window.zoomed(around, closer=closer)
    app.move()


def _pan(by: int, app: AppActions) -> None:
    window = _window(app)
    if window is not None:
        app.selection.span = window.panned(by)
        app.move()


def _no_zoom(context: RenderContext) -> str:
    view = BY_NAME[context.selection.chart]
    if view.zooms:
        return ""
    named = ", ".join(other.title for other in VIEWS if other.zooms)
    return f"{view.title} can't be zoomed; {named} can"


def _no_pan(context: RenderContext) -> str:
    if why := _no_zoom(context):
        return why
    zoom = context.keymap.shown("chart.closer")
    return "" if context.selection.span is not None else f"it is not zoomed: {zoom} zooms"


# --- the grid ------------------------------------------------------------------------------------


def _grid_size(app: AppActions) -> None:
    """Opens the menu of sizes."""
    choices = [
        Choice(str(number), size, partial(_set_grid, app, size))
        for number, size in enumerate(_SIZES, 1)
    ]
    choices.append(Choice("a", "as fits", partial(_set_grid, app, "")))
    app.menu(Menu("columns x lines of charts", tuple(choices)))


def _set_grid(app: AppActions, text: str) -> None:
    found = _SIZE.fullmatch(text.strip())
    if text.strip() and not found:
        app.say(f"{text.strip()} is not the size of a grid: 3x2 is three columns of two", "warning")
        return
    selection = app.selection
    selection.grid = (int(found[1]), int(found[2])) if found else None
    selection.page = 0
    if selection.chart != "grid":
        show(app, "grid")
    app.move()


def _page(by: int, app: AppActions) -> None:
    from tuitune.ui.charts.grid import pages  # noqa: PLC0415 - not for the first paint

    last = pages(app.context(), app.size_of(CURVE)) - 1
    app.selection.page = max(0, min(app.selection.page + by, last))
    app.move()


def _no_grid(context: RenderContext) -> str:
    key = context.keymap.shown("chart.grid")
    return "" if context.selection.chart == "grid" else f"only of all metrics ({key})"


ACTIONS: Final = (
    Action(
        "chart.right",
        ("right",),
        "next step",
        "Show the values of the curves at the next step; a click shows those below the mouse.",
        "Look",
        partial(_read, 1),
        CURVE,
        why_not=_no_read_out,
    ),
    Action(
        "chart.left",
        ("left",),
        "previous step",
        "Show the values of the curves at the previous step.",
        "Look",
        partial(_read, -1),
        CURVE,
        why_not=_no_read_out,
    ),
    Action(
        "chart.closer",
        ("+", "="),
        "zoom in",
        "Show half as much of the x axis, around the read-out; the mouse wheel does so, too.",
        "Look",
        partial(_zoom, closer=True),
        CURVE,
        why_not=_no_zoom,
    ),
    Action(
        "chart.further",
        ("-",),
        "zoom out",
        "Show twice as much of the x axis, at most all of it.",
        "Look",
        partial(_zoom, closer=False),
        CURVE,
        why_not=_no_zoom,
    ),
    Action(
        "chart.later",
        ("shift+right", ")"),
        "pan right",
        "Move what is zoomed to the right.",
        "Look",
        partial(_pan, 1),
        CURVE,
        why_not=_no_pan,
    ),
    Action(
        "chart.earlier",
        ("shift+left", "("),
        "pan left",
        "Move what is zoomed to the left.",
        "Look",
        partial(_pan, -1),
        CURVE,
        why_not=_no_pan,
    ),
    Action(
        "chart.size",
        ("c",),
        "size of the grid",
        "Set how many metrics are side by side, and how many on top of one another.",
        "Look",
        _grid_size,
        CURVE,
        why_not=_no_grid,
        argument=Argument("COLUMNSxLINES", _set_grid, lambda _: _SIZES),
    ),
    Action(
        "chart.next_page",
        ("]",),
        "next metrics",
        "Show the metrics that did not fit.",
        "Look",
        partial(_page, 1),
        CURVE,
        why_not=_no_grid,
    ),
    Action(
        "chart.previous_page",
        ("[",),
        "metrics before",
        "Show the metrics before these.",
        "Look",
        partial(_page, -1),
        CURVE,
        why_not=_no_grid,
    ),
)
