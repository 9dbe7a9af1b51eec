"""Why does an attempt leave before its end, and how is it told to?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.core.events import StopReason

if TYPE_CHECKING:
    from tuitune.core.events import Signal

# What is said of a trial that leaves.
LEAVES: Final[dict[StopReason, str]] = {
    StopReason.PRUNED: "is pruned",
    StopReason.DRAIN: "leaves, since the study stops",
    StopReason.KILLED: "is being killed",
    StopReason.TIMEOUT: "has run past its timeout",
    StopReason.TARGET: "leaves, since the study's target is reached",
    StopReason.AT_RUNG: "leaves, to wait at its rung",
    StopReason.PAUSED: "leaves, to be paused",
    StopReason.MOVED: "leaves its GPU to others",
    StopReason.RETURNED: "has returned, and its process does not exit",
    StopReason.OVERDUE: "is complete, and has been silent for long",
}
# The same as a cause.
CAUSES: Final[dict[StopReason, str]] = {
    StopReason.PRUNED: "it is pruned",
    StopReason.DRAIN: "the study stops",
    StopReason.KILLED: "it is killed by hand",
    StopReason.TIMEOUT: "it has run past its timeout",
    StopReason.TARGET: "the study's target is reached",
    StopReason.AT_RUNG: "it is to wait at its rung",
    StopReason.PAUSED: "it is to be paused",
    StopReason.MOVED: "its GPU is left to others",
    StopReason.RETURNED: "it has returned, and its process does not exit",
    StopReason.OVERDUE: "it is complete, and has been silent for long",
}


def signal_words(fact: Signal) -> str:
    if fact.how == "release":
        return "need not leave any more"
    cause = CAUSES[fact.reason]
    if fact.how == "ask":
        return f"asked to {'save and leave' if fact.save else 'leave'}: {cause}"
    # a trial that leaves a lost GPU gets SIGTERM at once
    if fact.how == "term" and fact.reason is not StopReason.MOVED:
        return f"SIGTERM: it had not left in time ({cause})"
    return f"SIG{fact.how.upper()}: {cause}"
