"""The numbered panes of the app, in the order of their keys."""

from typing import Final

from tuitune.ui.panes import curve, detail, devices, log, pane, trials

PANES: Final[tuple[pane.Pane, ...]] = (devices.PANE, trials.PANE, curve.PANE, detail.PANE, log.PANE)
