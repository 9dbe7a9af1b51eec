"""Which view of the search is shown, and how?"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action
from tuitune.ui.charts.axis import axes
from tuitune.ui.charts.overlay import curve, metric, overlaid
from tuitune.ui.render.layout import CURVE

if TYPE_CHECKING:
    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.state.render_context import RenderContext

STRIDE: Final = 60  # steps of the read-out, at most, from one end of a chart to the other


def show(app: AppActions, chart: str) -> None:
    """This view; the curve where it is the one that is shown."""
    selection = app.selection
    selection.chart = "curve" if selection.chart == chart else chart
    focus(app)


def focus(app: AppActions) -> None:
    selection = app.selection
    selection.focus = CURVE
    if selection.zoomed is not None:
        selection.zoomed = CURVE
    app.move()


def best(app: AppActions) -> None:
    """Over trials, then over time, then the curve again."""
    selection = app.selection
    if selection.chart != "best":
        selection.by_time = False
        show(app, "best")
    elif not selection.by_time:
        selection.by_time = True
        app.move()
    else:
        show(app, "best")


def importance(app: AppActions) -> None:
    show(app, "importance")


def parallel(app: AppActions) -> None:
    show(app, "parallel")


def rungs(app: AppActions) -> None:
    show(app, "rungs")


def next_parameter(app: AppActions) -> None:
    """The first parameter, or the next; after the last one the curve again."""
    selection = app.selection
    names = [axis.name for axis in axes(app.snapshot.spec.space, app.snapshot.rows)]
    if selection.chart != "slice":
        selection.parameter = selection.parameter if selection.parameter in names else names[0]
        show(app, "slice")
        return
    place = names.index(selection.parameter) + 1 if selection.parameter in names else 0
    if place < len(names):
        selection.parameter = names[place]
        app.move()
    else:
        selection.parameter = names[0]
        show(app, "slice")


def no_parameter(context: RenderContext) -> str:
    found = axes(context.snapshot.spec.space, context.snapshot.rows)
    return "" if found else "no parameter takes more than one value"


def log(app: AppActions) -> None:
    app.selection.log_y = not app.selection.log_y
    app.move()


def next_metric(app: AppActions) -> None:
    selection, names = app.selection, app.snapshot.metrics
    now = metric(app.context())
    selection.metric = names[(names.index(now) + 1) % len(names)] if now in names else None
    selection.chart = "curve"
    app.say(f"curve of {metric(app.context())}")
    app.move()


def one_metric(context: RenderContext) -> str:
    if len(context.snapshot.metrics) > 1:
        return ""
    return (
        "trials report no other metric" if context.snapshot.metrics else "no trial has reported yet"
    )


def overlay(app: AppActions) -> None:
    selection = app.selection
    selection.overlay = not selection.overlay
    app.say(f"marked trials {'are' if selection.overlay else 'are not'} drawn in the curve")
    app.move()


def read_right(app: AppActions) -> None:
    _read(app, 1)


def read_left(app: AppActions) -> None:
    _read(app, -1)


def _read(app: AppActions, by: int) -> None:
    """To the next step that was reported; beyond either end nothing is read out any more."""
    selection = app.selection
    steps = _steps(app.context())
    if not steps:
        return
    stride = (steps[-1] - steps[0]) // STRIDE
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
    """All that the curves shown have reported, rising."""
    return sorted({step for one in overlaid(context) for step in curve(context, one.trial).steps})


def no_read_out(context: RenderContext) -> str:
    if context.selection.chart != "curve":
        return "only curves are read out"
    return "" if _steps(context) else "there are no reports yet"


ACTIONS: Final = (
    Action(
        "chart.best",
        ("B",),
        "best so far",
        "The best value over the trials, then over time, then the curve again.",
        "Look",
        best,
    ),
    Action(
        "chart.importance",
        ("I",),
        "importance",
        "Which parameters matter, as a small model of the trials has it.",
        "Look",
        importance,
    ),
    Action(
        "chart.parallel",
        ("C",),
        "coordinates",
        "All parameters side by side, a line a trial, the best tenth apart.",
        "Look",
        parallel,
    ),
    Action(
        "chart.slice",
        ("D",),
        "one parameter",
        "One parameter against the metric; again: the next parameter.",
        "Look",
        next_parameter,
        why_not=no_parameter,
    ),
    Action("chart.rungs", ("H",), "rungs", "The rungs, and what waits at each.", "Look", rungs),
    Action("chart.log", ("L",), "log scale", "The metric on a log scale, or not.", "Look", log),
    Action(
        "chart.metric",
        ("m",),
        "next metric",
        "The curve of the next metric that trials report.",
        "Look",
        next_metric,
        why_not=one_metric,
    ),
    Action(
        "chart.overlay",
        ("o",),
        "overlay",
        "The curves of marked trials beside the cursor's, or not.",
        "Look",
        overlay,
    ),
    Action(
        "chart.right",
        ("right",),
        "read on",
        "Reads the curves' values out at the next step.",
        "Look",
        read_right,
        CURVE,
        why_not=no_read_out,
    ),
    Action(
        "chart.left",
        ("left",),
        "read back",
        "Reads the curves' values out at the step before.",
        "Look",
        read_left,
        CURVE,
        why_not=no_read_out,
    ),
)
