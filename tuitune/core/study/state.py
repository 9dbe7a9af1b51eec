"""The state of a study: plain data, the same after a replay as after the run."""

import math
from typing import Any, Literal

import msgspec

from tuitune.core import gpu_reasons, paces, reasons, spec
from tuitune.core.events import Gpu, Halted, Node, Settings, SignalHow, StopReason, TrialState
from tuitune.core.placement.packing import Packing
from tuitune.core.placement.throughput import Throughput
from tuitune.core.pruning.pruner import PrunerState


class Starting(msgspec.Struct, array_like=True, frozen=True, tag="starting"):
    """Launched, but the process has not reported its start."""


class Running(msgspec.Struct, array_like=True, frozen=True, tag="running"):
    """The process has started, and nothing ends it."""


class Ending(msgspec.Struct, array_like=True, tag="ending"):
    """The attempt was asked or forced to leave."""

    reason: StopReason
    how: SignalHow
    due: float  # Unix s at which it is signalled more harshly; infinity: never
    park: bool = False  # it is to be held, and parked
    parked: bool = False  # it was parked: it could not save any more


class Frozen(msgspec.Struct, array_like=True, tag="frozen"):
    """It can not save: its process is stopped, and keeps all its memory."""

    since: float  # Unix s


class Parked(msgspec.Struct, array_like=True, tag="parked"):
    """It is held inside a report, and its GPU memory is moved to the host and back."""

    since: float  # Unix s at which it was held
    home: str  # the UUID of the GPU that it was on
    way: bool  # it makes way for others; else the user has paused it
    stage: Literal["parking", "parked", "restoring"] = "parking"
    memory: int = 0  # bytes, in the host's memory
    moves: bool = False  # it may be restored on another GPU of the same model
    model: str = ""  # of its GPU
    again: float = 0.0  # Unix s before which it is not restored


Activity = Starting | Running | Ending | Frozen | Parked


class Trial(msgspec.Struct, array_like=True):
    """A trial and its newest attempt. Times are Unix seconds, sizes bytes."""

    number: int
    config: dict[str, Any]
    origin: str
    why: reasons.Why
    state: TrialState = TrialState.WAITING
    attempt: int = -1  # the newest one; -1 before the first
    opening: int = 0  # number of the opening in which it was launched
    step: int = 0  # the furthest step that any attempt has reported
    attempt_step: int = 0  # the same of the newest attempt
    value: float | None = None  # the objective at the furthest step that had one
    best: float | None = None  # the best objective of any step
    gate: float = math.inf  # the step at which its next judgement is due
    diverged: bool = False  # some objective was not finite
    at_maximum: bool = False  # has reported the maximum
    activity: Activity | None = None  # of the newest attempt, until it is settled
    crashes: int = 0
    checkpoint: int | None = None
    at_rung: bool = False  # waits there to be promoted, or is ending to wait there
    paused_by_user: bool = False
    not_promoted: bool = False  # pruned as the study ended: it may still go on
    device: gpu_reasons.Device = ""
    cpus: float = 0.0
    memory: int = 0
    started: float | None = None  # first launch
    launched: float = 0.0  # newest launch
    last_sign: float = 0.0  # of life: a report, a save
    pause: float = 0.0  # longest time between two reports, s
    silent: bool = False
    ended: float | None = None
    error: reasons.Why = ""
    note: reasons.Why = ""  # why it is in its state
    known: int = 0  # the furthest step that had an objective
    has_new_value: bool = False  # its newest report is to be judged
    pid: int | None = None  # of the live attempt, once it has one
    curve: list[tuple[int, float]] = []  # (milestone, value that counted there)
    gpus: tuple[str, ...] = ()  # UUIDs, while it runs
    share: float = 0.0  # of each; 0: packed
    peak: int = 0  # bytes that the newest attempt has held of a GPU
    grown: float = 0.0  # when that last became more
    rest: int = 0  # bytes held when its memory seemed to have stopped growing
    pace: Throughput | None = None  # of the newest attempt, where it is packed
    company: float = -math.inf  # when another trial was last on one of its GPUs
    needs_empty_gpu: bool = False  # no other trial may share its GPU
    crowdings: int = 0  # how often its neighbours left it too little memory
    valued: int = 0  # the furthest step of the newest attempt that had an objective
    stepped: float = 0.0  # when the newest attempt was launched, or reached a step first
    pending: int = 0  # the step that is open, and not judged yet; 0: none
    best_before: float | None = None  # the best objective of the steps before `known`
    marked: int = 0  # the step that added the newest point of `curve`
    saving: int = 0  # checkpoints that the newest attempt is writing
    returned: bool = False  # its function has returned
    next_mark: float = 0.0  # the step from which on `curve` gets its next point
    first: int = 0  # the first step that it has ever reported; 0: none, or not known
    began: int = 0  # the first step that the newest attempt has reported
    resumed: int = 0  # the step of the checkpoint that the newest attempt goes on from
    avoids: tuple[str, ...] = ()  # GPUs that may be to blame for its last failure
    failed_at: int = 0  # the step that it had reached there
    gpu_seconds: float = 0.0  # of all attempts; those of a shared GPU are divided
    metered: float = 0.0  # up to when these are counted, Unix s
    energy: float | None = None  # J, of all attempts; None: unknown
    node: str = ""  # on which the newest attempt runs, or ran
    cannot_park: str = ""  # why, once it was tried; of the newest attempt
    tried_again: bool = False  # as the study was run again, since it had failed with the set-up
    first_units: float = 0.0  # trained up to the first report of each attempt; see `Times`
    first_seconds: float = 0.0
    more_units: float = 0.0  # trained after that
    more_seconds: float = 0.0
    wrong_gpu: gpu_reasons.WrongGpu | None = None  # on which the newest attempt computes

    def is_live(self) -> bool:
        """Whether it has a process, running or frozen."""
        return self.activity is not None

    def is_being_killed(self) -> bool:
        """Whether its attempt is ending by a kill; a kill that waits is none."""
        return type(self.activity) is Ending and self.activity.reason is StopReason.KILLED

    @property
    def times(self) -> paces.Times | None:
        """How long it has trained; None where that is not known."""
        if not self.first_units:
            return None
        return paces.Times(self.first_units, self.first_seconds, self.more_units, self.more_seconds)

    @property
    def ending(self) -> Ending | None:
        """Why and how its attempt is ending; None while it is not."""
        return self.activity if type(self.activity) is Ending else None

    @property
    def frozen(self) -> Frozen | None:
        """Since when it is frozen; None while it is not."""
        return self.activity if type(self.activity) is Frozen else None

    @property
    def parked(self) -> Parked | None:
        """How it is parked; None while it is not."""
        return self.activity if type(self.activity) is Parked else None

    @property
    def is_away(self) -> bool:
        """Whether it is parked and has no CPU slot and no GPU."""
        return type(self.activity) is Parked and self.activity.stage == "parked"

    @property
    def is_saved(self) -> bool:
        """Whether its newest checkpoint has all that its newest attempt has done."""
        return self.checkpoint is not None and self.checkpoint >= self.attempt_step

    def counted(self, objective: spec.Objective) -> float | None:
        """The value that this trial counts with; None before its first one."""
        return self.best if objective.value == "best" else self.value


class Suspect(msgspec.Struct, array_like=True):
    """A GPU on which trials have crashed in a row with one error; see `sick_gpus`."""

    kind: str  # the error without its figures
    trials: list[int] = []
    probe: int | None = None  # the trial that is tried on another GPU
    error: str = ""  # with which it failed here
    setup: bool = False  # CUDA did not start here


class Addition(msgspec.Struct, array_like=True):
    """A configuration that the user has added and that is not a trial yet."""

    config: dict[str, Any]
    why: reasons.Why


class NodeState(msgspec.Struct, array_like=True):
    """A node, and sums over the trials that run on it."""

    node: Node
    gpus: dict[str, Gpu] = {}  # those of `node`, by UUID
    cpus: float = 0.0  # promised to its trials
    memory: int = 0  # bytes, the same
    running: list[int] = []  # in the order in which they were launched
    on: dict[str, list[int]] = {}  # UUID -> of these, those that have the GPU

    @property
    def is_unified(self) -> bool:
        """Whether the memory of a GPU is the host's."""
        return any(gpu.unified for gpu in self.node.gpus)


class Rooms(msgspec.Struct, array_like=True, dict=True):
    """The nodes that may have room for one more trial: all but those where none was found.

    It saves looking twice, and follows from the rest of the state: it is neither stored nor
    compared.
    """

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Any node may have room."""
        self.__dict__["full"] = {}

    def may_be(self, node: str) -> None:
        """This node may have room."""
        self.__dict__["full"].pop(node, None)

    def is_full(self, node: str) -> None:
        """No trial finds room on this node, until something changes there."""
        self.__dict__["full"][node] = True

    def among(self, nodes: dict[str, NodeState]) -> list[NodeState]:
        """Those of the nodes that may have room."""
        full: dict[str, bool] = self.__dict__["full"]
        return [found for name, found in nodes.items() if name not in full]


class State(msgspec.Struct, array_like=True):
    """A whole study: all that decisions depend on. Times are Unix seconds, sizes bytes."""

    settings: Settings | None = None
    cpus: float = 0.0  # of all nodes
    memory: int = 0
    now: float = 0.0  # time of the newest fact
    opening: int = 0  # how often an engine has opened it
    opened: float = 0.0
    elapsed: float = 0.0  # seconds of earlier openings
    trials: list[Trial] = []
    running: dict[int, bool] = {}  # those with a process, frozen ones included, oldest launch first
    waiting: list[int] = []  # in the order in which they launch
    promotable: dict[int, bool] = {}  # trials at a rung that may be promoted
    adding: list[Addition] = []
    by_hand: int = 0  # added trials, which do not count towards `settings.trials`
    launching: bool = True
    disk_low: bool = False
    pruner: PrunerState = msgspec.field(default_factory=PrunerState)
    asking: int | None = None
    exhausted: str = ""
    halted: Halted | None = None
    finished: bool = False
    reported: bool = False  # some trial has reported its objective
    streak: int = 0  # crashes in a row
    same: int = 0  # of these, quick ones with the newest one's error
    last_crash: str = ""
    leader: int | None = None  # best of those that have reached the maximum
    kills: dict[int, float] = {}  # trials to be killed, and when; until then it can be undone
    complete: bool = False  # finished, and nothing is left to do
    asked: float = 0.0  # when the newest proposal was asked for
    prefetched: int | None = None  # the trial that was asked for before there was a slot for it
    asks: list[float] = []  # how long the newest proposals took, s
    lasted: list[float] = []  # how long the newest attempts took, s
    nodes: dict[str, NodeState] = {}  # by name
    rooms: Rooms = msgspec.field(default_factory=Rooms)
    parked: dict[int, bool] = {}  # running trials whose activity is `Parked`
    inherited: int = 0  # running attempts that an earlier engine started
    shared: dict[str, int] = {}  # model -> how many GPUs have more than one trial
    packing: Packing = msgspec.field(default_factory=Packing)
    code: str = ""  # a hash of the training code that attempts run with
    repeats: bool = False  # some trial has reported the objective of one step several times
    slowest: float = 0.0  # the longest time that any trial took from one step to the next, s
    blocked: dict[str, str] = {}  # what keeps all trials from being launched -> why, in words
    former_leader: int | None = None  # the newest leader before this one that had ended
    suspects: dict[str, Suspect] = {}  # by UUID
    common: list[str] = []  # kinds of errors that several GPUs have shown
    misplaced: str | None = None  # the code whose trials chose their GPUs themselves; None: none

    @property
    def may_launch(self) -> bool:
        """Whether neither the user, the disk nor a failed import prevents launches."""
        return self.launching and not self.disk_low and not self.blocked

    @property
    def gpus(self) -> list[Gpu]:
        """The GPUs of all nodes; for rare use, as the list is made at each call."""
        return [gpu for node in self.nodes.values() for gpu in node.gpus.values()]
