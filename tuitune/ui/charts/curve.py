"""The curve chart: the metric of the chosen trials over the resource, with their legend."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from tuitune.messages.text import number, trial_name
from tuitune.ui.charts.axis import scale, shown_range
from tuitune.ui.charts.canvas import Ink
from tuitune.ui.charts.frame import (
    Drawing,
    Tick,
    draw_trace,
    frame,
    too_small,
    trace,
    value_ticks,
    words,
)
from tuitune.ui.render.lines import fit
from tuitune.ui.state.records import Record
from tuitune.ui.text.phrases import missing
from tuitune.ui.text.trial import resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.store.curves import Curve
    from tuitune.ui.charts.axis import Scale
    from tuitune.ui.charts.canvas import Canvas
    from tuitune.ui.charts.frame import Dot, Frame, Trace
    from tuitune.ui.render.lines import Size
    from tuitune.ui.state.render_context import RenderContext
_BEST: Final = ("*", "success bold", "11110")
_CURSOR: Final = ("a", "line-a", "1")
_OTHERS: Final = (
    ("b", "line-b", "1100"),
    ("c", "line-c", "10"),
    ("d", "line-d", "1110100"),
    ("e", "line-e", "100"),
    ("f", "line-f", "11110010"),
)
_ACTIONS: Final = (
    ("chart.log", "log"),
    ("chart.metric", "metric"),
    ("chart.overlay", "overlay"),
    ("chart.right", "read"),
)
_NEAR: Final = 4  # cells between two rungs; the second of two that are nearer is left out
# (columns, lines) from a curve's end to its letter
_ENDS: Final = ((1, 0), (1, -1), (1, 1), (0, -1), (0, 1), (2, 0), (0, 0))


class _Entry(NamedTuple):
    """One line of the legend. short: replaces the name where it is too wide."""

    name: str
    short: str
    value: str
    role: str


def _put_legend(canvas: Canvas, entries: Sequence[_Entry]) -> None:
    """Write the legend into the emptiest corner, with short names where it would be too wide."""
    entries = entries[: max(1, canvas.height // 2)]
    values = max((len(entry.value) for entry in entries), default=0)
    names = [entry.name for entry in entries]
    if _widest(names) + 1 + values > canvas.width // 2:
        names = [entry.short for entry in entries]
    wide = _widest(names)
    if wide + 1 + values > canvas.width * 2 // 3:
        wide, values = min(wide, canvas.width // 2), 0
    width = wide + (1 + values if values else 0)
    left, top = _corner(canvas, width, len(entries))
    for line, (entry, name) in enumerate(zip(entries, names, strict=False), top):
        text = fit(name, wide) + (" " + fit(entry.value, values, right=True) if values else "")
        canvas.write(left, line, text, entry.role)


def _widest(names: Sequence[str]) -> int:
    return max((len(name) for name in names), default=0)


def _corner(canvas: Canvas, width: int, height: int) -> tuple[int, int]:
    """(column, line) of the corner with the fewest dots; of equal ones the first listed."""
    right, bottom = max(0, canvas.width - width), max(0, canvas.height - height)
    corners = ((right, 0), (right, bottom), (0, 0), (0, bottom))
    return min(corners, key=lambda at: canvas.dots_in(at[0], at[1], width, height))


class Overlaid(Record, frozen=True):
    """A trial whose curve is drawn."""

    trial: int
    letter: str
    ink: Ink
    part: str  # "cursor", "best", "marked", or several

    def name(self) -> str:
        """The name in the legend."""
        return f"{self.letter} {trial_name(self.trial)} ({self.part})"


def overlaid(context: RenderContext) -> list[Overlaid]:
    """The trials whose curves are drawn, the topmost first."""
    selection, best = context.selection, context.snapshot.best
    chosen: list[Overlaid] = []
    if selection.cursor is not None:
        part = "cursor, best" if selection.cursor == best else "cursor"
        chosen.append(_one(selection.cursor, _CURSOR, part))
    if best is not None and best != selection.cursor:
        chosen.append(_one(best, _BEST, "best"))
    marked = sorted(selection.marks - {selection.cursor, best}) if selection.overlay else []
    others = zip(marked, _OTHERS, strict=False)
    return chosen + [_one(trial, how, "marked") for trial, how in others]


def _left_out(context: RenderContext) -> int:
    """The number of marked trials that are not drawn because there are too many."""
    marked = context.selection.marks - {context.selection.cursor, context.snapshot.best}
    return max(0, len(marked) - len(_OTHERS)) if context.selection.overlay else 0


def metric(context: RenderContext) -> str:
    """The name of the metric that is shown."""
    return context.selection.metric or context.snapshot.spec.objective.metric


def curve(context: RenderContext, trial: int) -> Curve:
    """The trial's curve of the metric that is shown."""
    snapshot = context.snapshot
    if metric(context) == snapshot.spec.objective.metric:
        return snapshot.curves.points(trial)
    return snapshot.sources.curve(trial, metric(context))


def _stamp(context: RenderContext, trial: int) -> object:
    """A value that changes whenever `curve` may have changed."""
    if metric(context) == context.snapshot.spec.objective.metric:
        return context.snapshot.curves.stamp(trial)
    row = context.snapshot.row(trial)
    return None if row is None else row.changed


def _one(trial: int, how: tuple[str, str, str], part: str) -> Overlaid:
    letter, role, dash = how
    return Overlaid(trial, letter, Ink(role, letter, dash), part)


class _Line(NamedTuple):
    shown: Overlaid
    curve: Curve


class CurveChart:
    """The chart of one study. It caches the traces of unchanged curves."""

    def __init__(self) -> None:
        self._traces: dict[int, tuple[object, Trace]] = {}

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again."""
        selection = context.selection
        shown = tuple(
            (one.trial, one.part, _stamp(context, one.trial)) for one in overlaid(context)
        )
        view = (metric(context), selection.log_y, selection.inspected, _left_out(context))
        return shown, view, context.snapshot.study.rungs, _missing_key(context)

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        """The curves with their legend; a message where no report can be shown."""
        selection = context.selection
        title = f"Curve {metric(context)}"
        lines = [_Line(one, curve(context, one.trial)) for one in overlaid(context)]
        reported = [line for line in lines if line.curve.steps]
        if not reported:
            return Drawing(title, words(*_nothing(context, lines)), actions=_ACTIONS[1:2])
        scales = _scales(context, reported)
        if scales is None:
            return Drawing(title, words(*_no_finite_value(context, reported)), actions=_ACTIONS[:2])
        made = frame(size, *scales, context.glyphs)
        if made is None:
            return Drawing(title, too_small())
        self._draw_lines(context, made, reported)
        _put_legend(made.canvas, [_entry(line, selection.inspected) for line in lines])
        name = resource(context.snapshot)
        drawn = made.lines(_ticks(made, selection.inspected), name)
        return Drawing(title, drawn, _note(context, selection.inspected, name), _ACTIONS)

    def _draw_lines(self, context: RenderContext, made: Frame, lines: Sequence[_Line]) -> None:
        """Draws the curves, the cursor's on top, then rungs and letters where there is room."""
        traces = {line.shown.trial: self._trace(context, made, line) for line in lines}
        self._traces = traces
        for line in reversed(lines):
            draw_trace(made.canvas, traces[line.shown.trial][1], line.shown.ink)
        _draw_rungs(made, context)
        if context.selection.inspected is not None:
            _draw_vertical(made, context.selection.inspected, "accent")
        for line in lines:
            end = traces[line.shown.trial][1].end
            if end is not None:
                _write_letter(made, line.shown, end)

    def _trace(self, context: RenderContext, made: Frame, line: _Line) -> tuple[object, Trace]:
        trial = line.shown.trial
        canvas = made.canvas
        key = metric(context), _stamp(context, trial), made.x, made.y, canvas.width, canvas.height
        known = self._traces.get(trial)
        return known if known is not None and known[0] == key else (key, trace(made, line.curve))


def _missing_key(context: RenderContext) -> object:
    """Changes when the message about a trial without reports changes."""
    row = context.snapshot.row(context.selection.cursor)
    if row is None or curve(context, row.number).steps:
        return len(context.snapshot.rows) == 0
    return row.changed, context.snapshot.engine.state, int(context.snapshot.now)


def _scales(context: RenderContext, lines: Sequence[_Line]) -> tuple[Scale, Scale] | None:
    """The scales of steps and of values; None without a finite value. The best trial is visible."""
    trusted = sorted(lines, key=lambda line: "best" not in line.shown.part)
    shown = shown_range((line.curve.values for line in trusted), log=context.selection.log_y)
    if shown is None:
        return None
    first = min(line.curve.steps[0] for line in lines)
    last = max(line.curve.steps[-1] for line in lines)
    x = scale(
        0 if first <= last / 10 else first, _room_for(last, context.snapshot.spec.pruning.max)
    )
    return x, scale(*shown, log=context.selection.log_y)


def _room_for(last: int, most: int | None) -> int:
    """At most a quarter more than the last step, so that the axis seldom changes."""
    unit: int = 1 << max(0, last.bit_length() - 3)
    room = -(-last // unit) * unit
    return room if most is None or last > most else min(most, room)


def _write_letter(made: Frame, shown: Overlaid, end: Dot) -> None:
    """Write the curve's letter next to its last value, or on it where there is no room."""
    column, line = end
    role = f"{shown.ink.role} bold"
    for right, down in _ENDS:
        if made.canvas.is_free(column + right, line + down) or (right, down) == (0, 0):
            made.canvas.write(column + right, line + down, shown.letter, role)
            return


def _draw_rungs(made: Frame, context: RenderContext) -> None:
    """Draw the rungs of the bracket of the trial under the cursor."""
    rungs = context.snapshot.study.rungs
    row = context.snapshot.row(context.selection.cursor)
    bracket = 0 if row is None else row.bracket
    taken = -_NEAR
    for place, step in enumerate(rungs[bracket] if bracket < len(rungs) else ()):
        column = made.across(step) // 2
        if not made.x.low <= step <= made.x.high or column < taken + _NEAR:
            continue
        taken = column
        _draw_vertical(made, step, "faint")
        for at, sign in enumerate(f"r{place}", column + 1):
            if made.canvas.is_free(at, 0):
                made.canvas.write(at, 0, sign, "faint")


def _draw_vertical(made: Frame, step: float, role: str) -> None:
    column = made.across(step) // 2
    sign = ":" if made.ascii_only else "\N{BOX DRAWINGS LIGHT TRIPLE DASH VERTICAL}"
    for at in range(made.canvas.height):
        if made.canvas.is_free(column, at):
            made.canvas.write(column, at, sign, role)


def _ticks(made: Frame, inspected: int | None) -> list[Tick]:
    ticks = value_ticks(made.x, made.canvas.width)
    if inspected is None:
        return ticks
    return [Tick(made.x.at(inspected), str(inspected)), *ticks]


def _entry(line: _Line, inspected: int | None) -> _Entry:
    shown = line.shown
    return _Entry(
        shown.name(),
        f"{shown.letter} {trial_name(shown.trial)}",
        _value_text(line, inspected),
        shown.ink.role,
    )


def _value_text(line: _Line, inspected: int | None) -> str:
    """The newest value, or the last one at or before the inspected step, with its own step."""
    steps, values = line.curve
    if not steps:
        return "no reports yet"
    if inspected is None:
        return number(values[-1])
    place = bisect_right(steps, inspected) - 1
    if place < 0 or inspected > steps[-1]:
        return "-"
    at = "" if steps[place] == inspected else f" @{steps[place]}"
    return number(values[place]) + at


def _note(context: RenderContext, inspected: int | None, name: str) -> str:
    parts = [f"{name} {inspected}"] if inspected is not None else []
    parts += ["log y"] if context.selection.log_y else []
    more = _left_out(context)
    return ", ".join(parts + ([f"{more} marked not drawn"] if more else []))


def _nothing(context: RenderContext, lines: list[_Line]) -> list[str]:
    if not context.snapshot.rows:
        return ["no trials yet"]
    if not lines:
        return ["no trial is selected"]
    row = context.snapshot.row(lines[0].shown.trial)
    if row is not None and metric(context) == context.snapshot.spec.objective.metric:
        return [missing(context, row)]
    return [f"{trial_name(lines[0].shown.trial)} reports no {metric(context)}"]


def _no_finite_value(context: RenderContext, lines: list[_Line]) -> list[str]:
    values = [value for line in lines for value in line.curve.values]
    if context.selection.log_y and any(math.isfinite(value) for value in values):
        return ["no value above 0: a log scale can't show any"]
    return [f"no finite value: {len(values)} reports are all nan or infinite"]
