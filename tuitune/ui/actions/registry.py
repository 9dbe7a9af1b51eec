"""Every action of the app, in the order of the help screen."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from tuitune.ui.actions import app_acts, copying, study_acts, trial_acts
from tuitune.ui.actions.focusing import focus_actions
from tuitune.ui.panes.registry import PANES
from tuitune.ui.state.render_context import TRIALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.ui.actions.action import Action
    from tuitune.ui.panes.pane import Pane


def actions_of(panes: Sequence[Pane]) -> tuple[Action, ...]:
    """The actions of an app with these panes; those of the table come first."""
    own = {pane.name: pane.actions for pane in panes}
    return (
        *own.pop(TRIALS),
        *focus_actions(panes),
        *chain(*own.values()),
        *trial_acts.ACTIONS,
        *copying.ACTIONS,
        *study_acts.ACTIONS,
        *app_acts.ACTIONS,
    )


ACTIONS: Final = actions_of(PANES)
