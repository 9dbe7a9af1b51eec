"""How many stand at which rung, and what waits there? A line a rung, for each bracket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.messages.text import number, trial_name
from tuitune.ui.charts.frame import Drawing, words
from tuitune.ui.charts.rung_entries import Book
from tuitune.ui.render.lines import fit
from tuitune.ui.text.trial import resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.spec import StudySpec
    from tuitune.ui.charts.rung_entries import Rung
    from tuitune.ui.render.lines import Line, Size
    from tuitune.ui.state.render_context import RenderContext

ACTIONS: Final = (("chart.rungs", "curve"),)
NARROW: Final = (6, 6, 7, 5, 5, 5, 5)  # cells of the figures
NARROW_NAMES: Final = ("in", "cut", "on", "here", "wait", "end")
WIDE: Final = (8, 9, 9, 9, 6, 7, 7)
WIDE_NAMES: Final = ("entries", "cut", "gone on", "here", "waits", "ended")
WIDE_FROM: Final = 70
BAR: Final = 8  # cells that it needs at least


class Rungs:
    """One study's. `on`: went on from the rung; `here`: run, on their way to the next."""

    def __init__(self) -> None:
        self._book = Book()

    def key(self, context: RenderContext) -> object:
        self._book.follow(context.snapshot)
        study = context.snapshot.study
        return self._book.changes, study.rungs, study.style, context.selection.cursor

    def draw(self, context: RenderContext, size: Size) -> Drawing:
        snapshot = context.snapshot
        pruning = snapshot.spec.pruning
        title = f"Rungs {pruning.method}"
        if not any(snapshot.study.rungs):
            return Drawing(title, words(_none(snapshot.spec)), actions=ACTIONS)
        cursor = snapshot.row(context.selection.cursor)
        first = 0 if cursor is None else cursor.bracket
        brackets = sorted(range(len(snapshot.study.rungs)), key=lambda bracket: bracket != first)
        lines = [_head(resource(snapshot), size.width)]
        for bracket in brackets:
            lines += self._bracket(context, bracket, size.width)
        note = f"{snapshot.study.style or pruning.style}, 1 of {pruning.reduction:g} goes on"
        if len(lines) > size.height > 0:
            lines[size.height - 1 :] = [_cut_off(len(lines) - size.height + 1)]
        return Drawing(title, lines, note, ACTIONS)

    def _bracket(self, context: RenderContext, bracket: int, width: int) -> list[Line]:
        """The furthest rung first, below the trials that have gone all the way."""
        snapshot = context.snapshot
        steps = snapshot.study.rungs[bracket]
        rungs = [self._book.rung(bracket, place) for place in range(len(steps))]
        most = max((rung.entries() for rung in rungs), default=0)
        cursor = snapshot.row(context.selection.cursor)
        own = None
        if cursor is not None and cursor.bracket == bracket:
            own = -1 if cursor.rung is None else cursor.rung
        lines: list[Line] = []
        if len(snapshot.study.rungs) > 1:
            lines.append(((f" bracket {bracket}", "title"),))
        complete = sum(self._book.rung(bracket, place).complete for place in range(-1, len(steps)))
        lines.append(_top(snapshot.spec.pruning.max, complete, width))
        for place in reversed(range(len(steps))):
            sign = context.glyphs.cursor if own == place else " "
            lines.append(
                ((sign, "accent bold"), *_figures(context, steps[place], rungs[place], width))
            )
            room = width - sum(_columns(width)) - 3
            if room >= BAR and most:
                lines[-1] += (("  ", ""), *_bar(context, rungs[place], most, room))
            lines += _waiting(rungs[place], width)
        return lines


def _none(spec: StudySpec) -> str:
    if not any(spec.pruner.plan.steps):
        return f"no rungs: the study's pruning.method is {spec.pruning.method}"
    return "no rungs yet: the engine lays them when it begins"


def _columns(width: int) -> Sequence[int]:
    return WIDE if width >= WIDE_FROM else NARROW


def _cut_off(lines: int) -> Line:
    return ((f"  {lines} more lines (the cursor's bracket comes first): z zooms", "muted"),)


def _head(name: str, width: int) -> Line:
    names = WIDE_NAMES if width >= WIDE_FROM else NARROW_NAMES
    cells = [fit(n, w, right=True) for n, w in zip((name, *names), _columns(width), strict=True)]
    return ((" " + "".join(cells), "muted"),)


def _top(most: int | None, complete: int, width: int) -> Line:
    columns = _columns(width)
    step = "end" if most is None else str(most)
    return (
        (" " + fit(step, columns[0], right=True), "text"),
        (fit(str(complete), columns[1], right=True) + " complete", "success"),
    )


def _figures(context: RenderContext, step: int, rung: Rung, width: int) -> Line:
    cut = rung.cut(context.snapshot.spec.pruning.reduction)
    sign = 1 if context.snapshot.spec.objective.mode == "min" else -1
    too_few = "too few" if width >= WIDE_FROM else "-"
    limit = too_few if cut is None else number(sign * cut)
    figures = (step, rung.entries(), limit, rung.on(), len(rung.here), len(rung.waits), rung.ended)
    cells = [fit(str(f), w, right=True) for f, w in zip(figures, _columns(width), strict=True)]
    return (("".join(cells), "text"),)


def _waiting(rung: Rung, width: int) -> list[Line]:
    """The trials that wait to be promoted, by name."""
    if not rung.waits:
        return []
    named = [trial_name(trial) for trial in sorted(rung.waits)]
    return [((" " * 10 + "waits: ", "warning"), (_within(named, width - 17), "text"))]


def _bar(context: RenderContext, rung: Rung, most: int, room: int) -> Line:
    """Of all entries: those that went on, those that still may, those that have ended."""
    parts = (
        (context.glyphs.full, rung.on(), "success"),
        ("=", len(rung.here) + len(rung.waits), "warning"),
        (context.glyphs.rest, rung.ended + rung.failed, "faint"),
    )
    cells = ((sign * round(room * part / most), role) for sign, part, role in parts)
    return tuple(span for span in cells if span[0])


def _within(names: list[str], room: int) -> str:
    """As many of the names as there is room for, and how many more there are."""
    text = " ".join(names)
    if len(text) <= room:
        return text
    kept = max(0, (room - 9) // (len(names[0]) + 1))
    return " ".join([*names[:kept], f"+{len(names) - kept} more"])
