"""The numbered panes of the app, in the order of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.ui.panes import curve, detail, devices, log, trials

if TYPE_CHECKING:
    from tuitune.ui.panes.pane import Pane

PANES: Final[tuple[Pane, ...]] = (
    devices.PANE,
    trials.PANE,
    curve.PANE,
    detail.PANE,
    log.PANE,
)
