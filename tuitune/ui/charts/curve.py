"""The curve chart: the metric of the chosen trials over the resource, with their legend."""

from __future__ import annotations

import heapq
import math
from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from tuitune.core.study.ranking import merit
from tuitune.messages.text import trial_name
from tuitune.ui.charts.axis import scale, shown_range
from tuitune.ui.charts.canvas import Ink
from tuitune.ui.charts.frame import (
    Drawing,
    Tick,
    draw_trace,
    epoch,
    frame,
    some,
    too_small,
    trace,
    value_ticks,
    words,
)
from tuitune.ui.panes.pane import Memo
from tuitune.ui.render.lines import fit
from tuitune.ui.state.records import Record
from tuitune.ui.table import cells
from tuitune.ui.text.phrases import missing
from tuitune.ui.text.trial import resource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuitune.store.curves import Curve
    from tuitune.store.rows import TrialRow
    from tuitune.ui.charts.axis import Scale
    from tuitune.ui.charts.canvas import Canvas
    from tuitune.ui.charts.frame import Dot, Frame, Trace
    from tuitune.ui.render.lines import Size
    from tuitune.ui.state.render_context import RenderContext

_BEST: Final = ("*", "line-a bold", "11110")
_CURSOR: Final = ("a", "success", "1")
_OTHERS: Final = (
    ("b", "line-b", "1100"),
    ("c", "line-c", "10"),
    ("d", "text", "1110100"),
    ("e", "line-e", "100"),
    ("f", "line-f", "11110010"),
)
_BY_RANK: Final = 3  # trials that are drawn after the best, if none is marked
_BEHIND: Final = Ink("rule", ".", under=True)
_MOST_BEHIND: Final = 200  # trials whose curves are drawn behind
_ROOM: Final = 0.05  # of the range of values, left free at its ends
_ACTIONS: Final = (
    ("chart.log", "log"),
    ("chart.metric", "metric"),
    ("chart.overlay", "overlay"),
    ("chart.right", "read"),
)
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
    part: str  # "here", "best", or both; "" for others

    def name(self, *, plain: bool, dash: str) -> str:
        """The name in the legend."""
        sign = self.letter if plain else dash
        return f"{sign} {trial_name(self.trial)} {self.part}".rstrip()


def overlaid(context: RenderContext, leaders: Sequence[int] | None = None) -> list[Overlaid]:
    """The trials whose curves are in colour: the cursor's, the best, marked or the next best.

    leaders: the first trials by rank, as far as they are known already.
    """
    selection, best = context.selection, context.snapshot.best
    chosen: list[Overlaid] = []
    if selection.cursor is not None:
        part = "here, best" if selection.cursor == best else "here"
        chosen.append(_one(context, selection.cursor, _CURSOR, part))
    if best is not None and best != selection.cursor:
        chosen.append(_one(context, best, _BEST, "best"))
    others = zip(_others(context, leaders), _OTHERS, strict=False)
    return chosen + [_one(context, trial, how, "") for trial, how in others]


def _others(context: RenderContext, leaders: Sequence[int] | None) -> list[int]:
    """The marked trials by rank; the next three by rank if none is marked."""
    snapshot, selection = context.snapshot, context.selection
    apart = {selection.cursor, snapshot.best}
    if selection.marks:
        marked = (snapshot.row(trial) for trial in selection.marks - apart)
        rows = sorted((row for row in marked if row), key=partial(_merit, context))
        return [row.number for row in rows] if selection.overlay else []
    leaders = _leaders(context) if leaders is None else leaders
    return [trial for trial in leaders if trial not in apart][:_BY_RANK]


def _leaders(context: RenderContext) -> list[int]:
    """The first trials by rank."""
    most = 2 + _BY_RANK  # the cursor's and the best may be among them
    rows = heapq.nsmallest(most, context.snapshot.rows, key=partial(_merit, context))
    return [row.number for row in rows]


def _merit(context: RenderContext, row: TrialRow) -> tuple[bool, int, float, int]:
    return merit(row, context.snapshot.spec.objective)


def _left_out(context: RenderContext) -> int:
    """The number of marked trials that are not drawn because there are too many."""
    if not context.selection.overlay:
        return 0
    marked = context.selection.marks - {context.selection.cursor, context.snapshot.best}
    return max(0, len(marked) - len(_OTHERS))


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


def _one(context: RenderContext, trial: int, how: tuple[str, str, str], part: str) -> Overlaid:
    letter, role, dash = how
    return Overlaid(trial, letter, Ink(role, letter, dash if context.theme.is_plain else "1"), part)


class _Line(NamedTuple):
    shown: Overlaid
    curve: Curve


class CurveChart:
    """The chart of one study. It caches the traces of unchanged curves."""

    def __init__(self) -> None:
        self._traces: dict[int, tuple[object, Trace]] = {}
        self._behind = Memo[bytes]()
        self._leaders = Memo[list[int]]()

    def key(self, context: RenderContext) -> object:
        """Changes when the chart has to be drawn again."""
        selection = context.selection
        shown = tuple(
            (one.trial, one.part, _stamp(context, one.trial)) for one in self._overlaid(context)
        )
        view = (
            *(metric(context), selection.log_y, selection.inspected, _left_out(context)),
            *(epoch(context), context.theme.is_plain),
        )
        return shown, view, context.snapshot.study.rungs, _missing_key(context)

    def _overlaid(self, context: RenderContext) -> list[Overlaid]:
        """As `overlaid`; many trials are ranked anew only when one has ended."""
        snapshot = context.snapshot
        small = len(snapshot.rows) < _MOST_BEHIND
        key = *epoch(context)[:3], small and snapshot.version
        return overlaid(context, self._leaders.get(key, partial(_leaders, context)))

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        """The curves with their legend; a message where no report can be shown."""
        selection = context.selection
        title = metric(context)
        lines = [_Line(one, curve(context, one.trial)) for one in self._overlaid(context)]
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
        made.canvas.put_below(self._behind.get(*self._faint(context, made)), _BEHIND)
        entries = [_entry(context, line) for line in lines]
        _put_legend(made.canvas, entries)
        name = resource(context.snapshot)
        drawn = made.lines(_ticks(context, made), name)
        return Drawing(title, drawn, _note(context, selection.inspected, name), _ACTIONS)

    def _draw_lines(self, context: RenderContext, made: Frame, lines: Sequence[_Line]) -> None:
        """Draws the curves, the cursor's on top, and letters where there are few colours."""
        traces = {line.shown.trial: self._trace(context, made, line) for line in lines}
        self._traces = traces
        for line in reversed(lines):
            draw_trace(made.canvas, traces[line.shown.trial][1], line.shown.ink)
        if context.selection.inspected is not None:
            _draw_vertical(made, context.selection.inspected, "accent")
        for line in lines if context.theme.is_plain else ():
            end = traces[line.shown.trial][1].end
            if end is not None:
                _write_letter(made, line.shown, end)

    def _faint(self, context: RenderContext, made: Frame) -> tuple[object, Callable[[], bytes]]:
        """The curves of all trials, drawn again when a trial has ended or the scales change."""
        canvas = made.canvas
        key = epoch(context)[:1], metric(context), made.x, made.y, canvas.width, canvas.height

        def draw() -> bytes:
            if metric(context) != context.snapshot.spec.objective.metric:
                return b""
            below = made.emptied()
            for row in some(context.snapshot.rows, _MOST_BEHIND):
                points = context.snapshot.curves.points(row.number)
                for path in trace(below, points).paths:
                    below.canvas.path(
                        [dot for dot in path if 0 < dot[1] < canvas.down - 1], _BEHIND
                    )
            return below.canvas.bits()

        return key, draw

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
        1 if first <= last / 10 else first, _room_for(last, context.snapshot.spec.pruning.max)
    )
    if context.selection.log_y:
        return x, scale(*shown, log=True)
    room = _ROOM * shown.span()
    return x, scale(shown.low - room, shown.high + room)


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


def _draw_vertical(made: Frame, step: float, role: str) -> None:
    column = made.across(step) // 2
    sign = ":" if made.ascii_only else "\N{BOX DRAWINGS LIGHT TRIPLE DASH VERTICAL}"
    for at in range(made.canvas.height):
        if made.canvas.is_free(column, at):
            made.canvas.write(column, at, sign, role)


def _ticks(context: RenderContext, made: Frame) -> list[Tick]:
    """The step that is read out, then the rungs and the maximum; without rungs, round values."""
    inspected = context.selection.inspected
    first = [] if inspected is None else [Tick(made.x.at(inspected), str(inspected))]
    rungs = context.snapshot.study.rungs
    row = context.snapshot.row(context.selection.cursor)
    bracket = 0 if row is None else row.bracket
    steps = [*rungs[bracket]] if bracket < len(rungs) else []
    most = context.snapshot.spec.pruning.max
    steps += [most] if steps and most is not None else []
    inside = [step for step in steps if made.x.low <= step <= made.x.high]
    if len(inside) < 2:
        return [*first, *value_ticks(made.x, made.canvas.width)]
    return [*first, *(Tick(made.x.at(step), str(step)) for step in reversed(inside))]


def _entry(context: RenderContext, line: _Line) -> _Entry:
    shown, dash = line.shown, context.glyphs.full
    name = shown.name(plain=context.theme.is_plain, dash=dash)
    short = name.removesuffix(shown.part).rstrip()
    return _Entry(name, short, _value_text(line, context.selection.inspected), shown.ink.role)


def _value_text(line: _Line, inspected: int | None) -> str:
    """The newest value, or the last one at or before the inspected step, with its own step."""
    steps, values = line.curve
    if not steps:
        return "no reports yet"
    if inspected is None:
        return cells.metric(values[-1])
    place = bisect_right(steps, inspected) - 1
    if place < 0 or inspected > steps[-1]:
        return "-"
    at = "" if steps[place] == inspected else f" @{steps[place]}"
    return cells.metric(values[place]) + at


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
