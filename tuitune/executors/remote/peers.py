"""Agents as the engine knows them: what they are told, asked and waited for."""

import asyncio
import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tuitune.core import events as ev, gpu_reasons, reasons
from tuitune.executors.base import (
    Clock,
    NotNowError,
    SampleError,
    Sink,
    TargetError,
    UnreachableError,
)
from tuitune.executors.remote import protocol
from tuitune.executors.remote.link import Link, Sender

Key = tuple[int, int]  # the trial and the attempt
_MEND = "name a folder that all nodes have, at the same path, or a URL that they can write"


@dataclass(slots=True)
class Peer:
    """An agent, from when it has joined until it is gone."""

    name: str
    node: ev.Node
    link: Link
    sender: Sender
    gpus: int = 0  # as the transport says
    attempts: set[Key] = field(default_factory=set)
    state: Literal["importing", "ready", "unimportable", "closed", "gone"] = "importing"
    error: str = ""  # the traceback, where it is unimportable
    found: bool = False  # its files
    lacks_storage: bool = False  # why is in `error`
    blocked: dict[str, str] = field(default_factory=dict)  # what keeps trials from starting there
    samples: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    doubt: str = ""  # why it may be gone, which is not known
    works: bool = False  # some trial has ended here by itself
    leaving: bool = False  # its node will soon be lost

    @property
    def shown(self) -> ev.Node:
        """Its node, with what keeps trials from starting there."""
        why = "; ".join(self.blocked.values())
        return msgspec.structs.replace(self.node, obstacle=why, leaving=self.leaving)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended all trials, or had none when it was heard last."""
        return self.state == "closed" or (bool(self.doubt) and not self.attempts)

    def tell(self, message: protocol.ToAgent, *, urgent: bool = True) -> None:
        """Send it a message; one that is not urgent may wait for others."""
        self.sender.put(protocol.encode(message), urgent=urgent)


def may_begin(peers: Collection[Peer], storage: str, broken: str) -> bool:
    """Whether an agent is ready, and all are known to have the storage, if there is one.

    broken: why no agent will come. Raises UnreachableError for that, or where one lacks the
    storage; TargetError where no node can import the target.
    """
    if broken:
        raise UnreachableError(broken)
    failed = [peer for peer in peers if peer.state == "unimportable"]
    if lacking := [peer for peer in failed if peer.lacks_storage]:
        names = ", ".join(sorted(peer.node.name for peer in lacking))
        raise UnreachableError(f"--storage {storage}: on {names}: {lacking[0].error}; {_MEND}")
    if failed and len(failed) == len(peers):
        raise TargetError(failed[0].error)
    waits = bool(storage) and any(not peer.found for peer in peers)
    return any(peer.state == "ready" for peer in peers) and not waits


class Samples:
    """Asks an agent to call samplers; see `Executor.sample`."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    async def ask(
        self, peer: Peer | None, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The values that this agent finds. Raises SampleError."""
        if peer is None:
            raise NotNowError("no node is there now")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        peer.samples[number] = answer
        peer.tell(protocol.Sample(number, dict(targets), seed, dict(config)))
        return await answer

    @staticmethod
    def have_come(peer: Peer, message: protocol.Sampled) -> None:
        """An agent answers."""
        answer = peer.samples.pop(message.number, None)
        if answer is None or answer.done():
            return
        if message.error:
            answer.set_exception((NotNowError if message.not_now else SampleError)(message.error))
        else:
            answer.set_result(message.values)

    @staticmethod
    def forget(peer: Peer) -> None:
        """An agent is gone, and answers nothing any more."""
        for answer in peer.samples.values():
            if not answer.done():
                answer.set_exception(NotNowError("the node is gone"))


class Teller:
    """Tells the sink of nodes that change, while it is to be told: `tells`."""

    def __init__(self, sink: Sink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self.tells = False

    def opened(self, peer: Peer) -> None:
        """Trials can be launched there."""
        room = peer.node.cpus, len(peer.node.gpus)
        self._tell(peer.shown, gpu_reasons.NodeNews(peer.node.name, "joined", "", *room))

    def barred(self, peer: Peer, cause: str, why: str) -> None:
        """Nothing starts there any more; why is empty: it does again."""
        if why:
            peer.blocked[cause] = why
        else:
            peer.blocked.pop(cause, None)
        if peer.state in {"ready", "unimportable"}:
            what: Literal["barred", "free"] = "barred" if why else "free"
            self._tell(peer.shown, gpu_reasons.NodeNews(peer.node.name, what, why))

    def lost(self, peer: Peer, why: str) -> None:
        """Its trials are lost."""
        node = msgspec.structs.replace(peer.node, lost=True, obstacle=why)
        self._tell(node, gpu_reasons.NodeNews(node.name, "lost", why))

    def changed(self, peer: Peer, event: ev.NodeChanged) -> None:
        """Its GPUs are other ones, or in another state."""
        why = event.why
        if isinstance(why, gpu_reasons.GpuNews):
            why = msgspec.structs.replace(why, node=peer.node.name)
        peer.node = msgspec.structs.replace(peer.node, gpus=event.node.gpus)
        self._tell(peer.shown, why)

    def _tell(self, node: ev.Node, why: reasons.Why) -> None:
        if self.tells:
            self._sink([ev.NodeChanged(self._clock(), node, why)])
