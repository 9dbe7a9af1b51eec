"""The grid: the curves of all metrics side by side, with one x axis and one read-out."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from tuitune.messages.text import plain
from tuitune.ui.charts.axis import Range
from tuitune.ui.charts.curve import BEHIND, Plot, Shown, behind, framed, steps_of, ticks
from tuitune.ui.charts.frame import Drawing, epoch, message, too_small
from tuitune.ui.charts.overlaid import (
    Leaders,
    Overlaid,
    curve,
    left_out,
    notes,
    stamp,
    value_text,
)
from tuitune.ui.charts.window import Window, shown_part, visible
from tuitune.ui.panes.pane import Memo
from tuitune.ui.render.lines import Line, Size, cut, fit, padded, width_of
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.text.trial import resource

_GAP: Final = 2  # cells between two charts
_LEAST: Final = Size(26, 7)  # of a chart, its title included
_SHAPE: Final = 4.0  # cells across for one down, of a chart that looks well
_ACTIONS: Final = (
    ("chart.size", "size"),
    ("chart.right", "read"),
    ("chart.closer", "zoom"),
    ("chart.log", "log"),
)


class _Layout(NamedTuple):
    """columns, lines: of charts; page: which of the pages of metrics."""

    columns: int
    lines: int
    page: int
    pages: int


class GridChart:
    """The chart of one study. It caches the traces of unchanged curves."""

    def __init__(self) -> None:
        self._plots: dict[str, Plot] = {}
        self._leaders = Leaders()
        self._behind = Memo[bytes]()

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again."""
        selection, metrics = context.selection, context.snapshot.metrics
        other = metrics[-1] if metrics else ""
        shown = tuple(
            (one.trial, one.part, stamp(context, one.trial), stamp(context, one.trial, other))
            for one in self._leaders.overlaid(context)
        )
        view = (
            *(selection.log_y, selection.inspected, selection.span, selection.grid),
            *(selection.page, left_out(context), epoch(context), context.theme.is_plain),
        )
        return shown, view, metrics, context.snapshot.study.rungs

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        """A chart for each metric of the page, and one legend; a message without reports."""
        metrics, title = context.snapshot.metrics, "All metrics"
        chosen = self._leaders.overlaid(context)
        whole = self._whole(context, chosen)
        if not metrics or whole is None:
            why = "these trials have reported nothing yet" if chosen else "no trials yet"
            return message(title, _ACTIONS[:1], why)
        laid = _layout(context, size)
        if laid is None:
            return too_small(title)
        part = shown_part(context.selection, whole)
        cell = _cell(size, laid)
        first = laid.page * laid.columns * laid.lines
        shown = metrics[first : first + laid.columns * laid.lines]
        self._plots = {name: self._plots.get(name, Plot()) for name in shown}
        charts = [self._chart(context, name, chosen, part, cell) for name in shown]
        lines: list[Line] = []
        for start in range(0, len(charts), laid.columns):
            lines += _side_by_side(charts[start : start + laid.columns], cell)
        rest = size.height - 1 - len(lines)
        lines += [()] * max(0, rest)
        return Drawing(
            title,
            [*lines, _legend(context, chosen, size.width)],
            _note(context, laid, len(metrics)),
            _ACTIONS,
        )

    def window(self, context: RenderContext, size: Size) -> Window | None:
        """What the x axes show; None without curves."""
        chosen = self._leaders.overlaid(context)
        whole, laid = self._whole(context, chosen), _layout(context, size)
        if whole is None or laid is None:
            return None
        part, cell = shown_part(context.selection, whole), _cell(size, laid)
        name = context.snapshot.metrics[laid.page * laid.columns * laid.lines]
        made = framed(context, _shown(context, chosen, name, part), part, cell)
        if made is None or isinstance(made, str):
            return None
        return Window(whole, part, made.gutter, made.canvas.width, cell.width + _GAP)

    def _whole(self, context: RenderContext, chosen: Sequence[Overlaid]) -> Range | None:
        """The steps of the objective's curves, else of the others': all charts share them."""
        for name in context.snapshot.metrics:
            curves = [curve(context, one.trial, name) for one in chosen]
            if any(one.steps for one in curves):
                return steps_of(context, curves)
        return None

    def _chart(
        self, context: RenderContext, name: str, chosen: Sequence[Overlaid], part: Range, size: Size
    ) -> list[Line]:
        """The title of a metric with the values of its lines, and its curves."""
        lines = _shown(context, chosen, name, part)
        head = _head(context, name, lines, size.width)
        if not lines:
            return [head, *message("", (), "not reported by these trials").lines]
        made = framed(context, lines, part, size._replace(height=size.height - 1))
        if made is None or isinstance(made, str):
            none = too_small("") if made is None else message("", (), made)
            return [head, *none.lines]
        self._plots[name].draw(context, made, lines, name)
        if name == context.snapshot.spec.objective.metric:
            key = epoch(context)[:1], made.x, made.y, size
            made.canvas.put_below(
                self._behind.get(key, partial(behind, context, made, part)), BEHIND
            )
        return [head, *made.lines(ticks(context, made), resource(context.snapshot))]


def _shown(
    context: RenderContext, chosen: Sequence[Overlaid], name: str, part: Range
) -> list[Shown]:
    found = [(one, curve(context, one.trial, name)) for one in chosen]
    return [Shown(one, points, visible(points, part)) for one, points in found if points.steps]


def pages(context: RenderContext, size: Size) -> int:
    """The number of pages of a grid in a pane of this size, its title included."""
    laid = _layout(context, size._replace(height=size.height - 1))
    return 1 if laid is None else laid.pages


def _layout(context: RenderContext, size: Size) -> _Layout | None:
    """As the user has set it, as far as that fits; else the shape that looks best."""
    count = max(1, len(context.snapshot.metrics))
    most_columns = (size.width + _GAP) // (_LEAST.width + _GAP)
    most_lines = (size.height - 1) // _LEAST.height
    if most_columns < 1 or most_lines < 1:
        return None
    asked = context.selection.grid
    if asked is not None:
        columns, lines = min(asked[0], most_columns), min(asked[1], most_lines)
    else:
        columns, lines = _best_shape(count, most_columns, most_lines, size)
    pages = -(-count // (columns * lines))
    return _Layout(columns, lines, min(context.selection.page, pages - 1), pages)


def _best_shape(count: int, most_columns: int, most_lines: int, size: Size) -> tuple[int, int]:
    """Columns and lines for all metrics, or as many as fit, with charts of a good shape."""
    shapes = [
        (columns, min(most_lines, -(-count // columns))) for columns in range(1, most_columns + 1)
    ]
    holding = [shape for shape in shapes if shape[0] * shape[1] >= count] or [shapes[-1]]

    def strain(shape: tuple[int, int]) -> float:
        across, down = size.width / shape[0], (size.height - 1) / shape[1]
        return abs(math.log(across / down / _SHAPE)) + 0.2 * (shape[0] * shape[1] - count)

    return min(holding, key=strain)


def _cell(size: Size, laid: _Layout) -> Size:
    width = (size.width - _GAP * (laid.columns - 1)) // laid.columns
    return Size(width, (size.height - 1) // laid.lines)


def _side_by_side(charts: Sequence[Sequence[Line]], size: Size) -> list[Line]:
    rows: list[Line] = []
    for at in range(size.height):
        spans: list[tuple[str, str]] = []
        for number, chart in enumerate(charts):
            spans += [(" " * _GAP, "")] if number else []
            spans += padded(chart[at] if at < len(chart) else (), size.width)
        rows.append(tuple(spans))
    return rows


def _head(context: RenderContext, name: str, lines: Sequence[Shown], width: int) -> Line:
    """The metric, and the values of as many lines as fit, in their colours."""
    title = plain(name)
    head: list[tuple[str, str]] = [(fit(title, min(len(title), width // 2)), "title bold")]
    left = width - width_of(tuple(head))
    for line in lines:
        text = f"  {value_text(line.curve, context.selection.inspected)}"
        if len(text) > left:
            break
        head.append((text, line.who.ink.role))
        left -= len(text)
    return tuple(head)


def _legend(context: RenderContext, chosen: Sequence[Overlaid], width: int) -> Line:
    plain_theme, dash = context.theme.is_plain, context.glyphs.full
    names = [(one.name(plain=plain_theme, dash=dash), one.ink.role) for one in chosen]
    return cut(tuple((f"{name}   ", role) for name, role in names), width)


def _note(context: RenderContext, laid: _Layout, count: int) -> str:
    parts = notes(context)
    if laid.pages > 1:
        next_page = context.keymap.shown("chart.next_page")
        parts.append(f"{count} metrics, page {laid.page + 1} of {laid.pages} ({next_page})")
    return ", ".join(parts)
