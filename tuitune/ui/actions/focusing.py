"""Which pane do the keys go to, and how much room does it have?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions.action import Action
from tuitune.ui.render.layout import CURVE, DETAIL, DEVICES, LOG, NUMBERED, TRIALS, WHY
from tuitune.ui.table.filtering import ALL

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Desk

TITLES: Final = {
    DEVICES: "the devices",
    TRIALS: "the trials",
    CURVE: "the curve",
    DETAIL: "a trial in detail",
    WHY: "why it came so",
    LOG: "the trial's output",
}


def focus(pane: str, desk: Desk) -> None:
    """A zoomed pane hands its room to the next. The curve's digit again leads to the curve."""
    if pane == CURVE and desk.view.focus == CURVE:
        desk.view.chart = "curve"
    desk.view.focus = pane
    if desk.view.zoomed is not None:
        desk.view.zoomed = pane
    desk.move()


def next_pane(desk: Desk) -> None:
    focus(_beside(desk.view.focus, 1), desk)


def previous_pane(desk: Desk) -> None:
    focus(_beside(desk.view.focus, -1), desk)


def zoom(desk: Desk) -> None:
    view = desk.view
    view.zoomed = None if view.zoomed == view.focus else view.focus
    desk.move()


def reset(desk: Desk) -> None:
    """As it was when the app was opened; marks, filter and sort stay."""
    view = desk.view
    view.zoomed, view.focus = None, TRIALS
    view.scrolled.clear()
    view.log_end = None
    view.wide, view.first_column = False, 0
    desk.move()


def enter(desk: Desk) -> None:
    """The trial in detail; what came of the study once it is finished."""
    if desk.picture.engine.state == "finished":
        desk.show("summary")
        return
    desk.view.focus = desk.view.zoomed = DETAIL
    desk.move()


def back(desk: Desk) -> None:
    """One step: the zoom, the focus, a range, the marks, the filter."""
    view = desk.view
    if view.zoomed is not None:
        view.zoomed = None
        view.focus = TRIALS
    elif view.focus != TRIALS:
        view.focus = TRIALS
    elif view.anchor is not None:
        view.anchor = None
    elif view.marks:
        view.marks.clear()
    elif view.filter != ALL:
        view.filter = ALL
    desk.move()


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
