"""Whose curves lie over each other, and how are they told apart without colour?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.messages.text import trial_name
from tuitune.ui.charts.canvas import Ink
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from tuitune.store.curves import Curve
    from tuitune.ui.state.render_context import RenderContext

MARKED: Final = 5  # more would be a tangle: the others are only counted
BEST: Final = ("*", "success bold", "11110")
CURSOR: Final = ("a", "line-a", "1")
OTHERS: Final = (
    ("b", "line-b", "1100"),
    ("c", "line-c", "10"),
    ("d", "line-d", "1110100"),
    ("e", "line-e", "100"),
    ("f", "line-f", "11110010"),
)


class Overlaid(Record, frozen=True):
    """One trial of a chart."""

    trial: int
    letter: str
    ink: Ink
    part: str  # "cursor", "best", "marked", or several

    def words(self) -> str:
        return f"{self.letter} {trial_name(self.trial)} ({self.part})"


def overlaid(context: RenderContext) -> list[Overlaid]:
    """The trials of the chart, the one that is drawn last, and so on top, first."""
    selection, best = context.selection, context.snapshot.best
    chosen: list[Overlaid] = []
    if selection.cursor is not None:
        part = "cursor, best" if selection.cursor == best else "cursor"
        chosen.append(_one(selection.cursor, CURSOR, part))
    if best is not None and best != selection.cursor:
        chosen.append(_one(best, BEST, "best"))
    marked = sorted(selection.marks - {selection.cursor, best}) if selection.overlay else []
    others = zip(marked, OTHERS, strict=False)
    return chosen + [_one(trial, how, "marked") for trial, how in others]


def left_out(context: RenderContext) -> int:
    """Marked trials that are not drawn as there are too many."""
    marked = context.selection.marks - {context.selection.cursor, context.snapshot.best}
    return max(0, len(marked) - len(OTHERS)) if context.selection.overlay else 0


def metric(context: RenderContext) -> str:
    """Whose curves are shown."""
    return context.selection.metric or context.snapshot.spec.objective.metric


def curve(context: RenderContext, trial: int) -> Curve:
    """Of the metric that the user looks at."""
    snapshot = context.snapshot
    if metric(context) == snapshot.spec.objective.metric:
        return snapshot.curves.points(trial)
    return snapshot.sources.curve(trial, metric(context))


def stamp(context: RenderContext, trial: int) -> object:
    """Another one whenever `curve` may have changed."""
    if metric(context) == context.snapshot.spec.objective.metric:
        return context.snapshot.curves.stamp(trial)
    row = context.snapshot.row(trial)
    return None if row is None else row.changed


def _one(trial: int, how: tuple[str, str, str], part: str) -> Overlaid:
    letter, role, dash = how
    return Overlaid(trial, letter, Ink(role, letter, dash), part)
