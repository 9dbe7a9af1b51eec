"""What can be done at all? Every action of the app, in the order in which help tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.ui.actions import (
    app_acts,
    arranging,
    charting,
    copying,
    filter_acts,
    focusing,
    marking,
    moving,
    reading,
    study_acts,
    trial_acts,
)

if TYPE_CHECKING:
    from tuitune.ui.actions.action import Action

ACTIONS: Final[tuple[Action, ...]] = (
    *moving.ACTIONS,
    *filter_acts.ACTIONS,
    *arranging.ACTIONS,
    *marking.ACTIONS,
    *focusing.ACTIONS,
    *charting.ACTIONS,
    *reading.ACTIONS,
    *trial_acts.ACTIONS,
    *copying.ACTIONS,
    *study_acts.ACTIONS,
    *app_acts.ACTIONS,
)
