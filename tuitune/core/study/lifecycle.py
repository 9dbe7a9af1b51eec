"""The stages of a trial, and the transitions between them by kind of fact."""

from collections.abc import Mapping
from typing import Final

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.study.state import Activity, Ending, Frozen, Parked, Running, Starting, Trial

# The activity of its live attempt; without one, the state of the trial.
Stage = TrialState | type[Activity]

WAITING, PAUSED = TrialState.WAITING, TrialState.PAUSED
COMPLETE, PRUNED, FAILED, KILLED = (
    TrialState.COMPLETE,
    TrialState.PRUNED,
    TrialState.FAILED,
    TrialState.KILLED,
)

TRANSITIONS: Final[Mapping[Stage, Mapping[type[ev.Fact], frozenset[Stage]]]] = {
    WAITING: {
        ev.Launch: frozenset({Starting}),
        ev.PauseAsked: frozenset({PAUSED}),
        ev.Settled: frozenset({FAILED, KILLED}),  # a sampler has failed; a kill before its launch
    },
    Starting: {
        ev.Started: frozenset({Running}),
        ev.Signal: frozenset({Ending}),
        ev.Settled: frozenset({WAITING, FAILED}),
    },
    Running: {
        ev.Verdict: frozenset({Ending}),
        ev.Signal: frozenset({Ending}),
        ev.Returned: frozenset({Ending}),
        ev.Settled: frozenset({WAITING, COMPLETE, FAILED}),
    },
    Ending: {
        ev.Frozen: frozenset({Frozen, Parked}),  # it was asked to pause, and can't save
        ev.Settled: frozenset({WAITING, PAUSED, COMPLETE, PRUNED, FAILED, KILLED}),
    },
    Frozen: {
        ev.Signal: frozenset({Running, Ending}),
        ev.Settled: frozenset({PAUSED, COMPLETE, FAILED}),  # its process ended by itself
    },
    Parked: {
        ev.Restored: frozenset({Running}),
        ev.Signal: frozenset({Running, Ending}),
        ev.Settled: frozenset({WAITING, PAUSED}),  # its process ended by itself
    },
    PAUSED: {
        ev.ResumeAsked: frozenset({WAITING}),
        ev.Promoted: frozenset({WAITING}),
        ev.Settled: frozenset({PRUNED, KILLED}),
    },
    COMPLETE: {},
    PRUNED: {
        ev.RetryAsked: frozenset({WAITING}),
        ev.Opened: frozenset({PAUSED}),  # more trials are asked for than it was pruned among
        ev.SettingsChanged: frozenset({PAUSED}),
    },
    FAILED: {
        ev.RetryAsked: frozenset({WAITING}),
        ev.SetAside: frozenset({WAITING}),  # a sick GPU has failed it
    },
    KILLED: {ev.RetryAsked: frozenset({WAITING})},
}


def stage(trial: Trial) -> Stage:
    """The activity of its live attempt; without one, its state."""
    return trial.state if trial.activity is None else type(trial.activity)


def move(trial: Trial, to: TrialState | Activity) -> None:
    """Enter a state without a live attempt, or the next activity of the live attempt."""
    if isinstance(to, TrialState):
        trial.state, trial.activity = to, None
    else:
        stands = type(to) in {Frozen, Parked}
        trial.state = TrialState.PAUSED if stands else TrialState.RUNNING
        trial.activity = to
