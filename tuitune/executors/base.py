"""The executor: what runs a study's trials, and its contract with the engine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from tuitune.core.events import AnyFact, Event, Node
from tuitune.core.placement.snapshots import NodeReadings
from tuitune.core.study.checkpoints import Keep
from tuitune.trial.wire import Order


class Plan(msgspec.Struct, frozen=True):
    """How the trials of one study are started."""

    target: str | None  # "file.py:function" or "package.module:function"; None: commands
    folder: str  # targets are looked up and trials run there: the study file's, or its `cwd`
    study_folder: str  # runs/<study>: the processes' tag, and engine.log
    socket: str  # where trials connect: a path under 100 bytes in a folder that only we may enter
    env: Mapping[str, str] = {}  # set before the target is imported
    samplers: tuple[str, ...] = ()  # the targets of sampled parameters, imported with the target
    python: str = sys.executable
    adopt_orphans: bool = False  # nothing but the engine runs in this process


class TargetError(Exception):
    """The target or a sampler can't be imported; str() is the traceback as Python prints it."""


class UnreachableError(Exception):
    """There is nothing to run trials on; str() says why, and the mend."""


class SampleError(Exception):
    """A sampler raised, died, or took too long; str() is the message."""


class NotNowError(SampleError):
    """Samplers can't be called at the moment, for a reason outside of them; str() is the reason."""


Sink = Callable[[Sequence["Event"]], None]
Clock = Callable[[], float]  # Unix seconds, for the events


class Executor(Protocol):
    """Starts attempts and sends what happens to them to the sink it was made with.

    For each `launch` the sink gets at most one Started, then reports, checkpoints and warnings,
    then exactly one Exited, and nothing after it; an attempt that could not be started gets an
    Exited that is `lost`. The sink is called on the thread of the event loop, never from within a
    call of the engine's. A report with `waits` is followed by nothing of its attempt but Exited
    until it is answered. What is asked of an attempt that has exited, or was never launched, is
    ignored. `tests/contract.py` checks this for any executor.
    """

    async def open(self) -> None:
        """Import the target. Raises TargetError."""

    def launch(self, order: Order) -> None:
        """Start an attempt. Never raises."""

    def answer(self, trial: int, attempt: int, action: str, save: bool) -> None:  # noqa: FBT001
        """Give a report that waits its verdict: "go", "stop" or "complete"."""

    def ask_stop(self, trial: int, attempt: int, reason: str, save: bool) -> None:  # noqa: FBT001
        """Let TrialStopped be raised at the attempt's next report."""

    def release(self, trial: int, attempt: int) -> None:
        """Let a trial go on that was asked to pause and is Frozen."""

    def signal(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> None:
        """Send SIGTERM or SIGKILL to all processes of the attempt."""

    async def sample(
        self, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Call samplers (parameter -> target) in order, each with the values before it.

        Raises SampleError.
        """

    async def close(self) -> None:
        """Kill what is left and wait until it is gone; the sink gets nothing after that."""


def with_nodes(executor: object) -> HasNodes | None:
    """An executor that runs trials on several nodes; None for one of this machine."""
    return executor if isinstance(executor, HasNodes) else None


@runtime_checkable
class HasNodes(Protocol):
    """An executor whose trials run on several nodes; an order says on which one."""

    def nodes(self) -> tuple[Node, ...]:
        """Those that have joined; from now on the sink gets a NodeChanged for each change."""

    @property
    def has_gpus(self) -> bool:
        """Whether some node has GPUs, which may join later."""

    @property
    def place(self) -> str:
        """What the nodes are, in words, once it is open."""

    def readings(self) -> Mapping[str, NodeReadings]:
        """The newest readings of each node since this was last called."""

    def follow_log(self, trial: int, attempt: int) -> None:
        """Add to the trial's log in the study folder what the attempt has printed since."""

    def leave(self, keeps: Mapping[int, Keep]) -> None:
        """As `Folders.leave`, on nodes and in the storage."""

    def act_on(self, facts: Sequence[AnyFact], study: str) -> None:
        """Take in facts that are stored: GPUs that are set aside, settings, trials to be parked."""

    def want_room(self, wanted: bool) -> None:  # noqa: FBT001
        """Whether a trial waits for room, so that another node would be of use."""

    def clear(self, which: str) -> None:
        """Use GPUs again that were set aside, on all nodes; see `Quarantine.clear`."""


Factory = Callable[[Plan, Sink, Clock], Executor]
