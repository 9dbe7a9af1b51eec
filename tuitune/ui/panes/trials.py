"""All trials: which of them are shown and in which order is said above them, then a line each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.ui.panes.titles import rule
from tuitune.ui.render.layout import TRIALS
from tuitune.ui.render.lines import Line, Size, cut, fit, line, padded, stacked, width_of
from tuitune.ui.render.memo import Memo
from tuitune.ui.table.columns import (
    GAP,
    SIGNS,
    Column,
    columns,
    last_first_column,
    ordered,
    seen,
    shape,
)
from tuitune.ui.table.filtering import ALL
from tuitune.ui.table.order import window
from tuitune.ui.table.rows import TrialLines
from tuitune.ui.table.sorting import Sort, rises
from tuitune.ui.text.phrases import awaited

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Desk
    from tuitune.ui.state.look import Look

ABOVE: Final = 2  # lines above the first trial: the rule and the heads
ARROWS: Final = "\N{BLACK DOWN-POINTING SMALL TRIANGLE}\N{BLACK UP-POINTING SMALL TRIANGLE}"
ASCII_ARROWS: Final = "v^"
TYPED: Final = 40  # cells of a filter that the rule has room for, at most


class TrialsPane:
    """The rule, the heads of the columns, and as many trials as there is room for."""

    def __init__(self) -> None:
        self._columns = Memo[Sequence[Column]]()
        self._shown = Memo[Sequence[Column]]()
        self._above = Memo[list[Line]]()
        self._lines = TrialLines()

    def lines(self, look: Look, size: Size) -> list[Line]:
        picture, view, width = look.picture, look.view, size.width
        made = self._columns.get(shape(picture), partial(columns, picture))
        columns_of_view = made, width, view.wide, view.first_column, view.hidden
        shown = self._shown.get(columns_of_view, partial(seen, made, view, width))
        if not picture.rows:
            return stacked([_rule(look, made, shown, width), *awaited(look, width)], size)
        # fmt: off
        key = (
            shown, columns_of_view, view.focus, view.sort, view.filter, view.frozen,
            len(view.marks), view.anchor, len(look.order.numbers), len(picture.rows), look.glyphs,
        )
        # fmt: on
        above = self._above.get(key, partial(_above, look, made, shown, width))
        return [*above, *self._trials(look, shown, size)][: size.height]

    def _trials(self, look: Look, shown: Sequence[Column], size: Size) -> list[Line]:
        numbers, rows = look.order.numbers, look.picture.rows
        if not numbers:
            back = look.keymap.shown("pane.back")
            said = line("no trial is like that: ", (back, "accent"), " shows all again")
            return [cut(said, size.width)]
        height = max(1, size.height - ABOVE)
        cursor = look.order.position(look.view.cursor) or 0
        top = window(look.view.top, cursor, len(numbers), height)
        return self._lines.of(look, shown, [rows[n] for n in numbers[top : top + height]])


def _above(look: Look, made: Sequence[Column], shown: Sequence[Column], width: int) -> list[Line]:
    return [_rule(look, made, shown, width), _heads(look, shown, width)]


def _rule(look: Look, made: Sequence[Column], shown: Sequence[Column], width: int) -> Line:
    """What hides trials comes before what is only good to know."""
    view = look.view
    total = len(look.picture.rows)
    counted = f"{len(look.order.numbers)} of {total}" if view.filter != ALL else str(total)
    frozen = f"frozen ({look.keymap.shown('table.freeze')} goes on) " if view.frozen else ""
    more = line((frozen, "warning bold"), *_filter(look, width), (_sorted(look, made), "muted"))
    right = _marked(look)
    unseen = _unseen(look, made, shown, width)
    if unseen and width_of(more) + len(counted) + len(right) + len(unseen) + 20 <= width:
        right = f"{right}  {unseen}" if right else unseen
    return rule(look, TRIALS, f"Trials {counted}", width, more=more, right=right)


def _filter(look: Look, width: int) -> Line:
    text = look.view.filter.text
    if not text:
        return ()
    room = min(TYPED, max(12, width - 45))
    return line((f"/{fit(text, min(room, width_of(line(text))))} ", "accent"))


def _sorted(look: Look, made: Sequence[Column]) -> str:
    sort = look.view.sort
    title = next((column.title for column in made if column.key == sort.key), sort.key)
    return f"by {fit(title, min(14, len(title)))} {_arrow(look)} "


def _arrow(look: Look) -> str:
    signs = ASCII_ARROWS if look.glyphs.ascii else ARROWS
    return signs[rises(look.view.sort, look.picture.spec)]


def _marked(look: Look) -> str:
    view = look.view
    ranged = "range" if view.anchor is not None else ""
    marked = f"{len(view.marks)} marked" if view.marks else ""
    return " ".join(filter(None, (ranged, marked)))


def _unseen(look: Look, made: Sequence[Column], shown: Sequence[Column], width: int) -> str:
    """How many columns have no room, and on which side more of them are."""
    view = look.view
    count = len(ordered(made, view)) - len(shown)
    if count == 0:
        return ""
    left = "< " if view.first_column > 0 else ""
    right = " >" if view.first_column < last_first_column(made, view, width) else ""
    return f"{left}{count} more column{'s' if count > 1 else ''}{right}"


def _heads(look: Look, shown: Sequence[Column], width: int) -> Line:
    """The titles; the one that is sorted by has an arrow in the gap behind it."""
    spans = [(" " * SIGNS, "muted")]
    for column in shown:
        title = fit(column.title, column.width, right=column.right)
        if column.key == look.view.sort.key:
            gap = _arrow(look) + " " * (GAP - 1)
            spans.append((title + gap, "title bold"))
        else:
            spans.append((title + " " * GAP, "muted"))
    return padded(tuple(spans), width)


# --- the mouse -----------------------------------------------------------------------------------


def click(desk: Desk, column: int, line: int, *, double: bool) -> None:
    """On a trial: the cursor; twice: its detail. On a head: sorted by it, then turned round."""
    if line == ABOVE - 1:
        _sort_by(desk, column)
        return
    numbers, cursor = desk.order.numbers, desk.order.position(desk.view.cursor) or 0
    top = window(desk.view.top, cursor, len(numbers), desk.order.lines)
    place = top + line - ABOVE
    if line >= ABOVE and place < len(numbers):
        desk.view.cursor = numbers[place]
        desk.order.follow(desk.picture, desk.view)
        if double:
            desk.act("pane.enter")


def wheel(desk: Desk, lines: int) -> None:
    """The window moves, and takes the cursor along at its edge."""
    view, order = desk.view, desk.order
    if not order.numbers:
        return
    top = max(0, min(view.top + lines, len(order.numbers) - order.lines))
    cursor = order.position(view.cursor) or 0
    kept = max(top, min(cursor, top + order.lines - 1))
    view.top = top
    view.cursor = order.numbers[kept]
    order.follow(desk.picture, desk.view)


def _sort_by(desk: Desk, cell: int) -> None:
    shown = seen(columns(desk.picture), desk.view, desk.size_of(TRIALS).width)
    at = SIGNS
    for column in shown:
        if at <= cell < at + column.width + GAP and column.sorts:
            sort = desk.view.sort
            again = sort.key == column.key
            desk.view.sort = Sort(column.key, reversed=again and not sort.reversed)
            desk.order.follow(desk.picture, desk.view)
            return
        at += column.width + GAP
