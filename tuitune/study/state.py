"""What a study knows of itself: plain data, the same after a replay as after the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from tuitune.events import Halted, Settings, SignalHow, StopReason
from tuitune.pruning.pruner import Rungs, rung_steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuitune.spec import Objective, StudySpec

WAITING: Final = "WAITING"
RUNNING: Final = "RUNNING"
PAUSED: Final = "PAUSED"
COMPLETE: Final = "COMPLETE"
PRUNED: Final = "PRUNED"
FAILED: Final = "FAILED"
KILLED: Final = "KILLED"
STATES: Final = (WAITING, RUNNING, PAUSED, COMPLETE, PRUNED, FAILED, KILLED)
ENDED: Final = frozenset({COMPLETE, PRUNED, FAILED, KILLED})


class Ending(msgspec.Struct, array_like=True):
    """An attempt that is being ended: how far that has gone, and when it goes further."""

    reason: StopReason
    how: SignalHow
    due: float


class Trial(msgspec.Struct, array_like=True):
    number: int
    config: dict[str, Any]
    origin: str
    why: str
    state: str = WAITING
    attempt: int = -1  # the newest one; -1 before the first
    opening: int = 0  # the engine opening that launched it
    step: int = 0  # the furthest step that any attempt has reported
    attempt_step: int = 0  # the same of the newest attempt
    value: float | None = None  # the objective at the furthest step that had one
    best: float | None = None  # the best objective of any step
    gate: float = math.inf  # the step at which its next judgement is due
    diverged: bool = False  # an objective that was not finite
    complete: bool = False  # has reached the maximum
    ending: Ending | None = None
    crashes: int = 0
    checkpoint: int | None = None
    device: str = ""
    cpus: float = 0.0
    memory: int = 0
    started: float | None = None  # first launch
    launched: float = 0.0  # newest launch
    heard: float = 0.0  # last sign of life
    pause: float = 0.0  # longest time between two reports, s
    silent: bool = False
    ended: float | None = None
    error: str = ""
    note: str = ""  # how it came to its state, in words

    def counted(self, objective: Objective) -> float | None:
        """The value that this trial counts with; None before its first one."""
        return self.best if objective.value == "best" else self.value


class State(msgspec.Struct, array_like=True):
    settings: Settings | None = None
    cpus: float = 0.0  # of the machine
    memory: int = 0
    now: float = 0.0  # time of the newest fact
    opening: int = 0  # how many engines have had it
    opened: float = 0.0
    elapsed: float = 0.0  # seconds of earlier openings
    trials: list[Trial] = []
    running: list[int] = []
    waiting: list[int] = []  # in the order in which they launch
    rungs: Rungs = msgspec.field(default_factory=Rungs)
    asking: int | None = None
    exhausted: str = ""
    halted: Halted | None = None
    finished: bool = False
    reported: bool = False  # some trial has said what its objective is
    streak: int = 0  # crashes in a row
    same: int = 0  # of these, with the newest one's error, each within seconds
    last_crash: str = ""
    leader: int | None = None  # best of those that have reached the maximum


def loss(value: float | None, objective: Objective) -> float:
    """Smaller is better; what is missing or not finite is worse than every number."""
    if value is None or not math.isfinite(value):
        return math.inf
    return value if objective.mode == "min" else -value


class Standing(NamedTuple):
    """A trial as it counts in a comparison."""

    number: int
    state: str
    step: int
    value: float | None


def best_of(spec: StudySpec, standings: Iterable[Standing]) -> tuple[int | None, bool]:
    """The best COMPLETE trial; where there is none, the one that got furthest, and True: partial.

    Among the unfinished the furthest rung comes first, then the value, then the earlier trial.
    """
    known = [s for s in standings if s.value is not None]
    done = [s for s in known if s.state == COMPLETE]
    steps = rung_steps(spec.pruning)

    def order(standing: Standing) -> tuple[int, float, int]:
        rungs = 0 if done else sum(step <= standing.step for step in steps)
        return -rungs, loss(standing.value, spec.objective), standing.number

    best = min(done or known, key=order, default=None)
    return (None, False) if best is None else (best.number, not done)


def best_trial(spec: StudySpec, state: State) -> tuple[Trial | None, bool]:
    """`best_of` the study's trials, without a look at all of them once one is complete."""
    if state.leader is not None:
        return state.trials[state.leader], False
    objective = spec.objective
    standings = (Standing(t.number, t.state, t.step, t.counted(objective)) for t in state.trials)
    number, partial = best_of(spec, standings)
    return (None if number is None else state.trials[number]), partial
