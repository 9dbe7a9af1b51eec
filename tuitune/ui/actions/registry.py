"""Every action of the app, in the order of the help screen."""

from collections.abc import Sequence
from itertools import chain
from typing import Final

from tuitune.ui.actions import action, app_acts, copying, focusing, study_acts, trial_acts
from tuitune.ui.panes.pane import Pane
from tuitune.ui.panes.registry import PANES
from tuitune.ui.state.render_context import TRIALS


def actions_of(panes: Sequence[Pane]) -> tuple[action.Action, ...]:
    """The actions of an app with these panes; those of the table come first."""
    own = {pane.name: pane.actions for pane in panes}
    return (
        *own.pop(TRIALS),
        *focusing.focus_actions(panes),
        *chain(*own.values()),
        *trial_acts.ACTIONS,
        *copying.ACTIONS,
        *study_acts.ACTIONS,
        *app_acts.ACTIONS,
    )


ACTIONS: Final = actions_of(PANES)
