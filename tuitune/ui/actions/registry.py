"""Every action of the app, in the order of the help screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.ui.actions import (
    app_acts,
    charting,
    copying,
    focusing,
    moving,
    reading,
    study_acts,
    table,
    trial_acts,
)

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Action

ACTIONS: Final[tuple[Action, ...]] = (
    *moving.ACTIONS,
    *table.ACTIONS,
    *focusing.ACTIONS,
    *charting.ACTIONS,
    *reading.ACTIONS,
    *trial_acts.ACTIONS,
    *copying.ACTIONS,
    *study_acts.ACTIONS,
    *app_acts.ACTIONS,
)
