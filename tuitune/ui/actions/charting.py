"""Actions that choose charts, what they show, and their scale."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action, AppActions
from tuitune.ui.actions.focusing import focus
from tuitune.ui.charts.axis import axes, ranked_axes
from tuitune.ui.charts.overlaid import metric
from tuitune.ui.charts.registry import CURVE, VIEWS, View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tuitune.ui.state.render_context import RenderContext

    _Way = tuple[Callable[[AppActions], None], Callable[[RenderContext], str] | None]

STEPPED: Final = ("curve", "grid")  # their x axis are steps, which can be read out
_PAIRS: Final = 10  # of parameters, that come in turn


def show_curve(app: AppActions) -> None:
    """Shows the curve in place of another chart."""
    _choose(app, CURVE)


def show(app: AppActions, chart: str) -> None:
    """Shows this chart, or the curve if the chart is shown already."""
    _choose(app, CURVE if app.selection.chart == chart else chart)
    focus(app, CURVE)


def _choose(app: AppActions, chart: str) -> None:
    """A zoom stays only between charts with the same axis."""
    selection = app.selection
    if not {selection.chart, chart} <= {*STEPPED} and selection.chart != chart:
        selection.span = None
    selection.chart = chart


def _best(app: AppActions) -> None:
    """Shows the chart over trials, then over time, then the curve again."""
    selection = app.selection
    if selection.chart != "best":
        selection.by_time = False
        show(app, "best")
    elif not selection.by_time:
        selection.by_time = True
        app.move()
    else:
        show(app, "best")


def _next_parameter(app: AppActions) -> None:
    """Shows the first parameter, or the next one; after the last the curve again."""
    selection = app.selection
    names = [axis.name for axis in ranked_axes(app.snapshot)]
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


def _next_pair(chart: str, app: AppActions) -> None:
    """Shows the two most important parameters, or the next pair; after the last the curve."""
    selection = app.selection
    count = len(ranked_axes(app.snapshot))
    if selection.chart != chart:
        show(app, chart)
    elif selection.pair + 1 < min(_PAIRS, count * (count - 1) // 2):
        selection.pair += 1
        app.move()
    else:
        selection.pair = 0
        show(app, chart)


def _no_parameter(context: RenderContext) -> str:
    found = axes(context.snapshot.spec.space, context.snapshot.rows)
    return "" if found else "no parameter takes more than one value"


def _no_pair(context: RenderContext) -> str:
    found = axes(context.snapshot.spec.space, context.snapshot.rows)
    return "" if len(found) > 1 else "needs two parameters that take more than one value"


def _log(app: AppActions) -> None:
    app.selection.log_y = not app.selection.log_y
    app.move()


def _next_metric(app: AppActions) -> None:
    selection, names = app.selection, app.snapshot.metrics
    now = metric(app.context())
    selection.metric = names[(names.index(now) + 1) % len(names)] if now in names else None
    _choose(app, CURVE)
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


_OWN: Final[Mapping[str, _Way]] = {
    "best": (_best, None),
    "slice": (_next_parameter, _no_parameter),
    "rank": (partial(_next_pair, "rank"), _no_pair),
    "contour": (partial(_next_pair, "contour"), _no_pair),
}


def _action(view: View) -> Action:
    """The action that shows a chart."""
    run, why_not = _OWN.get(view.name, (lambda app: show(app, view.name), None))
    id_ = f"chart.{view.name}"
    return Action(id_, (view.key,), view.title, view.help, "Look", run, why_not=why_not)


ACTIONS: Final = (
    *(_action(view) for view in VIEWS if view.key),
    Action(
        "chart.log", ("L",), "log scale", "Show the metric on a log scale, or not.", "Look", _log
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
)
