"""The slice chart: the metric of every trial over one parameter."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from tuitune.core.events import TrialState
from tuitune.messages.states import Shown, shown
from tuitune.messages.text import number
from tuitune.store.rows import TrialRow
from tuitune.ui.charts import frame
from tuitune.ui.charts.axis import UNIT, Axis, good_range, ranked_axes, scale
from tuitune.ui.charts.canvas import Ink
from tuitune.ui.render.lines import Line, Size
from tuitune.ui.state.render_context import RenderContext

_ACTIONS: Final = (("chart.slice", "next parameter"), ("chart.log", "log"))
_MOST: Final = 800  # trials that are shown, evenly spaced
_ROLES: Final = {  # by state, in the order of drawing: later ones are on top
    Shown.KILLED: "faint",
    Shown.FAILED: "error",
    Shown.PAUSED: "warning",
    Shown.HELD: "muted",
    Shown.PRUNED: "muted",
    Shown.COMPLETE: "text",
    Shown.RUNNING: "success",
}
_EVERY: Final = 3.0  # s between two drawings while trials run
# multiples of them are spread evenly modulo 1, in one dimension and in two (the R2 sequence)
_SPREAD: Final = 0.618033988749895
SPREAD_DOWN: Final = 0.569840290998053


def key(context: RenderContext) -> object:
    """Changes when the chart has to be drawn again, every 3 s while trials run."""
    snapshot, selection = context.snapshot, context.selection
    runs = snapshot.counts.get(TrialState.RUNNING, 0) and int(snapshot.now / _EVERY)
    return frame.epoch(context), runs, selection.parameter, selection.log_y


def _chosen(context: RenderContext) -> tuple[Axis | None, int, int]:
    """(the axis that is shown, its number from 1, the number of axes), by importance."""
    found = ranked_axes(context.snapshot)
    names = [axis.name for axis in found]
    if not found:
        return None, 0, 0
    place = names.index(context.selection.parameter) if context.selection.parameter in names else 0
    return found[place], place + 1, len(found)


def draw(context: RenderContext, size: Size) -> frame.Drawing:
    """A sign for each trial; a message where no trial has a value of the parameter."""
    metric = context.snapshot.spec.objective.metric
    axis, place, count = _chosen(context)
    if axis is None:
        return frame.message(f"{metric} by parameter", (), "no parameter takes more than one value")
    title = f"{metric} by {axis.name} ({place} of {count})"
    sample = frame.some(context.snapshot.rows, _MOST)
    rows = [row for row in sample if row.value is not None and axis.name in row.config]
    if not rows:
        return frame.message(title, _ACTIONS[:1], f"no trial with {axis.name} has a value yet")
    values = [row.value for row in rows if row.value is not None]
    special = {context.snapshot.best, context.selection.cursor}
    own = [row.value for row in rows if row.number in special and row.value is not None]
    minimise = context.snapshot.spec.objective.mode == "min"
    shown = good_range(values, minimise=minimise, log=context.selection.log_y, kept=own)
    if shown is None:
        return frame.message(title, _ACTIONS, "no value that this scale can show")
    y = scale(*shown, log=context.selection.log_y)
    made = frame.frame(size._replace(height=size.height - 1), UNIT, y, context.glyphs)
    if made is None:
        return frame.too_small(title)
    clipped = _put(made, context, axis, rows)
    note = f"{clipped} worse ones at the edge" if clipped else ""
    lines = [
        *made.lines(
            axis.below(made.canvas.width),
            "" if axis.scale is None else "log" if axis.scale.log else "",
        ),
        _legend(context, rows, len(sample)),
    ]
    return frame.Drawing(title, lines, note, _ACTIONS)


def _put(made: frame.Frame, context: RenderContext, axis: Axis, rows: Sequence[TrialRow]) -> int:
    """Writes the signs of the trials, important ones on top. Returns how many are out of range."""
    order = {state: place for place, state in enumerate(_ROLES)}
    ranked = sorted(rows, key=lambda row: order.get(_shown(row), -1))
    canvas = made.canvas
    inside: dict[str, list[tuple[int, int]]] = {}
    clipped = 0
    for row, x, at in _places(made, axis, ranked):
        outside = 0 if 0 <= at <= 1 else frame.beyond(at)
        clipped += outside != 0
        role = _ROLES.get(_shown(row), "faint")
        y = made.down_at(at)
        if outside or context.is_bare:
            sign = "^" if outside > 0 else "v" if outside else context.glyphs.states[_shown(row)]
            canvas.write(x // 2, y // 4, sign, role)
        else:
            inside.setdefault(role, []).append((x, y))
    for role, points in inside.items():
        canvas.blots(points, Ink(role, "."))
    for row, sign, role in frame.special(context):
        for _, x, at in _places(made, axis, [row]):
            canvas.write(x // 2, made.down_at(at) // 4, sign, role)
    return clipped


def _places(
    made: frame.Frame, axis: Axis, rows: Sequence[TrialRow]
) -> Iterator[tuple[TrialRow, int, float]]:
    """(trial, dot column, position on the y axis) of the trials that have both values."""
    values = [math.nan if row.value is None else row.value for row in rows]
    ats = axis.all([row.config for row in rows])
    for row, across, at in zip(rows, ats, made.y.all(values), strict=True):
        if across is not None and row.value is not None:
            yield row, frame.dot(across_category(axis, row.number, across), made.canvas.across), at


def across_category(axis: Axis, number: int, at: float, spread: float = _SPREAD) -> float:
    """A position, spread within its category by the trial's number; as it is for numbers."""
    if axis.scale is not None:
        return at
    return at + ((number * spread) % 1.0 - 0.5) * 0.6 / len(axis.names)


def _shown(row: TrialRow) -> Shown:
    return shown(row.state, at_rung=row.is_held)


def _legend(context: RenderContext, rows: Sequence[TrialRow], sample: int) -> Line:
    """The signs in the chart and what they mean."""
    there = set(map(_shown, rows))
    glyphs = context.glyphs
    signs = glyphs.states if context.is_bare else dict.fromkeys(_ROLES, frame.BLOT)
    parts = [(f"{glyphs.best} best", "success bold"), (f"{glyphs.cursor} cursor", "accent bold")]
    parts += [(f"{signs[state]} {state}", role) for state, role in _ROLES.items() if state in there]
    best = context.snapshot.row(context.snapshot.best)
    line: Line = ((" ", ""),)
    for text, role in parts:
        line = (*line, (text, role), (" ", ""))
    every = len(context.snapshot.rows)
    if sample < every:
        line = (*line, (f"{sample} of {every} trials ", "muted"))
    return (
        line
        if best is None or best.value is None
        else (*line, (f"best {number(best.value)}", "muted"))
    )
