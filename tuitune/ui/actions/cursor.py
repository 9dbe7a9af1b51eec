"""How does the cursor come to another line, and what does it take along?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Desk


def line_of(desk: Desk) -> int:
    """The line that the cursor is on, from 0."""
    return desk.order.position(desk.view.cursor) or 0


def to_line(desk: Desk, line: int) -> None:
    """To this one, or to the nearest that there is; an open range goes with it."""
    numbers = desk.order.numbers
    if numbers:
        desk.view.cursor = numbers[max(0, min(line, len(numbers) - 1))]
        extend(desk)
        desk.order.hold()  # also where it stood there already
        desk.order.follow(desk.picture, desk.view)


def extend(desk: Desk) -> None:
    """What stands between the beginning of an open range and the cursor has a mark."""
    view, order = desk.view, desk.order
    if view.anchor is None:
        return
    start, end = order.position(view.anchor), order.position(view.cursor)
    if start is None or end is None:  # filtered out: the range ends there
        view.anchor = None
        return
    view.marks = {*view.kept, *order.numbers[min(start, end) : max(start, end) + 1]}
