"""How does the cursor get from trial to trial?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.core.events import TrialState
from tuitune.ui.actions.action import Action, Argument
from tuitune.ui.actions.cursor import line_of, to_line
from tuitune.ui.state.status_line import Prompt
from tuitune.ui.table.cells import label

if TYPE_CHECKING:
    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.state.render_context import RenderContext


def by_lines(lines: int, app: AppActions) -> None:
    """Down, or up where negative."""
    to_line(app, line_of(app) + lines)


def by_pages(pages: int, app: AppActions) -> None:
    """A line of the page before stays in sight."""
    by_lines(pages * max(1, app.order.lines - 1), app)


def by_halves(halves: int, app: AppActions) -> None:
    by_lines(halves * max(1, app.order.lines // 2), app)


def first(app: AppActions) -> None:
    to_line(app, 0)


def last(app: AppActions) -> None:
    to_line(app, len(app.order.numbers) - 1)


def best(app: AppActions) -> None:
    if app.snapshot.best is not None:
        jump(app, app.snapshot.best)


def next_failed(app: AppActions) -> None:
    """Below the cursor, then from the first line on."""
    numbers, rows = app.order.numbers, app.snapshot.rows
    start = line_of(app) + 1
    for number in (*numbers[start:], *numbers[:start]):
        if rows[number].state == TrialState.FAILED:
            jump(app, number)
            return


def jump(app: AppActions, number: int) -> None:
    """To a trial by its number, or words about why it is not to be seen."""
    line = app.order.position(number)
    if line is not None:
        to_line(app, line)
    elif app.snapshot.row(number) is None:
        app.say(f"there is no {label(number)}", "warning")
    else:
        app.say(f"{label(number)} is filtered out: /{app.selection.filter.text}", "warning")


def jump_to(app: AppActions, text: str) -> None:
    digits = text.strip().removeprefix("t")
    if digits.isascii() and digits.isdigit():
        jump(app, int(digits))
    else:
        app.say(f"{text.strip() or 'nothing'} is no number of a trial", "warning")


def ask_where(app: AppActions) -> None:
    app.prompt(Prompt(":", "", partial(jump_to, app), hint=lambda _: "the number of a trial"))


def _no_best(context: RenderContext) -> str:
    return "no trial has reported yet" if context.snapshot.best is None else ""


def _none_failed(context: RenderContext) -> str:
    if context.snapshot.counts.get(TrialState.FAILED, 0) == 0:
        return "no trial has failed"
    shown = any(
        context.snapshot.rows[number].state == TrialState.FAILED for number in context.order.numbers
    )
    return "" if shown else "those that failed are filtered out"


ACTIONS: Final = (
    Action("move.down", ("j", "down"), "down", "To the next trial.", "Move", partial(by_lines, 1)),
    Action("move.up", ("k", "up"), "up", "To the trial above.", "Move", partial(by_lines, -1)),
    Action(
        "move.page_down", ("pagedown",), "page down", "A page on.", "Move", partial(by_pages, 1)
    ),
    Action("move.page_up", ("pageup",), "page up", "A page back.", "Move", partial(by_pages, -1)),
    Action(
        "move.half_down",
        ("ctrl+d",),
        "half a page down",
        "Half a page on.",
        "Move",
        partial(by_halves, 1),
    ),
    Action(
        "move.half_up",
        ("ctrl+u",),
        "half a page up",
        "Half a page back.",
        "Move",
        partial(by_halves, -1),
    ),
    Action("move.first", ("g", "home"), "first line", "To the first trial.", "Move", first),
    Action("move.last", ("G", "end"), "last line", "To the last trial.", "Move", last),
    Action(
        "move.best",
        ("b",),
        "best trial",
        "To the best trial so far.",
        "Move",
        best,
        why_not=_no_best,
    ),
    Action(
        "move.failed",
        ("n",),
        "next failed",
        "To the next trial that failed, below and round.",
        "Move",
        next_failed,
        why_not=_none_failed,
    ),
    Action(
        "move.trial",
        (),
        "go to trial",
        "To a trial by its number.",
        "Move",
        ask_where,
        argument=Argument("N", jump_to),
    ),
)
