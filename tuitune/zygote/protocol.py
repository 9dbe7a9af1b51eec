"""The messages between an engine and a zygote."""

# annotations are not deferred: see `wire`
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tuitune.ipc.frames import Codec
from tuitune.trial.wire import Order

# --- engine -> zygote: requests. An Order starts its trial. ---------------------------------------


class Setup(NamedTuple):
    """The first request: what to import."""

    target: str | None
    samplers: Sequence[str]
    folder: str  # the trials' working folder


class Kill(NamedTuple):
    """Signal all processes of an attempt."""

    trial: int
    attempt: int
    how: str  # "term" | "kill"


class Sample(NamedTuple):
    """Call samplers in this order, each with the values before it."""

    id: int
    targets: Mapping[str, str]  # parameter -> "file.py:function"
    seed: str
    config: Mapping[str, Any]


class CancelSample(NamedTuple):
    """Kill the samplers' process."""

    id: int


class Retire(NamedTuple):
    """Start nothing more; end when the last child has ended."""


# --- zygote -> engine: replies --------------------------------------------------------------------


class Ready(NamedTuple):
    """All is imported."""

    files: Sequence[str]  # the study's own sources that were imported
    fresh: str | None  # why trials can't be forked
    seconds: float = 0.0  # that the import took


class Failed(NamedTuple):
    """The import has failed; the zygote ends."""

    traceback: str


class Started(NamedTuple):
    """An attempt has a process."""

    trial: int
    attempt: int
    pid: int


class Exited(NamedTuple):
    """An attempt's processes are gone, or could not be started."""

    trial: int
    attempt: int
    code: int | None
    signal: int | None
    max_rss: int  # bytes
    oom: bool
    left: int = 0  # processes that SIGKILL did not end in time
    error: str = ""  # why no process could be started
    errno: int = 0  # the kernel's number of that error


class Sampled(NamedTuple):
    """The samplers' values, or the error."""

    id: int
    values: Mapping[str, Any]
    error: str | None
    errno: int = 0  # if no process could be started


Request = Setup | Order | Kill | Sample | CancelSample | Retire
Reply = Ready | Failed | Started | Exited | Sampled

requests: Codec[Request] = Codec(Setup, Order, Kill, Sample, CancelSample, Retire)
replies: Codec[Reply] = Codec(Ready, Failed, Started, Exited, Sampled)
