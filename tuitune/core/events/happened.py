"""The events of a study, reported by the engine, its trials and its users."""

from typing import Any, Literal

from tuitune.core.events.base import Fact, Gpu, GpuError, Node, Settings
from tuitune.core.gpu_reasons import WrongGpu
from tuitune.core.reasons import Why


class Opened(Fact, frozen=True, tag="opened"):
    """An engine has opened the study; attempts that an earlier engine left behind are lost."""

    settings: Settings
    cpus: float  # CPU slots of this machine, or of all nodes
    memory: int  # bytes of the same
    disk_low: bool = False  # see DiskChanged
    gpus: tuple[Gpu, ...] = ()  # see DevicesChanged
    anchor: Literal["min", "max"] = "min"  # see PruningSpec; the first one holds for the study
    nodes: tuple[Node, ...] = ()  # empty: this machine alone, with the CPUs, memory and GPUs above


class Proposed(Fact, frozen=True, tag="proposed"):
    """The searcher has given the configuration of a trial."""

    trial: int
    config: dict[str, Any]
    origin: str  # "point" | the searcher's method
    why: Why


class Exhausted(Fact, frozen=True, tag="exhausted"):
    """The searcher has no configuration left that was not tried."""

    why: str


class Started(Fact, frozen=True, tag="started"):
    """An attempt's process has loaded its code, and goes on from its checkpoint, if any."""

    trial: int
    attempt: int
    pid: int  # of its node
    resumed_from: int | None  # the checkpoint's step
    code: str  # a hash of the training code
    commit: str
    dirty: bool | None
    node: str = ""


class Reported(Fact, frozen=True, tag="reported"):
    """A trial has reported metrics at a step of the resource."""

    trial: int
    attempt: int
    step: int
    metrics: dict[str, float]
    can_save: bool = False  # it came with a function that writes a checkpoint
    open: bool = False  # more reports of this step may follow: it is not judged yet
    waits: bool = False  # the trial waits for a verdict


class SaveStarted(Fact, frozen=True, tag="save_started"):
    """A checkpoint is being written; Checkpointed or SaveFailed follows."""

    trial: int
    attempt: int
    step: int


class SaveFailed(Fact, frozen=True, tag="save_failed"):
    """A checkpoint could not be written; the attempt goes on."""

    trial: int
    attempt: int
    step: int
    why: str


class Checkpointed(Fact, frozen=True, tag="checkpointed"):
    """A checkpoint of this step is on disk."""

    trial: int
    attempt: int
    step: int


class Warned(Fact, frozen=True, tag="warned"):
    """A trial's warning, shown to the user; nothing is decided by it."""

    trial: int
    attempt: int
    text: str


class Returned(Fact, frozen=True, tag="returned"):
    """An attempt's function returned some seconds ago, and its process still exists."""

    trial: int
    attempt: int
    ignored: bool = False  # it has not returned, but has caught the order to end


class Exited(Fact, frozen=True, tag="exited"):
    """An attempt's process and all that it started are gone. Exactly one for each Launch."""

    trial: int
    attempt: int
    code: int | None  # exit status, None after a signal
    signal: int | None
    error: str  # one line in words, empty where the trial raised nothing
    tail: str  # the last lines of its log, where it failed
    max_rss: int  # bytes
    lost: bool  # ended from outside: it uses no retry
    stopped: bool = False  # it ended by TrialStopped, before its work was done
    oom: bool = False  # a GPU had no memory left for it
    fault: GpuError = ""  # what its error says of its GPU
    xids: tuple[tuple[str, int], ...] = ()  # the driver's errors on its GPUs meanwhile, by UUID


class StopAsked(Fact, frozen=True, tag="stop_asked"):
    """The user asks the study to stop."""

    finish: bool  # let running trials end
    why: Why
    now: bool = False  # don't wait for checkpoints: SIGKILL
    by: str = ""  # "app" or "command"; the same in all requests
    failed: bool = False  # by the engine: it has nothing left to run trials on


class KillAsked(Fact, frozen=True, tag="kill_asked"):
    """The user kills a trial: at once, or after a delay in which it can be undone."""

    trial: int
    after: float = 0.0  # seconds
    by: str = ""


class UndoKillAsked(Fact, frozen=True, tag="spare_asked"):
    """The user takes kills back that have not happened yet."""

    trials: tuple[int, ...]
    by: str = ""


class PauseAsked(Fact, frozen=True, tag="pause_asked"):
    """The user pauses trials, or the launching of any."""

    trials: tuple[int, ...]  # empty: the launching of all
    by: str = ""


class ResumeAsked(Fact, frozen=True, tag="resume_asked"):
    """The user resumes trials, or the launching."""

    trials: tuple[int, ...]  # empty: the launching of all
    by: str = ""


class Frozen(Fact, frozen=True, tag="held"):
    """A trial that can not save was stopped where it is, and keeps its memory."""

    trial: int
    attempt: int


class AddAsked(Fact, frozen=True, tag="add_asked"):
    """The user adds a configuration, which becomes a trial ahead of new proposals."""

    config: dict[str, Any]
    why: Why
    by: str = ""


class RetryAsked(Fact, frozen=True, tag="retry_asked"):
    """A trial that has ended is taken up again: by the user, or by an engine as it opens."""

    trial: int
    by: str = ""
    setup: bool = False  # by the engine: it had failed with the study's set-up


class SettingsChanged(Fact, frozen=True, tag="settings_changed"):
    """The study file's settings have changed while the engine runs."""

    settings: Settings
    by: str = ""
    what: str = ""  # what differs, in words


class DiskChanged(Fact, frozen=True, tag="disk_changed"):
    """The study folder's disk has become too full for launches, or has room again."""

    low: bool
    free: float  # share of the whole
    free_bytes: int | None = None


class LaunchBlocked(Fact, frozen=True, tag="launch_blocked"):
    """No trial can be launched for a reason that may pass, or that has passed."""

    # The training code can't be imported, or not yet; something is lacking; checkpoints can't be
    # stored.
    cause: Literal["code", "resources", "storage"]
    why: str  # one line; empty: it has passed


class SampleFailed(Fact, frozen=True, tag="sample_failed"):
    """A trial's configuration is incomplete: one of the user's sampling functions failed."""

    trial: int
    config: dict[str, Any]  # without what was to be sampled
    origin: str
    why: Why
    error: str  # one line


class ClockStepped(Fact, frozen=True, tag="clock_stepped"):
    """The machine's clock was set; the times of live trials move along."""

    seconds: float  # below zero where it was set back


class DevicesChanged(Fact, frozen=True, tag="devices_changed"):
    """The state of this machine's GPUs has changed: only in older journals, see NodeChanged."""

    gpus: tuple[Gpu, ...]
    why: Why = ""  # GPUs that can't be used any more, or again; empty: none


class NodeChanged(Fact, frozen=True, tag="node_changed"):
    """A node has joined the study, or it, or one of its GPUs, has changed."""

    node: Node
    why: Why = ""  # what trials can't use any more, or again; empty: nothing


class Footprint(Fact, frozen=True, tag="footprint"):
    """An attempt's peak of GPU memory has grown."""

    trial: int
    attempt: int
    memory: int  # bytes, on the GPU where it holds most


class OnWrongGpu(Fact, frozen=True, tag="on_wrong_gpu"):
    """An attempt computes on a GPU that it was not given."""

    trial: int
    attempt: int
    why: WrongGpu


class GpuUsed(Fact, frozen=True, tag="gpu_used"):
    """What an attempt has taken of its GPUs since this was last stored, or since its launch."""

    trial: int
    attempt: int
    joules: float | None  # None: the GPUs tell neither energy nor power


class Parked(Fact, frozen=True, tag="gpu_parked"):
    """The GPU memory of an attempt is in the host's memory, and its GPU is free."""

    trial: int
    attempt: int
    memory: int  # bytes
    moves: bool = False  # it may be restored on another GPU of the same model


class ParkFailed(Fact, frozen=True, tag="park_failed"):
    """An attempt can't be parked; broken: it can't go on either, and has to be ended."""

    trial: int
    attempt: int
    why: str
    broken: bool = False


class Restored(Fact, frozen=True, tag="gpu_restored"):
    """A parked attempt has its GPU memory again; why: it was not tried, and stays parked."""

    trial: int
    attempt: int
    why: str = ""


class DeadlinePassed(Fact, frozen=True, tag="deadline"):
    """The study's own next deadline is due."""


Event = (
    Opened
    | Proposed
    | Exhausted
    | Started
    | Reported
    | SaveStarted
    | SaveFailed
    | Checkpointed
    | Warned
    | Returned
    | Exited
    | StopAsked
    | KillAsked
    | UndoKillAsked
    | PauseAsked
    | ResumeAsked
    | Frozen
    | AddAsked
    | RetryAsked
    | SettingsChanged
    | DiskChanged
    | LaunchBlocked
    | SampleFailed
    | ClockStepped
    | DevicesChanged
    | NodeChanged
    | Footprint
    | OnWrongGpu
    | GpuUsed
    | Parked
    | ParkFailed
    | Restored
    | DeadlinePassed
)
