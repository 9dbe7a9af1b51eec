"""Which trials get a mark, to be acted on and drawn together?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action
from tuitune.ui.actions.cursor import extend, line_of, to_line

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Desk
    from tuitune.ui.state.look import Look


def mark(desk: Desk) -> None:
    """Sets or takes the cursor's mark and goes on to the next line."""
    view = desk.view
    if view.cursor is not None:
        view.marks ^= {view.cursor}
        view.anchor = None
        to_line(desk, line_of(desk) + 1)


def mark_range(desk: Desk) -> None:
    """Begins a range at the cursor, which goes with it; the second time ends it."""
    view = desk.view
    if view.anchor is not None:
        view.anchor = None
    elif view.cursor is not None:
        view.anchor, view.kept = view.cursor, frozenset(view.marks)
        extend(desk)


def mark_all(desk: Desk) -> None:
    """All that are shown; takes their marks where all have one."""
    shown = set(desk.order.numbers)
    view = desk.view
    view.anchor = None
    view.marks = view.marks - shown if shown <= view.marks else view.marks | shown


def _nothing_shown(look: Look) -> str:
    return "" if look.order.numbers else "no trial is shown"


ACTIONS: Final = (
    Action(
        "trial.mark",
        ("space",),
        "mark",
        "Marks the trial, or takes its mark, and goes one down.",
        "Trials",
        mark,
        why_not=_nothing_shown,
    ),
    Action(
        "trial.mark_range",
        ("v",),
        "mark a range",
        "From here to where it is pressed again.",
        "Trials",
        mark_range,
        why_not=_nothing_shown,
    ),
    Action(
        "trial.mark_all",
        ("*",),
        "mark all",
        "All that the filter shows, or none of them.",
        "Trials",
        mark_all,
        why_not=_nothing_shown,
    ),
)
