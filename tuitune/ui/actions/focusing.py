"""Actions that focus, zoom and leave panes."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from tuitune.ui.actions.action import Action, AppActions
from tuitune.ui.actions.nodes import DEVICES
from tuitune.ui.panes.pane import Pane
from tuitune.ui.state.render_context import TRIALS
from tuitune.ui.table.filtering import ALL

DETAIL: Final = "detail"  # the pane that enter opens


def focus(app: AppActions, pane: str) -> None:
    """Focuses a pane; if another pane is zoomed, this one is zoomed instead."""
    app.selection.focus = pane
    if app.selection.zoomed is not None:
        app.selection.zoomed = pane
    app.move()


def _focus_by_key(pane: Pane, app: AppActions) -> None:
    if pane.again is not None and app.selection.focus == pane.name:
        pane.again(app)
    focus(app, pane.name)


def _focus_next(names: Sequence[str], step: int, app: AppActions) -> None:
    focus(app, names[(names.index(app.selection.focus) + step) % len(names)])


def _zoom(app: AppActions) -> None:
    selection = app.selection
    selection.zoomed = None if selection.zoomed == selection.focus else selection.focus
    selection.node_opened = False
    app.move()


def _reset(app: AppActions) -> None:
    """Restores the initial layout; marks, filter and sort stay."""
    selection = app.selection
    selection.zoomed, selection.focus, selection.node_opened = None, TRIALS, False
    selection.scrolled.clear()
    selection.log_end = None
    selection.wide, selection.first_column = False, 0
    app.move()


def _enter(app: AppActions) -> None:
    """Shows the trial in detail."""
    app.selection.focus = app.selection.zoomed = DETAIL
    app.move()


def _back(app: AppActions) -> None:
    """Ends the first of: node, zoom, focus of another pane, range, marks, filter; then leaves."""
    selection = app.selection
    if selection.node_opened and selection.zoomed == selection.focus == DEVICES:
        selection.node_opened = False
    elif selection.zoomed is not None:
        selection.zoomed = None
        selection.focus = TRIALS
    elif selection.focus != TRIALS:
        selection.focus = TRIALS
    elif selection.anchor is not None:
        selection.anchor = None
    elif selection.marks:
        selection.marks.clear()
    elif selection.filter != ALL:
        selection.filter = ALL
    else:
        app.back()
        return
    app.move()


def focus_actions(panes: Sequence[Pane]) -> tuple[Action, ...]:
    """The actions that focus these panes (the first nine by digit), and those on any pane."""
    names = [pane.name for pane in panes]
    return (
        *(
            Action(
                f"pane.{pane.name}",
                (str(digit),) if digit < 10 else (),
                pane.title,
                f"Focus {pane.title}.",
                "Move",
                partial(_focus_by_key, pane),
            )
            for digit, pane in enumerate(panes, 1)
        ),
        Action(
            "pane.next",
            ("tab",),
            "next pane",
            "Focus the next pane.",
            "Move",
            partial(_focus_next, names, 1),
        ),
        Action(
            "pane.previous",
            ("shift+tab",),
            "previous pane",
            "Focus the previous pane.",
            "Move",
            partial(_focus_next, names, -1),
        ),
        Action(
            "pane.zoom",
            ("z",),
            "zoom",
            "Show the focused pane alone, or all panes again.",
            "Look",
            _zoom,
        ),
        Action(
            "pane.reset",
            ("0",),
            "reset the panes",
            "Restore the first layout of the panes.",
            "Look",
            _reset,
        ),
        Action("pane.enter", ("enter",), "detail", "Show the trial in detail.", "Look", _enter),
        Action(
            "pane.back",
            ("escape",),
            "one step back",
            "Leave a node, the zoom; then clear the range, the marks, the filter.",
            "Move",
            _back,
        ),
    )
