"""What a step of the machine's clock changes: every time of something that is under way.

Deadlines, timeouts and durations are differences of times in the state. When the clock is set,
these move along with it, so that nothing is due sooner or later than it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.core.study.state import Ending, Frozen

if TYPE_CHECKING:
    from tuitune.core import events as ev
    from tuitune.core.spec import StudySpec
    from tuitune.core.study import state as st


def stepped(_spec: StudySpec, state: st.State, fact: ev.ClockStepped) -> None:
    by = fact.seconds
    state.opened += by
    state.asked += by
    state.kills = {number: due + by for number, due in state.kills.items()}
    for number in state.running:
        _shift(state.trials[number], by)


def _shift(trial: st.Trial, by: float) -> None:
    """The times of a trial that has a process."""
    trial.launched += by
    trial.heard += by
    trial.stepped += by
    trial.grown += by
    trial.company += by
    if trial.started is not None:
        trial.started += by
    match trial.activity:
        case Frozen() as frozen:
            frozen.since += by
        case Ending() as ending:
            ending.due += by
    if trial.pace is not None:
        trial.pace.began += by
        trial.pace.turned += by
