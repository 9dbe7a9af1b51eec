"""What does the engine ask of a zygote, and what does it hear back? One JSON object a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tuitune.trial.wire import Order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# --- engine -> zygote ------------------------------------------------------------------------


class Setup(NamedTuple):
    target: str | None
    samplers: Sequence[str]
    folder: str  # the study file's


class Launch(NamedTuple):
    order: Order


class Kill(NamedTuple):
    trial: int
    attempt: int
    how: str  # "term" | "kill"


class Sample(NamedTuple):
    id: int
    targets: Mapping[str, str]  # parameter -> "file.py:function"
    seed: str
    config: Mapping[str, Any]


class CancelSample(NamedTuple):
    id: int


class Retire(NamedTuple):
    """Start nothing more; end when the last child has ended."""


# --- zygote -> engine ------------------------------------------------------------------------


class Ready(NamedTuple):
    files: Sequence[str]  # the study's own sources that were imported
    fresh: str | None  # why trials can't be forked


class Failed(NamedTuple):
    traceback: str


class Started(NamedTuple):
    trial: int
    attempt: int
    pid: int


class Exited(NamedTuple):
    trial: int
    attempt: int
    code: int | None
    signal: int | None
    max_rss: int  # bytes
    oom: bool
    left: int = 0  # processes that SIGKILL did not end in time
    error: str = ""  # why no process could be started
    errno: int = 0  # the same as the kernel's number


class Sampled(NamedTuple):
    id: int
    values: Mapping[str, Any]
    error: str | None
    errno: int = 0  # where no process could be started


Errand = Setup | Launch | Kill | Sample | CancelSample | Retire
Word = Ready | Failed | Started | Exited | Sampled

KINDS: dict[str, type[Errand | Word]] = {
    kind.__name__: kind
    for kind in (
        Setup, Launch, Kill, Sample, CancelSample, Retire, Ready, Failed, Started, Exited, Sampled
    )
}  # fmt: skip


def encode(message: Errand | Word) -> bytes:
    """One line, its end included. NaN and infinity pass, as Python's json writes them."""
    body = message._asdict()
    if isinstance(message, Launch):
        body["order"] = message.order._asdict()
    return json.dumps({"type": type(message).__name__, **body}).encode() + b"\n"


def decode(line: bytes | str) -> Errand | Word:
    """Raises ValueError, KeyError or TypeError for a line that is no message."""
    body = json.loads(line)
    kind = KINDS[body.pop("type")]
    if kind is Launch:
        return Launch(Order(**body["order"]))
    return kind(**body)
