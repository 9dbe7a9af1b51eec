"""How does the cursor come to another line, and what does it take along?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuitune.ui.actions.action import AppActions


def line_of(app: AppActions) -> int:
    """The line that the cursor is on, from 0."""
    return app.order.position(app.selection.cursor) or 0


def to_line(app: AppActions, line: int) -> None:
    """To this one, or to the nearest that there is; an open range goes with it."""
    numbers = app.order.numbers
    if numbers:
        app.selection.cursor = numbers[max(0, min(line, len(numbers) - 1))]
        extend(app)
        app.order.hold()  # also where it stood there already
        app.order.follow(app.snapshot, app.selection)


def extend(app: AppActions) -> None:
    """What stands between the beginning of an open range and the cursor has a mark."""
    selection, order = app.selection, app.order
    if selection.anchor is None:
        return
    start, end = order.position(selection.anchor), order.position(selection.cursor)
    if start is None or end is None:  # filtered out: the range ends there
        selection.anchor = None
        return
    selection.marks = {*selection.kept, *order.numbers[min(start, end) : max(start, end) + 1]}
