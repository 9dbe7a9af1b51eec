"""What does a trial do, if nobody stops it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.trial.wire import Order

End = Literal["returns", "raises", "killed", "lost", "hangs", "oom", "unknown"]
Heeds = Literal["ask", "term", "kill"]


class Point(NamedTuple):
    """A report: its step, the objective (None: other metrics only), seconds of work before it."""

    step: int
    value: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Course:
    """One attempt, from its launch to its end.

    end: what it does after its last point; "killed" is a signal from outside, "lost" takes the
    process away through no fault of its own, "unknown" is where a record ends.
    ending: seconds of work after its last point, before its end.
    spoilt: steps whose checkpoint can't be written; `shrugs`: that is caught, and the work goes on.
    """

    points: Sequence[Point]
    end: End = "returns"
    saves: bool = False  # its reports come with a way to write a checkpoint
    startup: float = 0.0  # s from its launch to its first line of work
    leaving: float = 0.0  # s that it takes to leave when it has to
    heeds: Heeds = "ask"  # the mildest way in which it can be made to leave
    saving: float = 0.0  # s that a checkpoint takes
    spoilt: frozenset[int] = frozenset()
    shrugs: bool = False
    lingers: float = 0.0  # s from its function's return to the exit of its process
    polite: bool = False  # it answers SIGTERM with an exit status of 0
    command: bool = False  # its reports are printed, and don't wait for more of their step
    ending: float = 0.0


class Target(Protocol):
    """Training code that is simulated."""

    def begin(self, order: Order) -> Course:
        """What this attempt will do, from its checkpoint on where it has one."""
        ...
