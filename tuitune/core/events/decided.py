"""The decisions of a study: what follows from an event."""

from typing import Any, Literal

from tuitune.core.events.base import Action, Fact, GpuFault, SignalHow, StopReason, TrialState
from tuitune.core.gpu_reasons import Device, GpuAside
from tuitune.core.reasons import Why


class Ask(Fact, frozen=True, tag="ask"):
    """Ask the searcher for the configuration of this trial; it sees the journal up to here."""

    trial: int
    prefetched: bool = False  # asked for before a slot is free


class Launch(Fact, frozen=True, tag="launch"):
    """Start an attempt of a trial with these resources; memory is in bytes."""

    trial: int
    attempt: int
    device: Device
    cpus: float
    memory: int
    gpus: tuple[str, ...] = ()  # UUIDs
    share: float = 0.0  # of each; 0: packed with as many others as it can run
    node: str = ""  # its name


class Verdict(Fact, frozen=True, tag="verdict"):
    """What a trial that has reached a rung or the maximum does next."""

    trial: int
    attempt: int
    step: int
    action: Action
    save: bool  # whether to write a checkpoint now
    rung: int | None
    rank: int | None  # from 1
    n: int | None  # entries in the rung, the newcomer included
    cut: float | None  # the worst value that goes on
    why: Why


class Signal(Fact, frozen=True, tag="signal"):
    """Ask an attempt to leave (TrialStopped at its next report), signal it, or release it."""

    trial: int
    attempt: int
    how: SignalHow
    reason: StopReason
    save: bool
    park: bool = False  # it does not leave: it is held, to be parked


class Park(Fact, frozen=True, tag="park"):
    """Move the GPU memory of an attempt that is held to the host. Parked or ParkFailed follows."""

    trial: int
    attempt: int


class Unpark(Fact, frozen=True, tag="unpark"):
    """Move it back, to a GPU that is free now, and go on. Restored or ParkFailed follows."""

    trial: int
    attempt: int
    device: Device
    cpus: float
    gpus: tuple[str, ...]  # UUIDs
    share: float  # of each; 0: packed
    memory: int  # bytes


class StyleChosen(Fact, frozen=True, tag="style_chosen"):
    """How the pruner works from here on, where the study file left it to what the trials can do."""

    style: Literal["promote", "stop"]
    why: Why


class CodeChanged(Fact, frozen=True, tag="code_changed"):
    """Attempts run with other training code from here on. Both are hashes."""

    before: str
    now: str


class Promoted(Fact, frozen=True, tag="promoted"):
    """A trial that waited at a rung goes on."""

    trial: int
    rung: int
    rank: int  # from 1
    n: int
    cut: float | None
    why: Why
    by_rank: bool = True  # False: no trial is complete, and nothing else is left to launch


class Added(Fact, frozen=True, tag="added"):
    """A configuration that the user has added becomes a trial."""

    trial: int
    config: dict[str, Any]
    why: Why


class Settled(Fact, frozen=True, tag="settled"):
    """The state that an attempt's exit leaves its trial in."""

    trial: int
    state: TrialState
    why: Why
    crashed: bool = False  # by its own fault: counts for retries and for halting the study
    crowded: bool = False  # other trials on its GPU left it too little memory: it goes on alone
    error: Why = ""  # of one that crashed: what went wrong, whether or not it is tried again
    fault: GpuFault = ""  # its GPU is to blame, or may be: no retry is spent
    setup: bool = False  # CUDA did not start


class SetAside(Fact, frozen=True, tag="set_aside"):
    """GPUs that fail trials, on which nothing starts any more; their crashes there are excused."""

    gpus: tuple[str, ...]  # UUIDs
    why: GpuAside
    trials: tuple[int, ...]  # one entry a crash


class Packed(Fact, frozen=True, tag="packed"):
    """A measurement of how many trials one GPU of this model can run."""

    model: str
    most: int
    open: bool  # whether one more will be tried
    gain: float  # ratio of the work per second to that of the number before
    why: Why


class Silent(Fact, frozen=True, tag="silent"):
    """A running trial has given no sign of life for so many seconds."""

    trial: int
    attempt: int
    seconds: float


class Halted(Fact, frozen=True, tag="halted"):
    """Nothing more is launched; running trials drain unless `finish`."""

    why: Why
    finish: bool
    failed: bool  # halted because trials keep failing
    now: bool = False


class Finished(Fact, frozen=True, tag="finished"):
    """Nothing runs, and nothing will be launched: the study is complete, or was halted."""

    complete: bool
    why: Why


Decision = (
    Ask
    | Launch
    | Verdict
    | Signal
    | StyleChosen
    | CodeChanged
    | Promoted
    | Added
    | Settled
    | SetAside
    | Packed
    | Silent
    | Park
    | Unpark
    | Halted
    | Finished
)
