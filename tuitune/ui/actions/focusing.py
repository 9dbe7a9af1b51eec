"""Which pane do the keys go to, and how much room does it have?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action
from tuitune.ui.render.layout import CURVE, DETAIL, DEVICES, LOG, NUMBERED, TRIALS, WHY
from tuitune.ui.table.filtering import ALL

if TYPE_CHECKING:
    from tuitune.ui.actions.action import AppActions

TITLES: Final = {
    DEVICES: "the devices",
    TRIALS: "the trials",
    CURVE: "the curve",
    DETAIL: "a trial in detail",
    WHY: "why it came so",
    LOG: "the trial's output",
}


def focus(pane: str, app: AppActions) -> None:
    """A zoomed pane hands its room to the next. The curve's digit again leads to the curve."""
    if pane == CURVE and app.selection.focus == CURVE:
        app.selection.chart = "curve"
    app.selection.focus = pane
    if app.selection.zoomed is not None:
        app.selection.zoomed = pane
    app.move()


def next_pane(app: AppActions) -> None:
    focus(_beside(app.selection.focus, 1), app)


def previous_pane(app: AppActions) -> None:
    focus(_beside(app.selection.focus, -1), app)


def zoom(app: AppActions) -> None:
    selection = app.selection
    selection.zoomed = None if selection.zoomed == selection.focus else selection.focus
    app.move()


def reset(app: AppActions) -> None:
    """As it was when the app was opened; marks, filter and sort stay."""
    selection = app.selection
    selection.zoomed, selection.focus = None, TRIALS
    selection.scrolled.clear()
    selection.log_end = None
    selection.wide, selection.first_column = False, 0
    app.move()


def enter(app: AppActions) -> None:
    """The trial in detail; what came of the study once it is finished."""
    if app.snapshot.engine.state == "finished":
        app.show("summary")
        return
    app.selection.focus = app.selection.zoomed = DETAIL
    app.move()


def back(app: AppActions) -> None:
    """One step: the zoom, the focus, a range, the marks, the filter."""
    selection = app.selection
    if selection.zoomed is not None:
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
    app.move()


def _beside(pane: str, step: int) -> str:
    return NUMBERED[(NUMBERED.index(pane) + step) % len(NUMBERED)]


ACTIONS: Final = (
    *(
        Action(
            f"pane.{pane}",
            (str(digit),),
            TITLES[pane],
            f"Takes the keys to {TITLES[pane]}.",
            "Move",
            partial(focus, pane),
        )
        for digit, pane in enumerate(NUMBERED, 1)
    ),
    Action(
        "pane.next", ("tab",), "next pane", "Takes the keys to the next pane.", "Move", next_pane
    ),
    Action(
        "pane.previous",
        ("shift+tab",),
        "pane before",
        "Takes the keys to the pane before.",
        "Move",
        previous_pane,
    ),
    Action(
        "pane.zoom",
        ("z",),
        "zoom",
        "Gives the focused pane all the room, or takes it.",
        "Look",
        zoom,
    ),
    Action(
        "pane.reset", ("0",), "reset the panes", "Every pane as it was at first.", "Look", reset
    ),
    Action(
        "pane.enter",
        ("enter",),
        "detail",
        "The trial in detail; the summary once the study is finished.",
        "Look",
        enter,
    ),
    Action(
        "pane.back",
        ("escape",),
        "one step back",
        "Out of the zoom, then drops a range, the marks, the filter.",
        "Move",
        back,
    ),
)
