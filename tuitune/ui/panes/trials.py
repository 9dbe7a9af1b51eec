"""The pane of the table: filter and sort order, heads of the columns, a line for each trial."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from rich.cells import cell_len

from tuitune.messages.failures import FailureGroup
from tuitune.ui.actions import action, moving, table
from tuitune.ui.panes.pane import TRIAL_HINTS, Click, Memo, Pane, Place, rule
from tuitune.ui.render.lines import Line, Size, cut, fit, line, padded, stacked, width_of
from tuitune.ui.state.render_context import TRIALS, RenderContext, ShownTrials
from tuitune.ui.state.snapshot import Snapshot
from tuitune.ui.table import columns, filtering, sorting
from tuitune.ui.table.order import window
from tuitune.ui.table.rows import TrialLines
from tuitune.ui.text.phrases import awaited

_ABOVE: Final = 2  # lines above the first trial: rule and heads
_ARROWS: Final = "\N{BLACK DOWN-POINTING SMALL TRIANGLE}\N{BLACK UP-POINTING SMALL TRIANGLE}"
_ASCII_ARROWS: Final = "v^"
_TYPED: Final = 40  # most cells of a filter in the rule


class TrialsPane:
    """The rule, the heads of the columns, and as many trials as fit."""

    def __init__(self) -> None:
        self._columns = Memo[Sequence[columns.Column]]()
        self._shown = Memo[Sequence[columns.Column]]()
        self._above = Memo[list[Line]]()
        self._lines = TrialLines()

    def lines(self, context: RenderContext, size: Size) -> list[Line]:
        """The rule, the heads, and the trials around the cursor."""
        snapshot, selection, width = context.snapshot, context.selection, size.width
        failed = bool(context.order.failures)
        made = self._columns.get(
            (columns.shape(snapshot), failed), partial(_columns, snapshot, reasons=failed)
        )
        columns_of_view = made, width, selection.wide, selection.first_column, selection.hidden
        shown = self._shown.get(columns_of_view, partial(columns.seen, made, selection, width))
        if not snapshot.rows:
            return stacked([_rule(context, made, shown, width), *awaited(context, width)], size)
        # fmt: off
        key = (
            shown, columns_of_view, selection.focus, selection.sort, selection.filter,
            selection.frozen, len(selection.marks), selection.anchor, len(context.order.numbers),
            len(snapshot.rows), context.glyphs, size.height, context.order.failures,
        )
        # fmt: on
        above = self._above.get(key, partial(_above, context, made, shown, size))
        room = size._replace(height=size.height - len(above))
        return [*above, *self._trials(context, shown, room)][: size.height]

    def _trials(
        self, context: RenderContext, shown: Sequence[columns.Column], size: Size
    ) -> list[Line]:
        numbers, rows = context.order.numbers, context.snapshot.rows
        if not numbers:
            back = context.keymap.shown("pane.back")
            message = line("no trial matches; ", (back, "accent"), " clears the filter")
            return [cut(message, size.width)]
        height = max(1, size.height)
        cursor = context.order.position(context.selection.cursor) or 0
        top = window(context.selection.top, cursor, len(numbers), height)
        return self._lines.of(context, shown, [rows[n] for n in numbers[top : top + height]])


def _above(
    context: RenderContext,
    made: Sequence[columns.Column],
    shown: Sequence[columns.Column],
    size: Size,
) -> list[Line]:
    errors = _errors(context.order.failures, size)
    return [_rule(context, made, shown, size.width), *errors, _heads(context, shown, size.width)]


def lines_above(order: ShownTrials, size: Size) -> int:
    """The number of lines above the first trial, in a pane of this size."""
    return _ABOVE + len(_errors(order.failures, size))


def _errors(failures: Sequence[FailureGroup], size: Size) -> list[Line]:
    """A line for each error, with its count and what its trials have in common."""
    most = max(1, (size.height - _ABOVE) // 3)
    kept = failures if len(failures) <= most else failures[: most - 1]
    lines: list[Line] = []
    for error, trials, shared in kept:
        head, which = f"{len(trials):>4}x ", f"  all with {shared}" if shared else ""
        room = max(12, size.width - len(head) - len(which))
        words = fit(error or "no message", min(room, max(1, cell_len(error) or 10)))
        line_ = line((head, "error bold"), (words.rstrip(), "error"), (which, "text"))
        lines.append(cut(line_, size.width))
    if len(kept) < len(failures):
        lines.append(line((f"      {len(failures) - len(kept)} other errors", "muted")))
    return lines


def _columns(snapshot: Snapshot, *, reasons: bool) -> Sequence[columns.Column]:
    return columns.with_reasons(columns.columns(snapshot)) if reasons else columns.columns(snapshot)


def _rule(
    context: RenderContext,
    made: Sequence[columns.Column],
    shown: Sequence[columns.Column],
    width: int,
) -> Line:
    """The counts, the filter and the sort order; marks and hidden columns at the right."""
    selection = context.selection
    total = len(context.snapshot.rows)
    counted = (
        f"{len(context.order.numbers)} of {total}"
        if selection.filter != filtering.ALL
        else str(total)
    )
    frozen = (
        f"updates off ({context.keymap.shown('table.freeze')}: on) " if selection.frozen else ""
    )
    more = line(
        (frozen, "warning bold"), *_filter(context, width), (_sorted(context, made), "muted")
    )
    right = _marked(context)
    unseen = _unseen(context, made, shown, width)
    if unseen and width_of(more) + len(counted) + len(right) + len(unseen) + 20 <= width:
        right = f"{right}  {unseen}" if right else unseen
    return rule(context, TRIALS, f"Trials {counted}", width, more=more, right=right)


def _filter(context: RenderContext, width: int) -> Line:
    text = context.selection.filter.text
    if not text:
        return ()
    room = min(_TYPED, max(12, width - 45))
    return line((f"/{fit(text, min(room, width_of(line(text))))} ", "accent"))


def _sorted(context: RenderContext, made: Sequence[columns.Column]) -> str:
    sort = context.selection.sort
    title = next((column.title for column in made if column.key == sort.key), sort.key)
    return f"by {fit(title, min(14, len(title)))} {_arrow(context)} "


def _arrow(context: RenderContext) -> str:
    signs = _ASCII_ARROWS if context.glyphs.ascii else _ARROWS
    return signs[sorting.rises(context.selection.sort, context.snapshot.spec)]


def _marked(context: RenderContext) -> str:
    selection = context.selection
    ranged = "range" if selection.anchor is not None else ""
    marked = f"{len(selection.marks)} marked" if selection.marks else ""
    return " ".join(filter(None, (ranged, marked)))


def _unseen(
    context: RenderContext,
    made: Sequence[columns.Column],
    shown: Sequence[columns.Column],
    width: int,
) -> str:
    """The number of columns that don't fit, and on which side they are."""
    selection = context.selection
    count = len(columns.ordered(made, selection)) - len(shown)
    if count == 0:
        return ""
    left = "< " if selection.first_column > 0 else ""
    right = (
        " >" if selection.first_column < columns.last_first_column(made, selection, width) else ""
    )
    return f"{left}{count} more column{'s' if count > 1 else ''}{right}"


def _heads(context: RenderContext, shown: Sequence[columns.Column], width: int) -> Line:
    """The titles of the columns; an arrow follows the one that is sorted by."""
    spans = [(" " * columns.SIGNS, "muted")]
    for column in shown:
        title = "#" if column.key == "trial" else column.title
        title = fit(title, column.width, right=column.right, end=context.glyphs.cut)
        if column.key == context.selection.sort.key:
            gap = _arrow(context) + " " * (columns.GAP - 1)
            spans.append((title + gap, "title bold"))
        else:
            spans.append((title + " " * columns.GAP, "muted"))
    return padded(tuple(spans), width)


# --- the mouse -----------------------------------------------------------------------------------


def _click(app: action.AppActions, click: Click) -> None:
    """Moves the cursor; a double click opens the detail. On a head, sorts by that column."""
    above = lines_above(app.order, app.size_of(TRIALS))
    if click.line == above - 1:
        _sort_by(app, click.column)
        return
    numbers, cursor = app.order.numbers, app.order.position(app.selection.cursor) or 0
    top = window(app.selection.top, cursor, len(numbers), app.order.lines)
    place = top + click.line - above
    if click.line >= above and place < len(numbers):
        app.selection.cursor = numbers[place]
        app.order.follow(app.snapshot, app.selection)
        if click.double:
            app.act("pane.enter")


def _wheel(app: action.AppActions, lines: int) -> None:
    """Scrolls the table; the cursor stays visible."""
    selection, order = app.selection, app.order
    if not order.numbers:
        return
    top = max(0, min(selection.top + lines, len(order.numbers) - order.lines))
    cursor = order.position(selection.cursor) or 0
    kept = max(top, min(cursor, top + order.lines - 1))
    selection.top = top
    selection.cursor = order.numbers[kept]
    order.follow(app.snapshot, app.selection)


def _sort_by(app: action.AppActions, cell: int) -> None:
    made = _columns(app.snapshot, reasons=bool(app.order.failures))
    shown = columns.seen(made, app.selection, app.size_of(TRIALS).width)
    at = columns.SIGNS
    for column in shown:
        if at <= cell < at + column.width + columns.GAP and column.sorts:
            sort = app.selection.sort
            again = sort.key == column.key
            app.selection.sort = sorting.Sort(column.key, reversed=again and not sort.reversed)
            app.order.follow(app.snapshot, app.selection)
            return
        at += column.width + columns.GAP


PANE: Final = Pane(
    TRIALS,
    "the trials",
    TrialsPane,
    lambda *_: Place(0),
    (*moving.ACTIONS, *table.ACTIONS),
    (
        *TRIAL_HINTS,
        ("table.filter", "filter"),
        ("table.sort", "sort"),
        ("trial.mark", "mark"),
        ("pane.enter", "detail"),
        ("log.open", "log"),
        ("trial.add", "add"),
        ("trial.copy", "copy"),
        ("move.best", "best"),
    ),
    click=_click,
    wheel=_wheel,
)
