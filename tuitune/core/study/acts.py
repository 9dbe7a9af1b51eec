"""Acts of a user on a trial, and the reasons why one is not possible."""

from collections.abc import Callable, Mapping
from enum import StrEnum, auto
from typing import Final, Literal, NamedTuple

from tuitune.core.events import ENDED, StopReason, TrialState
from tuitune.core.study.state import State, Trial

# An attempt that is ending for one of these ends for good: a pause would change nothing.
FOR_GOOD: Final = frozenset(
    {
        StopReason.PRUNED,
        StopReason.KILLED,
        StopReason.TARGET,
        StopReason.RETURNED,
        StopReason.OVERDUE,
    }
)


ActivityName = Literal["starting", "running", "ending", "frozen", "parked"]  # of a live attempt


class Act(StrEnum):
    """What a user may ask of a trial."""

    PAUSE = auto()
    RESUME = auto()
    KILL = auto()  # at once, or in place of a kill that waits
    KILL_LATER = auto()  # the same, but not where a kill waits already
    UNDO_KILL = auto()
    RETRY = auto()


class WhyNot(StrEnum):
    """Why an act is not possible."""

    ENDED = auto()
    NOT_ENDED = auto()
    COMPLETE = auto()
    NEVER_SAMPLED = auto()  # it failed because one of its parameters could not be sampled
    BEING_KILLED = auto()
    TO_BE_KILLED = auto()
    NOT_TO_BE_KILLED = auto()
    PAUSED = auto()
    NOT_PAUSED = auto()  # by a user
    LEAVING = auto()  # it is about to end for good


class Standing(NamedTuple):
    """The facts that `why_not` depends on: from a study's state, or from a row of the store."""

    state: TrialState
    ending: StopReason | None = None  # why its attempt is ending
    at_maximum: bool = False  # it has reported the maximum, and is complete once it exits
    paused_by_user: bool = False
    to_be_killed: bool = False  # a kill waits that can be undone
    was_launched: bool = True


def standing(state: State, trial: Trial) -> Standing:
    """The trial's `Standing` by the study's state."""
    return Standing(
        trial.state,
        None if trial.ending is None else trial.ending.reason,
        trial.at_maximum,
        trial.paused_by_user,
        trial.number in state.kills,
        trial.started is not None,
    )


def why_not(act: Act, trial: Standing) -> WhyNot | None:
    """The reason why this is not possible for the trial now; None where it is."""
    if act is not Act.RETRY and trial.state in ENDED:
        return WhyNot.ENDED
    return _RULES[act](trial)


def _why_no_pause(trial: Standing) -> WhyNot | None:
    if trial.paused_by_user:
        return WhyNot.PAUSED
    return WhyNot.LEAVING if trial.at_maximum or trial.ending in FOR_GOOD else None


def _why_no_resume(trial: Standing) -> WhyNot | None:
    return None if trial.paused_by_user else WhyNot.NOT_PAUSED


def _why_no_kill(trial: Standing) -> WhyNot | None:
    return WhyNot.BEING_KILLED if trial.ending is StopReason.KILLED else None


def _why_no_kill_later(trial: Standing) -> WhyNot | None:
    return WhyNot.TO_BE_KILLED if trial.to_be_killed else _why_no_kill(trial)


def _why_no_undo(trial: Standing) -> WhyNot | None:
    return _why_no_kill(trial) or (None if trial.to_be_killed else WhyNot.NOT_TO_BE_KILLED)


def _why_no_retry(trial: Standing) -> WhyNot | None:
    if trial.state not in ENDED:
        return WhyNot.NOT_ENDED
    if trial.state == TrialState.COMPLETE:
        return WhyNot.COMPLETE
    never_ran = trial.state == TrialState.FAILED and not trial.was_launched
    return WhyNot.NEVER_SAMPLED if never_ran else None


_RULES: Final[Mapping[Act, Callable[[Standing], WhyNot | None]]] = {
    Act.PAUSE: _why_no_pause,
    Act.RESUME: _why_no_resume,
    Act.KILL: _why_no_kill,
    Act.KILL_LATER: _why_no_kill_later,
    Act.UNDO_KILL: _why_no_undo,
    Act.RETRY: _why_no_retry,
}
