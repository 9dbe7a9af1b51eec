"""What a study knows of itself: plain data, the same after a replay as after the run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from tuitune.core.events import Gpu, Halted, Settings, SignalHow, StopReason, TrialState
from tuitune.core.placement.packing import Packing
from tuitune.core.placement.throughput import Throughput
from tuitune.core.pruning.pruner import PrunerState
from tuitune.core.reasons import Why

if TYPE_CHECKING:
    from tuitune.core.spec import Objective


class Starting(msgspec.Struct, array_like=True, frozen=True, tag="starting"):
    """Launched; its process has not been heard of."""


class Running(msgspec.Struct, array_like=True, frozen=True, tag="running"):
    """Its process is there, and nothing ends it."""


class Ending(msgspec.Struct, array_like=True, tag="ending"):
    """It has been told to leave."""

    reason: StopReason
    how: SignalHow
    due: float  # Unix s at which it is told more harshly; infinity: never


class Frozen(msgspec.Struct, array_like=True, tag="frozen"):
    """It can't save: paused where it is, alive, with all that it holds."""

    since: float  # Unix s


Activity = Starting | Running | Ending | Frozen


class Trial(msgspec.Struct, array_like=True):
    number: int
    config: dict[str, Any]
    origin: str
    why: Why
    state: TrialState = TrialState.WAITING
    attempt: int = -1  # the newest one; -1 before the first
    opening: int = 0  # the engine opening that launched it
    step: int = 0  # the furthest step that any attempt has reported
    attempt_step: int = 0  # the same of the newest attempt
    value: float | None = None  # the objective at the furthest step that had one
    best: float | None = None  # the best objective of any step
    gate: float = math.inf  # the step at which its next judgement is due
    diverged: bool = False  # an objective that was not finite
    at_maximum: bool = False  # has reported the maximum
    activity: Activity | None = None  # of the newest attempt, until it is settled
    crashes: int = 0
    checkpoint: int | None = None
    at_rung: bool = False  # waits there to be promoted, or is on its way out for that
    paused_by_user: bool = False
    not_promoted: bool = False  # pruned only since no slot needed it: it may still go on
    device: str = ""
    cpus: float = 0.0
    memory: int = 0
    started: float | None = None  # first launch
    launched: float = 0.0  # newest launch
    heard: float = 0.0  # last sign of life
    pause: float = 0.0  # longest time between two reports, s
    silent: bool = False
    ended: float | None = None
    error: Why = ""
    note: Why = ""  # how it came to its state, in words
    known: int = 0  # the furthest step that had an objective
    news: bool = False  # its newest report made it known
    pid: int | None = None  # of the live attempt, once it has one
    curve: list[tuple[int, float]] = []  # what it counted with at each milestone of the pruning
    gpus: tuple[str, ...] = ()  # UUIDs, while it runs
    share: float = 0.0  # of each; 0: packed
    peak: int = 0  # bytes that the newest attempt has held of a GPU
    grown: float = 0.0  # when that last became more
    rest: int = 0  # bytes that it held when it seemed to have stopped growing
    pace: Throughput | None = None  # of the newest attempt, where it is packed
    company: float = -math.inf  # when another was last on a GPU of its
    needs_empty_gpu: bool = False  # it runs with no other trial beside it
    crowdings: int = 0  # how often its neighbours left it too little memory
    valued: int = 0  # the furthest step of the newest attempt that had an objective
    stepped: float = 0.0  # when the newest attempt was launched, or reached a step first
    pending: int = 0  # the step that was left open by whichever attempt, and is yet to be judged
    best_before: float | None = None  # the best objective of the steps before `known`
    marked: int = 0  # the step that added the newest point of `curve`
    saving: int = 0  # checkpoints that the newest attempt is writing
    returned: bool = False  # its function has returned
    next_mark: float = 0.0  # the step from which on `curve` gets its next point

    def is_live(self) -> bool:
        """Whether a process of it is there: running, or frozen."""
        return self.activity is not None

    def is_being_killed(self) -> bool:
        return type(self.activity) is Ending and self.activity.reason is StopReason.KILLED

    @property
    def ending(self) -> Ending | None:
        """How it has been told to leave; None while it has not."""
        return self.activity if type(self.activity) is Ending else None

    @property
    def frozen(self) -> Frozen | None:
        return self.activity if type(self.activity) is Frozen else None

    def counted(self, objective: Objective) -> float | None:
        """The value that this trial counts with; None before its first one."""
        return self.best if objective.value == "best" else self.value


class Addition(msgspec.Struct, array_like=True):
    """A configuration given by hand that is yet to become a trial."""

    config: dict[str, Any]
    why: Why


class State(msgspec.Struct, array_like=True):
    settings: Settings | None = None
    cpus: float = 0.0  # of the machine
    memory: int = 0
    now: float = 0.0  # time of the newest fact
    opening: int = 0  # how many engines have had it
    opened: float = 0.0
    elapsed: float = 0.0  # seconds of earlier openings
    trials: list[Trial] = []
    running: list[int] = []  # those with a process, frozen ones included
    waiting: list[int] = []  # in the order in which they launch
    promotable: dict[int, bool] = {}  # those that a free slot may send on from their rung
    adding: list[Addition] = []
    by_hand: int = 0  # trials that were added by hand, beyond those that the settings ask for
    launching: bool = True
    disk_low: bool = False
    pruner: PrunerState = msgspec.field(default_factory=PrunerState)
    asking: int | None = None
    exhausted: str = ""
    halted: Halted | None = None
    finished: bool = False
    reported: bool = False  # some trial has said what its objective is
    streak: int = 0  # crashes in a row
    same: int = 0  # of these, with the newest one's error, each within seconds
    last_crash: str = ""
    leader: int | None = None  # best of those that have reached the maximum
    kills: dict[int, float] = {}  # trials to be killed, and when; until then it can be undone
    complete: bool = False  # finished, and nothing is left to do
    asked: float = 0.0  # when the newest question was put
    prefetched: int | None = None  # the trial that was asked for before there was a slot for it
    asks: list[float] = []  # how long the newest answers took, s
    lasted: list[float] = []  # how long the newest attempts took, s
    gpus: tuple[Gpu, ...] = ()  # that this study may use
    packing: Packing = msgspec.field(default_factory=Packing)
    code: str = ""  # a hash of the training code that attempts run with
    repeats: bool = False  # some trial has reported the objective of one step several times
    slowest: float = 0.0  # the longest time that any trial took from one step to the next, s
    blocked: dict[str, str] = {}  # what keeps all trials from being launched -> why, in words

    @property
    def may_launch(self) -> bool:
        return self.launching and not self.disk_low and not self.blocked
