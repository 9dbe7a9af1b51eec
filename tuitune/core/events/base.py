"""Parts of the facts of the journal: states, reasons, settings, GPUs."""

from enum import StrEnum
from typing import Final, Literal

import msgspec

from tuitune.core.gpu_reasons import Obstacle
from tuitune.core.placement.hours import Window


class TrialState(StrEnum):
    """Where a trial stands, as the journal, the tables and the commands spell it."""

    WAITING = "WAITING"  # for a slot
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"  # at a rung, or by the user
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    __hash__ = str.__hash__  # Enum's own is slow, and every row is looked up by state


ENDED: Final = frozenset(
    {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAILED, TrialState.KILLED}
)


class StopReason(StrEnum):
    """Why an attempt is to leave before its end."""

    PRUNED = "pruned"
    KILLED = "killed"
    DRAIN = "drain"  # the study stops
    TIMEOUT = "timeout"
    TARGET = "target"  # the study's target is reached
    AT_RUNG = "parked"  # it waits there to be promoted
    PAUSED = "paused"  # by the user
    MOVED = "moved"  # its GPU is lost, or left to another user
    RETURNED = "returned"  # its function has returned, and its process does not exit
    OVERDUE = "overdue"  # it is complete, but neither returns nor reports
    WRONG_GPU = "wrong gpu"  # it computes on a GPU of others, or that the study may not use
    NOT_RESTORED = "not restored"  # its GPU memory, which was moved to the host, is lost

    __hash__ = str.__hash__


# Of an error: it names a broken GPU, or one on which CUDA does not start.
GpuError = Literal["", "card", "setup"]
# What follows: the GPU is set aside, or the trial is tried on another one first.
GpuFault = Literal["", "aside", "elsewhere"]
Action = Literal["go", "stop", "pause", "complete"]
SignalHow = Literal["ask", "term", "kill", "release"]


class Settings(msgspec.Struct, frozen=True, array_like=True):
    """What may change between two runs of one study."""

    trials: int
    concurrency: int | None
    cpus: float  # a trial
    memory: int | None  # bytes, a trial
    retries: int
    timeout: float | None  # seconds, an attempt
    time_limit: float | None  # seconds, the study
    target: float | None
    gpus: float | Literal["auto"] = 0.0  # a trial
    # another user comes to one of our GPUs
    on_foreign: Literal["drain", "pause", "ignore", "park"] = "drain"
    leave_within: float | None = None  # seconds to save and leave in; None: by the slowest epoch
    keep_checkpoints: Literal["best", "all", "none"] = "best"  # of trials that have ended
    disk_free: int | None = None  # bytes below which nothing is launched; None: some %; 0: no limit
    max_gpus: int | None = None  # outside of `hours`; None: all
    hours: tuple[Window, ...] = ()
    yield_to: tuple[str, ...] = ()  # logins for whom `on_foreign` is done at once
    pause: Literal["save", "park"] = "save"  # how a trial is paused
    notify: tuple[str, ...] = ()  # a command, run when the study has ended or has lost a GPU


class Gpu(msgspec.Struct, frozen=True, array_like=True):
    """A GPU, or a MIG instance, as far as placement reads it."""

    uuid: str
    index: int
    name: str  # its model's
    memory: int  # bytes that trials may use; 0: unknown
    obstacle: Obstacle = ""  # why nothing starts on it now
    lost: bool = False  # trials on it can not go on either
    foreign: bool = False  # another user's process computes on it
    packs: bool = True  # several trials may share it
    busy: float = 0.0  # share of the time in which others use it, in quarters
    links: dict[str, int] = {}  # UUID of another -> how close it is, up to 100
    joins: bool = True  # a trial may have it together with another GPU
    unified: bool = False  # its memory is the host's
    claimed: bool = False  # another user has been on it for so long that trials may leave


class Node(msgspec.Struct, frozen=True, array_like=True):
    """A machine that runs trials, as far as placement reads it."""

    name: str  # no two of a study's have the same; empty: the machine of the engine
    cpus: float  # CPU slots for this study
    memory: int  # bytes
    gpus: tuple[Gpu, ...] = ()  # that this study may use
    obstacle: Obstacle = ""  # why nothing starts on it now
    lost: bool = False  # its trials are gone, or will be
    apart: bool = False  # what trials save there is on no other node
    leaving: bool = False  # it will soon be lost: its trials are to save and leave


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One line of the journal."""

    time: float
