"""How does the cursor get from trial to trial?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.core.study.state import FAILED
from tuitune.ui.actions.action import Action, Argument, Prompt
from tuitune.ui.actions.cursor import line_of, to_line
from tuitune.ui.table.cells import label

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Desk
    from tuitune.ui.state.look import Look


def by_lines(lines: int, desk: Desk) -> None:
    """Down, or up where negative."""
    to_line(desk, line_of(desk) + lines)


def by_pages(pages: int, desk: Desk) -> None:
    """A line of the page before stays in sight."""
    by_lines(pages * max(1, desk.order.lines - 1), desk)


def by_halves(halves: int, desk: Desk) -> None:
    by_lines(halves * max(1, desk.order.lines // 2), desk)


def first(desk: Desk) -> None:
    to_line(desk, 0)


def last(desk: Desk) -> None:
    to_line(desk, len(desk.order.numbers) - 1)


def best(desk: Desk) -> None:
    if desk.picture.best is not None:
        jump(desk, desk.picture.best)


def next_failed(desk: Desk) -> None:
    """Below the cursor, then from the first line on."""
    numbers, rows = desk.order.numbers, desk.picture.rows
    start = line_of(desk) + 1
    for number in (*numbers[start:], *numbers[:start]):
        if rows[number].state == FAILED:
            jump(desk, number)
            return


def jump(desk: Desk, number: int) -> None:
    """To a trial by its number, or words about why it is not to be seen."""
    line = desk.order.position(number)
    if line is not None:
        to_line(desk, line)
    elif desk.picture.row(number) is None:
        desk.say(f"there is no {label(number)}", "warning")
    else:
        desk.say(f"{label(number)} is filtered out: /{desk.view.filter.text}", "warning")


def jump_to(desk: Desk, text: str) -> None:
    digits = text.strip().removeprefix("t")
    if digits.isascii() and digits.isdigit():
        jump(desk, int(digits))
    else:
        desk.say(f"{text.strip() or 'nothing'} is no number of a trial", "warning")


def ask_where(desk: Desk) -> None:
    desk.prompt(Prompt(":", "", partial(jump_to, desk), hint=lambda _: "the number of a trial"))


def _no_best(look: Look) -> str:
    return "no trial has reported yet" if look.picture.best is None else ""


def _none_failed(look: Look) -> str:
    if look.picture.counts.get(FAILED, 0) == 0:
        return "no trial has failed"
    shown = any(look.picture.rows[number].state == FAILED for number in look.order.numbers)
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
