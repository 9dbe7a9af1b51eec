"""States of trials, why attempts are ended and why acts are refused, as people read them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from tuitune.core.events import StopReason, TrialState
from tuitune.core.study.acts import ActivityName, WhyNot


class Shown(StrEnum):
    """A state as it is shown: finer than the journal's, since it tells why a trial doesn't run."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    HELD = "held"  # at a rung
    PAUSED = "paused"  # by a person
    FROZEN = "frozen"  # stands still, with its process: it can't save
    PARKED = "parked"  # stands still, and its GPU is free
    STOPPING = "stopping"
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    KILLED = "killed"
    LOST = "lost"

    __hash__ = str.__hash__  # Enum's own is written in Python, and every row looks its words up


class StateWords(NamedTuple):
    """How a state is shown. The word itself is the value of `Shown`."""

    short: str  # at most five letters, for narrow columns
    role: str  # of its colour, see ui.render.paint
    clause: str  # follows a trial's name
    meaning: str  # for the legend


WORDS: Final[Mapping[Shown, StateWords]] = {
    Shown.WAITING: StateWords("wait", "quiet", "is waiting", "for a slot"),
    Shown.STARTING: StateWords("start", "info", "is starting", "its process is starting"),
    Shown.RUNNING: StateWords("run", "success", "is running", "its process runs"),
    Shown.HELD: StateWords("held", "quiet", "is held at its rung", "at a rung, until promoted"),
    Shown.PAUSED: StateWords("pause", "warning", "is paused", "by you, until you resume it"),
    Shown.FROZEN: StateWords("froze", "warning", "is frozen", "stands still: it can't save"),
    Shown.PARKED: StateWords("park", "warning", "is parked", "stands still, off its GPU"),
    Shown.STOPPING: StateWords("stop", "warning", "is stopping", "saves, or is about to end"),
    Shown.COMPLETE: StateWords("done", "text", "is complete", "reached its end"),
    Shown.PRUNED: StateWords("prune", "quiet", "was pruned", "stopped early by the pruner"),
    Shown.FAILED: StateWords("fail", "error", "failed", "ended with an error"),
    Shown.KILLED: StateWords("kill", "quiet", "was killed", "ended by you"),
    Shown.LOST: StateWords("lost", "error", "was lost", "ran when its engine ended"),
}
# Why an attempt is ended before its own end; follows "is stopping: ".
CAUSES: Final[Mapping[StopReason, str]] = {
    StopReason.PRUNED: "pruned",
    StopReason.DRAIN: "the study stops",
    StopReason.KILLED: "killed by hand",
    StopReason.TIMEOUT: "past its timeout",
    StopReason.TARGET: "the study's target is reached",
    StopReason.AT_RUNG: "held at its rung",
    StopReason.PAUSED: "paused by hand",
    StopReason.MOVED: "others use its GPU",
    StopReason.WRONG_GPU: "it computes on a GPU that it was not given",
    StopReason.RETURNED: "it has returned, but its process does not exit",
    StopReason.OVERDUE: "it is complete, but neither returns nor reports",
    StopReason.NOT_RESTORED: "its GPU memory could not be restored",
}
_REFUSALS: Final[Mapping[WhyNot, str]] = {
    WhyNot.ENDED: "{clause}",
    WhyNot.NOT_ENDED: "has not ended: it {clause}",
    WhyNot.COMPLETE: "is complete: `tuitune add STUDY --like {number}` tries it again as a new one",
    WhyNot.NEVER_SAMPLED: (
        "lacks a sampled parameter: `tuitune add STUDY --like {number}` samples it again"
    ),
    WhyNot.BEING_KILLED: "is being killed already",
    WhyNot.TO_BE_KILLED: "is to be killed already",
    WhyNot.NOT_TO_BE_KILLED: "is not to be killed",
    WhyNot.PAUSED: "is paused already",
    WhyNot.NOT_PAUSED: "is not paused by a person: it {clause}",
    WhyNot.LEAVING: "is about to end",
}
_PLAIN: Final = {state: Shown(state.value.lower()) for state in TrialState}


def shown_counts(
    counts: Mapping[TrialState, int],
    held: int,
    frozen: int = 0,
    parked: int = 0,
    *,
    engine_gone: bool = False,
) -> dict[Shown, int]:
    """How many trials are in each state, by their journal's states.

    held, frozen, parked: those of the paused that are held at a rung, frozen, or parked.
    """
    known = {_PLAIN[state]: count for state, count in counts.items()}
    frozen, parked = (0, 0) if engine_gone else (frozen, parked)
    if engine_gone:
        known[Shown.LOST] = known.pop(Shown.RUNNING, 0)
    known[Shown.HELD], known[Shown.FROZEN], known[Shown.PARKED] = held, frozen, parked
    known[Shown.PAUSED] = known.get(Shown.PAUSED, 0) - held - frozen - parked
    return {state: known[state] for state in Shown if known.get(state)}


def shown(
    state: TrialState,
    *,
    activity: ActivityName | None = None,
    is_stopping: bool = False,
    at_rung: bool = False,
    engine_gone: bool = False,
) -> Shown:
    """The state to show, by what a trial's row has of its live attempt."""
    if not engine_gone:
        if is_stopping:
            return Shown.STOPPING
        if activity == "starting":
            return Shown.STARTING
        if activity == "frozen":
            return Shown.FROZEN
        if activity == "parked":
            return Shown.PARKED
    if state == TrialState.RUNNING and engine_gone:
        return Shown.LOST
    return Shown.HELD if at_rung and state == TrialState.PAUSED else _PLAIN[state]


def leaving(*, may_save: bool) -> str:
    """What trials do when their study stops; follows their name."""
    return "save and leave" if may_save else "end, and start again later: they can't save"


def refusal(why: WhyNot, number: int, state: Shown) -> str:
    """Why something can't be done to a trial, as "is paused already"; follows the trial's name."""
    return _REFUSALS[why].format(number=number, clause=WORDS[state].clause)
