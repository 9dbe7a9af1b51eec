"""Why does an attempt leave before its end, and how is it told to?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tuitune.core.events import Signal, StopReason

# What is said of a trial that leaves.
LEAVES: Final[dict[StopReason, str]] = {
    "pruned": "is pruned",
    "drain": "leaves, since the study stops",
    "killed": "is being killed",
    "timeout": "has run past its timeout",
    "target": "leaves, since the study's target is reached",
    "parked": "leaves, to wait at its rung",
    "paused": "leaves, to be paused",
    "moved": "leaves its GPU to others",
    "returned": "has returned, and its process does not exit",
    "overdue": "is complete, and has been silent for long",
}
# The same as a cause.
CAUSES: Final[dict[StopReason, str]] = {
    "pruned": "it is pruned",
    "drain": "the study stops",
    "killed": "it is killed by hand",
    "timeout": "it has run past its timeout",
    "target": "the study's target is reached",
    "parked": "it is to wait at its rung",
    "paused": "it is to be paused",
    "moved": "its GPU is left to others",
    "returned": "it has returned, and its process does not exit",
    "overdue": "it is complete, and has been silent for long",
}


def signal_words(fact: Signal) -> str:
    if fact.how == "release":
        return "need not leave any more"
    cause = CAUSES[fact.reason]
    if fact.how == "ask":
        return f"asked to {'save and leave' if fact.save else 'leave'}: {cause}"
    if fact.how == "term" and fact.reason != "moved":  # that one comes where its GPU is lost
        return f"SIGTERM: it had not left in time ({cause})"
    return f"SIG{fact.how.upper()}: {cause}"
