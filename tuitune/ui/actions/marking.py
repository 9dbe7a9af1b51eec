"""Which trials get a mark, to be acted on and drawn together?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action
from tuitune.ui.actions.cursor import extend, line_of, to_line

if TYPE_CHECKING:
    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.state.render_context import RenderContext


def mark(app: AppActions) -> None:
    """Sets or takes the cursor's mark and goes on to the next line."""
    selection = app.selection
    if selection.cursor is not None:
        selection.marks ^= {selection.cursor}
        selection.anchor = None
        to_line(app, line_of(app) + 1)


def mark_range(app: AppActions) -> None:
    """Begins a range at the cursor, which goes with it; the second time ends it."""
    selection = app.selection
    if selection.anchor is not None:
        selection.anchor = None
    elif selection.cursor is not None:
        selection.anchor, selection.kept = selection.cursor, frozenset(selection.marks)
        extend(app)


def mark_all(app: AppActions) -> None:
    """All that are shown; takes their marks where all have one."""
    shown = set(app.order.numbers)
    selection = app.selection
    selection.anchor = None
    selection.marks = (
        selection.marks - shown if shown <= selection.marks else selection.marks | shown
    )


def _nothing_shown(context: RenderContext) -> str:
    return "" if context.order.numbers else "no trial is shown"


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
