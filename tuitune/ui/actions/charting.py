"""Which view of the search is shown, and how?"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action
from tuitune.ui.charts.axis import axes
from tuitune.ui.charts.overlay import curve, metric, overlaid
from tuitune.ui.render.layout import CURVE

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Desk
    from tuitune.ui.state.look import Look

STRIDE: Final = 60  # steps of the read-out, at most, from one end of a chart to the other


def show(desk: Desk, chart: str) -> None:
    """This view; the curve where it is the one that is shown."""
    view = desk.view
    view.chart = "curve" if view.chart == chart else chart
    focus(desk)


def focus(desk: Desk) -> None:
    view = desk.view
    view.focus = CURVE
    if view.zoomed is not None:
        view.zoomed = CURVE
    desk.move()


def best(desk: Desk) -> None:
    """Over trials, then over time, then the curve again."""
    view = desk.view
    if view.chart != "best":
        view.by_time = False
        show(desk, "best")
    elif not view.by_time:
        view.by_time = True
        desk.move()
    else:
        show(desk, "best")


def importance(desk: Desk) -> None:
    show(desk, "importance")


def parallel(desk: Desk) -> None:
    show(desk, "parallel")


def rungs(desk: Desk) -> None:
    show(desk, "rungs")


def next_parameter(desk: Desk) -> None:
    """The first parameter, or the next; after the last one the curve again."""
    view = desk.view
    names = [axis.name for axis in axes(desk.picture.spec.space, desk.picture.rows)]
    if view.chart != "slice":
        view.parameter = view.parameter if view.parameter in names else names[0]
        show(desk, "slice")
        return
    place = names.index(view.parameter) + 1 if view.parameter in names else 0
    if place < len(names):
        view.parameter = names[place]
        desk.move()
    else:
        view.parameter = names[0]
        show(desk, "slice")


def no_parameter(look: Look) -> str:
    found = axes(look.picture.spec.space, look.picture.rows)
    return "" if found else "no parameter takes more than one value"


def log(desk: Desk) -> None:
    desk.view.log_y = not desk.view.log_y
    desk.move()


def next_metric(desk: Desk) -> None:
    view, names = desk.view, desk.picture.metrics
    now = metric(desk.look())
    view.metric = names[(names.index(now) + 1) % len(names)] if now in names else None
    view.chart = "curve"
    desk.say(f"curve of {metric(desk.look())}")
    desk.move()


def one_metric(look: Look) -> str:
    if len(look.picture.metrics) > 1:
        return ""
    return "trials report no other metric" if look.picture.metrics else "no trial has reported yet"


def overlay(desk: Desk) -> None:
    view = desk.view
    view.overlay = not view.overlay
    desk.say(f"marked trials {'are' if view.overlay else 'are not'} drawn in the curve")
    desk.move()


def read_right(desk: Desk) -> None:
    _read(desk, 1)


def read_left(desk: Desk) -> None:
    _read(desk, -1)


def _read(desk: Desk, by: int) -> None:
    """To the next step that was reported; beyond either end nothing is read out any more."""
    view = desk.view
    steps = _steps(desk.look())
    if not steps:
        return
    stride = (steps[-1] - steps[0]) // STRIDE
    if view.inspected is None:
        place = len(steps) - 1 if by < 0 else 0
    elif by > 0:
        place = max(
            bisect_right(steps, view.inspected), bisect_left(steps, view.inspected + stride)
        )
    else:
        place = (
            min(bisect_left(steps, view.inspected), bisect_right(steps, view.inspected - stride))
            - 1
        )
    view.inspected = steps[place] if 0 <= place < len(steps) else None
    desk.move()


def _steps(look: Look) -> list[int]:
    """All that the curves shown have reported, rising."""
    return sorted({step for one in overlaid(look) for step in curve(look, one.trial).steps})


def no_read_out(look: Look) -> str:
    if look.view.chart != "curve":
        return "only curves are read out"
    return "" if _steps(look) else "there are no reports yet"


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
