"""Whose curves lie over each other, and how are they told apart without colour?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.ui.charts.canvas import Ink
from tuitune.ui.state.records import Record
from tuitune.ui.table.cells import label

if TYPE_CHECKING:
    from tuitune.store.curves import Curve
    from tuitune.ui.state.look import Look

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
        return f"{self.letter} {label(self.trial)} ({self.part})"


def overlaid(look: Look) -> list[Overlaid]:
    """The trials of the chart, the one that is drawn last, and so on top, first."""
    view, best = look.view, look.picture.best
    chosen: list[Overlaid] = []
    if view.cursor is not None:
        part = "cursor, best" if view.cursor == best else "cursor"
        chosen.append(_one(view.cursor, CURSOR, part))
    if best is not None and best != view.cursor:
        chosen.append(_one(best, BEST, "best"))
    marked = sorted(view.marks - {view.cursor, best}) if view.overlay else []
    others = zip(marked, OTHERS, strict=False)
    return chosen + [_one(trial, how, "marked") for trial, how in others]


def left_out(look: Look) -> int:
    """Marked trials that are not drawn as there are too many."""
    marked = look.view.marks - {look.view.cursor, look.picture.best}
    return max(0, len(marked) - len(OTHERS)) if look.view.overlay else 0


def metric(look: Look) -> str:
    """Whose curves are shown."""
    return look.view.metric or look.picture.spec.objective.metric


def curve(look: Look, trial: int) -> Curve:
    """Of the metric that the user looks at."""
    picture = look.picture
    if metric(look) == picture.spec.objective.metric:
        return picture.curves.points(trial)
    return picture.sources.curve(trial, metric(look))


def stamp(look: Look, trial: int) -> object:
    """Another one whenever `curve` may have changed."""
    if metric(look) == look.picture.spec.objective.metric:
        return look.picture.curves.stamp(trial)
    row = look.picture.row(trial)
    return None if row is None else row.changed


def _one(trial: int, how: tuple[str, str, str], part: str) -> Overlaid:
    letter, role, dash = how
    return Overlaid(trial, letter, Ink(role, letter, dash), part)
