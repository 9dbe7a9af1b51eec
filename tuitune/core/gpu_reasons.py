"""Typed reasons about GPUs, and the base of all reasons; see `tuitune.core.reasons`."""

from typing import Literal

import msgspec


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """One reason; each kind has a tag of its own."""


class GpusShared(Reason, frozen=True, tag="gpus shared"):
    """The throughput of `many` trials on a GPU, over that of `few`, and what follows."""

    many: int
    few: int
    gain: float  # a ratio
    kept: int  # so many are put together
    open: bool  # and more are tried


class TrialsOnGpu(Reason, frozen=True, tag="trials on gpu"):
    """How many trials are on a GPU, and the gain in throughput; sizes in bytes."""

    trials: int
    largest: int  # peak of any of them
    memory: int  # of the GPU
    gain: float | None  # a ratio to the throughput of one trial; None: not measured


class GpuTaken(Reason, frozen=True, tag="gpu taken"):
    """Processes that are not the study's compute on a GPU: the first of them, and how many more.

    user: empty where it is not visible. memory: bytes; None: unknown. own: the study's user.
    """

    pid: int
    user: str
    name: str
    memory: int | None
    more: int = 0
    own: bool = False


class GpuFilled(Reason, frozen=True, tag="gpu filled"):
    """So many bytes of a GPU are in use by processes that its driver doesn't list."""

    memory: int


class GpuBarred(Reason, frozen=True, tag="gpu barred"):
    """Why no trial starts on a GPU.

    text: who holds its lock, or what is wrong with it. trial: the one whose memory is still held.
    """

    cause: Literal[
        "just left", "left free", "locked", "held", "gone", "trouble", "unknown", "spare"
    ]
    text: str = ""
    trial: int | None = None


class GpusAllowed(Reason, frozen=True, tag="gpus allowed"):
    """The GPUs that a study may use, until this minute of the day; None: always."""

    gpus: int
    until: int | None = None


class GpuAside(Reason, frozen=True, tag="gpu aside"):
    """A GPU that fails trials: nothing starts on it. xid: of the driver, if it has reported one."""

    error: str
    xid: int | None
    since: float  # Unix s
    failures: int = 1
    study: str = ""  # in which it failed them


class GpuParked(Reason, frozen=True, tag="gpu parked"):
    """Its GPU memory is in the host's. way: it makes way for others; else the user paused it."""

    memory: int  # bytes
    gpu: int | None  # the number of the GPU that it was on; None: it is gone
    way: bool


class WrongGpu(Reason, frozen=True, tag="wrong gpu"):
    """A trial computes on a GPU that it was not given.

    line: of the code that chooses the GPU, as "train.py:7"; empty: unknown. harm: why the trial
    must not stay there.
    """

    trial: int
    gpu: int  # the GPU's number, as nvidia-smi counts
    given: tuple[int, ...]  # the numbers of those that it was given
    line: str = ""
    harm: Literal["", "others", "not allowed"] = ""
    node: str = ""


class GpuNumbers(Reason, frozen=True, tag="gpu numbers"):
    """The GPUs of an attempt, as nvidia-smi of their node counts."""

    numbers: tuple[int, ...]
    node: str = ""


Device = str | GpuNumbers  # "host", a node, or in the words of an older journal
Obstacle = str | GpuTaken | GpuFilled | GpuBarred | GpusAllowed | GpuAside


class GpuNews(Reason, frozen=True, tag="gpu news"):
    """GPUs on which trials can start no more, or again, by number; a why of "": they can."""

    changes: tuple[tuple[int, Obstacle], ...]
    node: str = ""


class NodeNews(Reason, frozen=True, tag="node news"):
    """A node that trials can use now, or can't any more; text: why."""

    node: str
    what: Literal["joined", "lost", "barred", "free"]
    text: str = ""
    cpus: float = 0.0
    gpus: int = 0


GpuReason = (
    Obstacle | GpusShared | TrialsOnGpu | GpuNews | GpuNumbers | GpuParked | NodeNews | WrongGpu
)
