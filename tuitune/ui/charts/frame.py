"""Parts that charts share: the frame with its axes, traces of curves, samples of trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from tuitune.core.events import ENDED
from tuitune.messages.text import duration, plain
from tuitune.store.curves import Curve
from tuitune.store.rows import TrialRow
from tuitune.ui.charts.axis import Scale, Tick
from tuitune.ui.charts.canvas import Canvas, Ink
from tuitune.ui.render.glyphs import Glyphs
from tuitune.ui.render.lines import Line, Size, fit
from tuitune.ui.state import records, render_context

_LEAST = (16, 4)  # columns and lines below which there is no chart
_BELOW = 1  # lines below: the labels of the x axis
_GUIDE_EVERY = 2  # cells between two dots of a guide


class Drawing(NamedTuple):
    """A drawn chart. note: follows the title. actions: named in the title line."""

    title: str
    lines: list[Line]
    note: str = ""
    actions: Sequence[tuple[str, str]] = ()  # (id, one or two words)


class Frame(records.Holder):
    """A canvas with its two axes."""

    canvas: Canvas
    x: Scale
    y: Scale
    gutter: int  # cells to the left of the canvas, for the y axis and its labels
    ascii_only: bool
    names: dict[int, str] = msgspec.field(default_factory=dict)  # labels of the y axis, by line

    def emptied(self) -> Frame:
        """The same frame with nothing drawn."""
        canvas = Canvas(self.canvas.width, self.canvas.height, ascii_only=self.ascii_only)
        return Frame(canvas, self.x, self.y, self.gutter, self.ascii_only)

    def across(self, value: float) -> int:
        """The dot column of an x value; the nearest edge if it is outside of the scale."""
        return dot(self.x.at(value), self.canvas.across)

    def down(self, value: float) -> int:
        """The dot line of a y value, from the top; the nearest edge if it is outside."""
        return self.down_at(self.y.at(value))

    def down_at(self, at: float) -> int:
        """The dot line of a position on the y axis."""
        return self.canvas.down - 1 - dot(at, self.canvas.down)

    def beyond(self, value: float) -> int:
        """1 for a y value above the scale, -1 for one below it or NaN, 0 within."""
        return beyond(self.y.at(value))

    def lines(self, ticks: Sequence[Tick], name: str) -> list[Line]:
        """The canvas with its axes, as many lines as the size given to `frame`."""
        for y in self.names:
            self._guide(y)
        width = self.gutter - 1
        framed: list[Line] = []
        for y, drawn in enumerate(self.canvas.lines()):
            label = fit(self.names.get(y, ""), width, right=True)
            framed.append(((f"{label} ", "faint"), *drawn))
        words = self._below(ticks, name)
        return [*framed, ((" " * self.gutter, ""), (words, "faint"))]

    def _guide(self, y: int) -> None:
        """A faint dotted line at a label, where nothing is drawn."""
        sign = "." if self.ascii_only else "\N{MIDDLE DOT}"
        for x in range(0, self.canvas.width, _GUIDE_EVERY):
            if self.canvas.is_free(x, y):
                self.canvas.write(x, y, sign, "rule")

    def _below(self, ticks: Sequence[Tick], name: str) -> str:
        """The labels of the x axis; later ticks are dropped where there is no room."""
        width = self.canvas.width
        words = [" "] * width
        for place, label in ticks:
            column = min(dot(place, self.canvas.across) // 2, width - 1)
            start = max(0, min(column - len(label) // 2, width - len(label)))
            end = start + len(label)
            if end <= width and not "".join(words[max(0, start - 1) : end + 1]).strip():
                words[start:end] = label
        free = "".join(words).rfind(" " * (len(name) + 2)) + 1
        if name and free >= 1:
            words[free : free + len(name)] = name
        return "".join(words)


def frame(
    size: Size, x: Scale, y: Scale, glyphs: Glyphs, named: Sequence[Tick] = ()
) -> Frame | None:
    """A frame of this size, axes included; None if it is too small for a chart.

    named: the ticks of the y axis; without them, those of its scale.
    """
    height = size.height - _BELOW
    named = named or y.named(max(2, min(6, height // 3)))
    gutter = max((len(name) for _, name in named), default=0) + 1
    width = size.width - gutter
    if width < _LEAST[0] or height < _LEAST[1]:
        return None
    made = Frame(Canvas(width, height, ascii_only=glyphs.ascii), x, y, gutter, glyphs.ascii)
    for at, name in named:
        made.names[made.down_at(at) // 4] = name
    return made


BLOT: Final = "\N{BRAILLE PATTERN DOTS-1245}"  # as `Canvas.blots` draws, for legends
# round steps of a time axis, in s, min, h or days
_UNITS: Final = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0)


def time_ticks(x: Scale, width: int) -> list[Tick]:
    """Ticks at whole seconds, minutes, hours or days. x: in seconds."""
    most = max(2, width // 12)
    span = x.high - x.low
    units = [unit * base for base in (1.0, 60.0, 3600.0, 86400.0) for unit in _UNITS]
    step = next((unit for unit in units if span / unit <= most), units[-1])
    while span / step > most:
        step *= 2
    first, last = math.ceil(x.low / step), math.floor(x.high / step)
    return [Tick(x.at(i * step), duration(i * step)) for i in range(first, last + 1)]


def value_ticks(x: Scale, width: int) -> list[Tick]:
    """The ticks of an x axis, about one every twelve cells."""
    return x.named(max(2, width // 12))


def too_small(title: str) -> Drawing:
    """The message in place of a chart for which `frame` returned None."""
    return Drawing(title, [(("too small for a chart: z zooms", "muted"),)])


def message(title: str, actions: Sequence[tuple[str, str]], text: str) -> Drawing:
    """A message in place of a chart."""
    return Drawing(title, [(), ((f"  {plain(text)}", "muted"),)], actions=actions)


def special(
    context: render_context.RenderContext, cursor: str = "accent bold"
) -> list[tuple[TrialRow, str, str]]:
    """The cursor's and the best trial, with their signs and roles. cursor: the first role."""
    glyphs, snapshot = context.glyphs, context.snapshot
    found = (
        (snapshot.row(context.selection.cursor), glyphs.cursor, cursor),
        (snapshot.row(snapshot.best), glyphs.best, "success bold"),
    )
    return [(row, sign, role) for row, sign, role in found if row is not None]


def dot(at: float, dots: int) -> int:
    """The dot of a position in [0, 1], from 0; positions outside are clipped, NaN gives 0."""
    return round(at * (dots - 1)) if 0 <= at <= 1 else dots - 1 if at > 1 else 0


def beyond(at: float) -> int:
    """1 for a position above 1, -1 below 0 or for NaN, else 0; rounding errors are tolerated."""
    return 0 if -1e-9 <= at <= 1 + 1e-9 else 1 if at > 1 else -1


Dot = tuple[int, int]


class Trace(NamedTuple):
    """A curve as dots of one frame."""

    paths: list[list[Dot]]  # one for each stretch without missing values
    marks: dict[int, int]  # by cell column: 1 where it is above the range, -1 below
    named: dict[str, int]  # "nan" and "inf": the cell column of the first such value
    end: Dot | None  # the cell of its last finite value


def trace(made: Frame, curve: Curve) -> Trace:
    """The curve in this frame; values outside of the range are drawn at its edge."""
    across = made.canvas.across
    traced = Trace([[]], {}, {}, _end(made, curve))
    places = zip(made.x.all(curve.steps), made.y.all(curve.values), curve.values, strict=True)
    for at_x, at_y, value in places:
        x = dot(at_x, across)
        if math.isnan(value):
            traced.named.setdefault("nan", x // 2)
            traced.paths.append([])
            continue
        traced.paths[-1].append((x, made.down_at(at_y)))
        if not 0 <= at_y <= 1 and beyond(at_y):
            traced.marks[x // 2] = beyond(at_y)
            if math.isinf(value):
                traced.named.setdefault("inf", x // 2)
    return traced._replace(paths=[thinned(path) for path in traced.paths])


def draw_trace(canvas: Canvas, traced: Trace, ink: Ink) -> None:
    """Draws the lines, arrows where they leave the range, and "nan" or "inf" at such values."""
    for path in traced.paths:
        canvas.path(path, ink)
    for column, side in traced.marks.items():
        sign, line = ("^", 0) if side > 0 else ("v", canvas.height - 1)
        canvas.write(column, line, sign, ink.role)
    for name, column in traced.named.items():
        canvas.write(min(column, canvas.width - 3), 0, name, "error")


def thinned(path: Sequence[Dot]) -> list[Dot]:
    """The first, lowest, highest and last dot of each column, which draw the same picture.

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


T = TypeVar("T")

# about how often such a chart is redrawn while a study runs, whatever its size
_STEADY: Final = 500


def epoch(context: render_context.RenderContext) -> tuple[object, ...]:
    """Changes whenever a chart of all ended trials has to be drawn again."""
    snapshot = context.snapshot
    done = sum(snapshot.counts.get(state, 0) for state in ENDED)
    return (
        done // max(1, done // _STEADY),
        snapshot.best,
        snapshot.partial,
        context.selection.cursor,
    )


def some(rows: Sequence[T], most: int) -> Sequence[T]:
    """At most `most` of the rows, evenly spaced, the last one included."""
    stride = -(-len(rows) // most) if rows else 1
    return rows[len(rows) - 1 :: -stride][::-1] if stride > 1 else rows
