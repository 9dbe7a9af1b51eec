"""Actions that move the cursor and set marks."""

from functools import partial
from typing import Final

from tuitune.core.events import TrialState
from tuitune.messages.text import trial_name
from tuitune.ui.actions.action import Action, AppActions, Argument
from tuitune.ui.state.render_context import RenderContext
from tuitune.ui.state.status_line import Prompt


def _line_of(app: AppActions) -> int:
    """The line of the cursor, from 0."""
    return app.order.position(app.selection.cursor) or 0


def _to_line(app: AppActions, line: int) -> None:
    """Moves the cursor to this line, or to the nearest one; an open range follows it."""
    numbers = app.order.numbers
    if numbers:
        app.selection.cursor = numbers[max(0, min(line, len(numbers) - 1))]
        _extend(app)
        app.order.hold()  # even if the cursor was on that line already
        app.order.follow(app.snapshot, app.selection)


def _extend(app: AppActions) -> None:
    """Marks the trials between the start of an open range and the cursor."""
    selection, order = app.selection, app.order
    if selection.anchor is None:
        return
    start, end = order.position(selection.anchor), order.position(selection.cursor)
    if start is None or end is None:  # filtered out: the range ends there
        selection.anchor = None
        return
    selection.marks = {*selection.kept, *order.numbers[min(start, end) : max(start, end) + 1]}


def _by_lines(lines: int, app: AppActions) -> None:
    """Moves the cursor down, or up if negative."""
    _to_line(app, _line_of(app) + lines)


def _by_pages(pages: int, app: AppActions) -> None:
    """Moves by whole pages that overlap by one line."""
    _by_lines(pages * max(1, app.order.lines - 1), app)


def _by_halves(halves: int, app: AppActions) -> None:
    _by_lines(halves * max(1, app.order.lines // 2), app)


def _first(app: AppActions) -> None:
    _to_line(app, 0)


def _last(app: AppActions) -> None:
    _to_line(app, len(app.order.numbers) - 1)


def _best(app: AppActions) -> None:
    if app.snapshot.best is not None:
        jump(app, app.snapshot.best)


def _next_failed(app: AppActions) -> None:
    """Searches below the cursor, then from the first line."""
    numbers, rows = app.order.numbers, app.snapshot.rows
    start = _line_of(app) + 1
    for number in (*numbers[start:], *numbers[:start]):
        if rows[number].state == TrialState.FAILED:
            jump(app, number)
            return


def jump(app: AppActions, number: int) -> None:
    """Moves to a trial, or shows the reason why it is not in the table."""
    line = app.order.position(number)
    if line is not None:
        _to_line(app, line)
    elif app.snapshot.row(number) is None:
        app.say(f"there is no {trial_name(number)}", "warning")
    else:
        app.say(f"{trial_name(number)} is filtered out: /{app.selection.filter.text}", "warning")


def jump_to(app: AppActions, text: str) -> None:
    """Moves to the trial of this number, as "7" or "#7"; shows a message if it is not a number."""
    digits = text.strip().lstrip("#t")
    if digits.isascii() and digits.isdigit():
        jump(app, int(digits))
    else:
        app.say(f"{text.strip() or 'nothing'} is not the number of a trial", "warning")


def _ask_where(app: AppActions) -> None:
    app.prompt(Prompt(":", "", partial(jump_to, app), hint=lambda _: "the number of a trial"))


def _no_best(context: RenderContext) -> str:
    return "no trial has reported yet" if context.snapshot.best is None else ""


def _none_failed(context: RenderContext) -> str:
    if context.snapshot.counts.get(TrialState.FAILED, 0) == 0:
        return "no trial has failed"
    shown = any(
        context.snapshot.rows[number].state == TrialState.FAILED for number in context.order.numbers
    )
    return "" if shown else "the failed trials are filtered out"


def _mark(app: AppActions) -> None:
    """Sets or clears the mark of the cursor's trial and moves one line down."""
    selection = app.selection
    if selection.cursor is not None:
        selection.marks ^= {selection.cursor}
        selection.anchor = None
        _to_line(app, _line_of(app) + 1)


def _mark_range(app: AppActions) -> None:
    """Starts a range of marks that follows the cursor; ends an open range."""
    selection = app.selection
    if selection.anchor is not None:
        selection.anchor = None
    elif selection.cursor is not None:
        selection.anchor, selection.kept = selection.cursor, frozenset(selection.marks)
        _extend(app)


def _mark_all(app: AppActions) -> None:
    """Marks all trials that are shown; if all are marked, clears their marks."""
    shown = set(app.order.numbers)
    selection = app.selection
    selection.anchor = None
    selection.marks = (
        selection.marks - shown if shown <= selection.marks else selection.marks | shown
    )


def _nothing_shown(context: RenderContext) -> str:
    return "" if context.order.numbers else "no trial is shown"


_STEPS: Final = (
    ("down", ("j", "down"), "down", "Move to the trial below.", partial(_by_lines, 1)),
    ("up", ("k", "up"), "up", "Move to the trial above.", partial(_by_lines, -1)),
    ("page_down", ("pagedown",), "page down", "Move a page down.", partial(_by_pages, 1)),
    ("page_up", ("pageup",), "page up", "Move a page up.", partial(_by_pages, -1)),
    (
        "half_down",
        ("ctrl+d",),
        "half a page down",
        "Move half a page down.",
        partial(_by_halves, 1),
    ),
    ("half_up", ("ctrl+u",), "half a page up", "Move half a page up.", partial(_by_halves, -1)),
    ("first", ("g", "home"), "first line", "Move to the first trial.", _first),
    ("last", ("G", "end"), "last line", "Move to the last trial.", _last),
)
ACTIONS: Final = (
    *(
        Action(f"move.{name}", keys, title, words, "Move", run)
        for name, keys, title, words, run in _STEPS
    ),
    Action(
        "move.best",
        ("b",),
        "best trial",
        "Move to the best trial so far.",
        "Move",
        _best,
        why_not=_no_best,
    ),
    Action(
        "move.failed",
        ("n",),
        "next failed",
        "Move to the next failed trial (wraps around).",
        "Move",
        _next_failed,
        why_not=_none_failed,
    ),
    Action(
        "move.trial",
        (),
        "go to trial",
        "Move to a trial by its number.",
        "Move",
        _ask_where,
        argument=Argument("N", jump_to),
    ),
    Action(
        "trial.mark",
        ("space",),
        "mark",
        "Mark or unmark the trial, and move one down.",
        "Trials",
        _mark,
        why_not=_nothing_shown,
    ),
    Action(
        "trial.mark_range",
        ("v",),
        "mark a range",
        "Mark from here to where the key is pressed again.",
        "Trials",
        _mark_range,
        why_not=_nothing_shown,
    ),
    Action(
        "trial.mark_all",
        ("*",),
        "mark all",
        "Mark all trials that the filter shows, or unmark them.",
        "Trials",
        _mark_all,
        why_not=_nothing_shown,
    ),
)
