"""Which function draws which pane, and what does a click or the wheel do there?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.ui.actions import reading
from tuitune.ui.panes import bottom, curve, detail, devices, log, status, trials, why
from tuitune.ui.panes.titles import bar
from tuitune.ui.render import layout

if TYPE_CHECKING:
    from tuitune.ui.actions.action import AppActions
    from tuitune.ui.state.render_context import Pane
    from tuitune.ui.state.snapshot import Snapshot


def make_panes() -> dict[str, Pane]:
    """A function for each pane; some remember what they showed last, so every app has its own."""
    return {
        layout.STATUS: status.lines,
        layout.DEVICES: devices.DevicesPane().lines,
        layout.TRIALS: trials.TrialsPane().lines,
        layout.CURVE: curve.CurvePane().lines,
        layout.DETAIL: detail.DetailPane().lines,
        layout.WHY: why.WhyPane().lines,
        layout.LOG: log.LogPane().lines,
        layout.FLASH: bottom.flash_lines,
        layout.KEYS: bottom.KeysPane().lines,
        **dict.fromkeys(layout.BARS, bar),
    }


def device_lines(snapshot: Snapshot, width: int) -> int:
    """How many lines the devices would fill, without their title."""
    return devices.wanted(snapshot, width)


def click(app: AppActions, pane: str, column: int, line: int, *, double: bool) -> None:
    """In the table a click takes the cursor there; twice is enter."""
    if pane == layout.TRIALS:
        trials.click(app, column, line, double=double)


def wheel(app: AppActions, pane: str, lines: int) -> None:
    """Scrolls what lies under the mouse, whatever has the focus."""
    if pane == layout.TRIALS:
        trials.wheel(app, lines)
    elif pane in (layout.DETAIL, layout.WHY, layout.LOG):
        reading.scroll(app, pane, lines)
