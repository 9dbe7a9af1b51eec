"""The parallel coordinates chart: an axis for each parameter, a line for each trial."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from tuitune.core.study.ranking import merit
from tuitune.store.rows import TrialRow
from tuitune.ui.charts.axis import Axis, axes, scale, shown_range
from tuitune.ui.charts.canvas import Canvas, Ink
from tuitune.ui.charts.frame import Drawing, epoch, message, some, special, too_small
from tuitune.ui.render.lines import Line, Size, fit
from tuitune.ui.state.render_context import RenderContext

_ACTIONS: Final = (("chart.log", "log"), ("chart.parallel", "curve"))
_GOOD: Final = Ink("line-a", "#")
_OTHER: Final = Ink("faint", ".", "10", under=True)
_OWN: Final = Ink("line-b bold", "o", "1100")
_MOST: Final = 800  # trials that are shown, evenly spaced
_GOODS: Final = 8  # trials of the best tenth that are drawn
_OTHERS: Final = 24
_LEAST: Final = 7  # cells between two axes
_SAMPLES: Final = ("\u2812\u2812\u2812", "\u2802 \u2802", "\u2812\u2802\u2812")  # in braille
_ABSENT: Final = 3  # dots between the axes and the bottom, where trials without the parameter end


class _Plot(NamedTuple):
    canvas: Canvas
    axes: Sequence[Axis]
    columns: Sequence[int]  # of the axes, in cells; the metric is last
    metric: Axis
    upward: bool  # whether larger values of the metric are at the top
    absent: bool  # whether some parameter is conditional


def key(context: RenderContext) -> object:
    """Changes when the chart has to be drawn again."""
    return epoch(context), context.selection.log_y


def draw(context: RenderContext, size: Size) -> Drawing:
    """The axes and lines; a message with fewer than 2 ended trials."""
    snapshot = context.snapshot
    title = "Parallel coordinates"
    sample = some(snapshot.rows, _MOST)
    rows = [row for row in sample if row.ended is not None and row.value is not None]
    if len(rows) < 2:
        return message(title, _ACTIONS[1:], f"needs 2 ended trials with a value, has {len(rows)}")
    every = axes(snapshot.spec.space, rows)
    fitting = max(0, (size.width - 8) // _LEAST)
    if not every:
        return message(title, _ACTIONS[1:], "no parameter takes more than one value")
    if fitting < 1 or size.height < 8:
        return too_small(title)
    values = [row.value for row in rows if row.value is not None]
    shown = shown_range([values], log=context.selection.log_y)
    if shown is None:
        return message(title, _ACTIONS, "no value that this scale can show")
    metric = Axis(snapshot.spec.objective.metric, scale(*shown, log=context.selection.log_y))
    plot = _plot(context, size, every[:fitting], metric)
    rows = sorted(rows, key=lambda row: merit(row, snapshot.spec.objective))
    tenth = max(1, math.ceil(len(rows) / 10))
    for row in some(rows[tenth:], _OTHERS):
        plot.canvas.path(_path(plot, row), _OTHER)
    for row in some(rows[:tenth], _GOODS):
        plot.canvas.path(_path(plot, row), _GOOD)
    own = snapshot.row(context.selection.cursor)
    if own is not None and own.value is not None:
        plot.canvas.path(_path(plot, own), _OWN)
    _write_axes(plot, context)
    _write_ends(plot, context)
    hidden = len(every) - len(plot.axes)
    sampled = len(sample) < len(snapshot.rows)
    of = f", a sample of {len(snapshot.rows)}" if sampled else ""
    note = f"best {tenth} of {len(rows)}{of}" + (
        f", {hidden} parameters don't fit" if hidden else ""
    )
    return Drawing(title, _lines(plot, context, tenth), note, _ACTIONS)


def _plot(context: RenderContext, size: Size, shown: Sequence[Axis], metric: Axis) -> _Plot:
    canvas = Canvas(size.width, size.height - 4, ascii_only=context.glyphs.ascii)
    gap = (size.width - 9) / len(shown)
    columns = [1 + round(place * gap) for place in range(len(shown) + 1)]
    absent = any(parameter.when for parameter in context.snapshot.spec.space.parameters)
    upward = context.snapshot.spec.objective.mode == "max"
    return _Plot(canvas, shown, columns, metric, upward, absent)


def _path(plot: _Plot, row: TrialRow) -> list[tuple[int, int]]:
    places = [axis.at(row.config) for axis in plot.axes]
    at = plot.metric.at({plot.metric.name: row.value})
    places.append(at if at is None or plot.upward else 1 - at)
    return [(2 * column, _down(plot, at)) for column, at in zip(plot.columns, places, strict=True)]


def _down(plot: _Plot, at: float | None) -> int:
    """The dot line of a position on an axis; the bottom if the trial lacks the parameter."""
    bottom = plot.canvas.down - 1
    if at is None:
        return bottom
    if plot.absent:
        bottom -= _ABSENT + 1
    return bottom - round(at * bottom)


def _write_axes(plot: _Plot, context: RenderContext) -> None:
    canvas, bar = plot.canvas, context.glyphs.bar
    for column, axis in zip(plot.columns, [*plot.axes, plot.metric], strict=True):
        for line in range(canvas.height):
            canvas.write(column, line, bar, "rule")
        if axis.scale is not None:
            continue
        room = max(1, plot.columns[1] - plot.columns[0] - 2)
        for at, name in axis.ticks(0):
            canvas.write(column + 1, _down(plot, at) // 4, fit(name, min(room, len(name))), "text")


def _write_ends(plot: _Plot, context: RenderContext) -> None:
    """Writes the signs of the cursor's and the best trial at the ends of their lines."""
    for row, sign, role in special(context, _OWN.role):
        if row.value is not None:
            column, down = _path(plot, row)[-1]
            aside = sign == context.glyphs.best
            plot.canvas.write(column // 2 + aside, down // 4, sign, role)


def _lines(plot: _Plot, context: RenderContext, tenth: int) -> list[Line]:
    """Names of the axes, their upper limits, the plot, their lower limits, and a legend."""
    width = plot.canvas.width
    shown = [*plot.axes, plot.metric]
    ends = [axis.ends() if axis.scale is not None else ("", "") for axis in shown]
    low, high = [end[0] for end in ends], [end[1] for end in ends]
    if not plot.upward:
        low[-1], high[-1] = high[-1], low[-1]
    solid, dotted, dashed = ("###", ". .", "ooo") if context.glyphs.ascii else _SAMPLES
    legend: Line = (
        (f" {solid} best {tenth}", _GOOD.role),
        (f"  {dotted} others", "muted"),
        (f"  {dashed} cursor", _OWN.role),
        ("  at the bottom: inactive" if plot.absent else "", "muted"),
    )
    return [
        _spread(plot, [axis.name for axis in shown], width, "title"),
        _spread(plot, high, width, "muted"),
        *plot.canvas.lines(),
        _spread(plot, low, width, "muted"),
        tuple(span for span in legend if span[0]),
    ]


def _spread(plot: _Plot, texts: Sequence[str], width: int, role: str) -> Line:
    """A line with each text at its axis, cut where the next one begins."""
    line = ""
    for place, (column, text) in enumerate(zip(plot.columns, texts, strict=True)):
        after = plot.columns[place + 1] - 1 if place + 1 < len(plot.columns) else width
        start = max(0, column - 1)
        line = fit(line, start) if start else ""
        line += fit(text, min(len(text), after - start))
    return ((line, role),)
