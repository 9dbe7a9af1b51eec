"""The trials whose curves are drawn in colour, their curves, and the legend that names them."""

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from tuitune.core.study.ranking import merit
from tuitune.messages.text import trial_name
from tuitune.store.curves import Curve
from tuitune.store.rows import TrialRow
from tuitune.ui.charts.canvas import Canvas, Ink
from tuitune.ui.charts.frame import epoch
from tuitune.ui.panes.pane import Memo
from tuitune.ui.render.lines import fit
from tuitune.ui.state.records import Record
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.table import cells
from tuitune.ui.text.trial import resource

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
MOST_BEHIND: Final = 120  # trials whose curves are drawn behind


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


class Leaders:
    """Chooses as `overlaid`; many trials are ranked again only when one has ended."""

    def __init__(self) -> None:
        self._known = Memo[list[int]]()

    def overlaid(self, context: RenderContext) -> list[Overlaid]:
        """The trials whose curves are in colour."""
        snapshot = context.snapshot
        small = len(snapshot.rows) < MOST_BEHIND
        key = *epoch(context)[:3], small and snapshot.version
        return overlaid(context, self._known.get(key, partial(_leaders, context)))


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


def left_out(context: RenderContext) -> int:
    """The number of marked trials that are not drawn because there are too many."""
    if not context.selection.overlay:
        return 0
    marked = context.selection.marks - {context.selection.cursor, context.snapshot.best}
    return max(0, len(marked) - len(_OTHERS))


def metric(context: RenderContext) -> str:
    """The name of the metric that the curve shows."""
    return context.selection.metric or context.snapshot.spec.objective.metric


def curve(context: RenderContext, trial: int, name: str = "") -> Curve:
    """The trial's curve of a metric; without a name, of the one that is shown."""
    snapshot = context.snapshot
    name = name or metric(context)
    if name == snapshot.spec.objective.metric:
        return snapshot.curves.points(trial)
    return snapshot.sources.curve(trial, name)


def stamp(context: RenderContext, trial: int, name: str = "") -> object:
    """A value that changes whenever `curve` may have changed."""
    if (name or metric(context)) == context.snapshot.spec.objective.metric:
        return context.snapshot.curves.stamp(trial)
    row = context.snapshot.row(trial)
    return None if row is None else row.changed


def value_text(curve: Curve, inspected: int | None) -> str:
    """The newest value, or the last one at or before the inspected step, with its own step."""
    steps, values = curve
    if not steps:
        return "no reports yet"
    if inspected is None:
        return cells.metric(values[-1])
    place = bisect_right(steps, inspected) - 1
    if place < 0 or inspected > steps[-1]:
        return "-"
    at = "" if steps[place] == inspected else f" @{steps[place]}"
    return cells.metric(values[place]) + at


def notes(context: RenderContext) -> list[str]:
    """The step that is read out, and what is unusual about the axes."""
    selection = context.selection
    found = (
        (f"{resource(context.snapshot)} {selection.inspected}", selection.inspected is not None),
        ("log y", selection.log_y),
        ("zoomed", selection.span is not None),
    )
    return [words for words, is_so in found if is_so]


def _one(context: RenderContext, trial: int, how: tuple[str, str, str], part: str) -> Overlaid:
    letter, role, dash = how
    return Overlaid(trial, letter, Ink(role, letter, dash if context.theme.is_plain else "1"), part)


class Entry(NamedTuple):
    """One line of the legend. short: replaces the name where it is too wide."""

    name: str
    short: str
    value: str
    role: str


def put_legend(canvas: Canvas, entries: Sequence[Entry]) -> None:
    """Writes the legend into the emptiest corner, with short names where it would be too wide."""
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
