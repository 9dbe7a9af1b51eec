"""Which dots does a curve go through, and where does it leave the range or have no number?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from tuitune.ui.charts.frame import beyond, dot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.store.curves import Curve
    from tuitune.ui.charts.canvas import Canvas, Ink
    from tuitune.ui.charts.frame import Frame

Dot = tuple[int, int]


class Trace(NamedTuple):
    """A curve in the dots of one frame."""

    paths: list[list[Dot]]  # broken where a value is missing
    marks: dict[int, int]  # by column: 1 where it is above the range, -1 below
    named: dict[str, int]  # "nan" and "inf": the column where such a value first came
    end: Dot | None  # of its last number, in cells


def trace(made: Frame, curve: Curve) -> Trace:
    """What leaves the range runs along its edge."""
    across, down = made.canvas.across, made.canvas.down
    traced = Trace([[]], {}, {}, _end(made, curve))
    places = zip(made.x.all(curve.steps), made.y.all(curve.values), curve.values, strict=True)
    for at_x, at_y, value in places:
        x = dot(at_x, across)
        if math.isnan(value):
            traced.named.setdefault("nan", x // 2)
            traced.paths.append([])
            continue
        traced.paths[-1].append((x, down - 1 - dot(at_y, down)))
        if not 0 <= at_y <= 1 and beyond(at_y):
            traced.marks[x // 2] = beyond(at_y)
            if math.isinf(value):
                traced.named.setdefault("inf", x // 2)
    return traced._replace(paths=[thinned(path) for path in traced.paths])


def draw_trace(canvas: Canvas, traced: Trace, ink: Ink) -> None:
    for path in traced.paths:
        canvas.path(path, ink)
    for column, side in traced.marks.items():
        sign, line = ("^", 0) if side > 0 else ("v", canvas.height - 1)
        canvas.write(column, line, sign, ink.role)
    for name, column in traced.named.items():
        canvas.write(min(column, canvas.width - 3), 0, name, "error")


def thinned(path: Sequence[Dot]) -> list[Dot]:
    """The same picture of fewer dots: of each column the first, the extremes and the last.

    Jugel, Jerzak, Hackenbroich, Markl 2014, "M4: A Visualization-Oriented Time Series Data
    Aggregation".
    """
    kept: list[Dot] = []
    start = 0
    for place in range(1, len(path) + 1):
        if place < len(path) and path[place][0] == path[start][0]:
            continue
        if place - start <= 4:
            kept += path[start:place]
        else:
            column = path[start:place]
            kept += [column[0], min(column), max(column), column[-1]]
        start = place
    return kept


def _end(made: Frame, curve: Curve) -> Dot | None:
    for step, value in zip(reversed(curve.steps), reversed(curve.values), strict=True):
        if not math.isnan(value):
            return made.across(step) // 2, made.down(value) // 4
    return None
