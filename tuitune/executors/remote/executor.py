"""The executor of several nodes: an agent on each runs the trials there."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from tuitune.core import events as ev
from tuitune.core.gpu_reasons import GpuNews, NodeNews
from tuitune.core.placement.snapshots import NodeReadings
from tuitune.core.reasons import Why
from tuitune.core.spec import DevicesSpec
from tuitune.executors.base import (
    Clock,
    NotNowError,
    Plan,
    SampleError,
    Sink,
    TargetError,
    UnreachableError,
)
from tuitune.executors.remote import words
from tuitune.executors.remote.link import LEASE, LOST, Link, Sender
from tuitune.executors.remote.peer import Key, Peer
from tuitune.executors.remote.transport import Room, Transport
from tuitune.trial.wire import Order, encode_order

_MARK = ".nodes-"  # how the names of files begin by which folders are known
_LOOK = 0.5  # s between two looks at agents that are silent
_PARTING = 20.0  # s for an agent to end its trials when the executor is closed
_IMPORT_AGAIN = 30.0  # s until a node that can't import the target is tried anew
_RETRY = 5.0  # s until a node that lacks something is tried again


class NodesExecutor:
    """The `executors.base.Executor` whose trials run on the nodes of a transport.

    An attempt of an agent that is gone gets an Exited that is `lost`, once nothing of it can run
    any more: its process has ended, or it was not heard for so long that it has ended itself.
    """

    def __init__(  # noqa: PLR0913 - the two times are for tests
        self,
        plan: Plan,
        sink: Sink,
        clock: Clock,
        transport: Transport,
        *,
        devices: DevicesSpec | None = None,
        settings: ev.Settings | None = None,
        lease: float = LEASE,
        lost: float = LOST,
    ) -> None:
        """devices: None where trials have no GPUs. lease, lost: see `link`."""
        self._devices = devices
        self._settings = settings
        self._lease = lease
        self._lost = lost
        # By this file, and one of an agent's beside it, each sees that it is the same folder.
        self._mark = Path(plan.study_folder, f"{_MARK}{secrets.token_hex(8)}")
        self._plan = plan
        self._sink = sink
        self._clock = clock
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._peers: dict[str, Peer] = {}
        self._before: dict[str, list[str]] = {}  # node -> agents that it had
        self._numbers = itertools.count()
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._readings: dict[str, NodeReadings] = {}
        self._tells = False  # whether the sink is told of nodes
        self._broken = ""
        self._closed = False

    # --- the engine's calls ----------------------------------------------------------------------

    async def open(self) -> None:
        """Wait for the first agent. Raises TargetError, UnreachableError."""
        self._make_mark()
        await self._transport.open(self)
        self._watching = asyncio.create_task(self._watch())
        while not self._ready():
            failed = [peer.error for peer in self._peers.values() if peer.state == "unimportable"]
            if failed and len(failed) == len(self._peers):
                raise TargetError(failed[0])
            if self._broken:
                raise UnreachableError(self._broken)
            self._changed.clear()
            await self._changed.wait()

    def _make_mark(self) -> None:
        """In place of those that an engine has left that was killed."""
        for left in self._mark.parent.glob(f"{_MARK}*"):
            left.unlink(missing_ok=True)
        self._mark.write_text("", encoding="utf-8")

    def nodes(self) -> tuple[ev.Node, ...]:
        """The nodes that have joined; from now on the sink is told what changes."""
        self._tells = True
        return tuple(peer.shown for peer in self._ready())

    @property
    def has_gpus(self) -> bool:
        """As `HasNodes.has_gpus`."""
        return self._transport.has_gpus

    def launch(self, order: Order) -> None:
        """Send the order to the agent of its node; without one the attempt is lost."""
        peer = self._on(order.node)
        if peer is None or self._closed:
            self._loop.call_soon(self._lose, [(order.trial, order.attempt)], "its node is gone")
            return
        peer.attempts.add((order.trial, order.attempt))
        peer.tell(words.Launch(encode_order(order)))

    def answer(self, trial: int, attempt: int, action: str, save: bool) -> None:  # noqa: FBT001
        """As `Executor.answer`."""
        self._ask(trial, attempt, words.Answer(trial, attempt, action, save))

    def ask_stop(self, trial: int, attempt: int, reason: str, save: bool) -> None:  # noqa: FBT001
        """As `Executor.ask_stop`."""
        self._ask(trial, attempt, words.AskStop(trial, attempt, reason, save))

    def release(self, trial: int, attempt: int) -> None:
        """As `Executor.release`."""
        self._ask(trial, attempt, words.Release(trial, attempt))

    def signal(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> None:
        """As `Executor.signal`."""
        self._ask(trial, attempt, words.Signal(trial, attempt, how))

    async def sample(
        self, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Ask the first agent. Raises SampleError."""
        peer = next(iter(self._ready()), None)
        if peer is None:
            raise NotNowError("no node is there now")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        peer.samples[number] = answer
        peer.tell(words.Sample(number, dict(targets), seed, dict(config)))
        return await answer

    def readings(self) -> dict[str, NodeReadings]:
        """As `HasNodes.readings`."""
        found, self._readings = self._readings, {}
        return found

    def act_on(self, facts: Sequence[ev.AnyFact], study: str) -> None:
        """Tell the agents of new settings, and of GPUs that are set aside."""
        for fact in facts:
            if isinstance(fact, ev.SettingsChanged):
                self._settings = fact.settings
                self._tell_all(words.Change(fact.settings))
            elif isinstance(fact, ev.SetAside):
                self._tell_all(words.Aside(fact, study))

    def _tell_all(self, word: words.ToAgent) -> None:
        for peer in self._ready():
            peer.tell(word)

    async def close(self) -> None:
        """Let all agents kill their trials, and end them."""
        self._closed = True
        for peer in self._peers.values():
            peer.tell(words.Close())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                while any(peer.state != "closed" for peer in self._peers.values()):
                    self._changed.clear()
                    await self._changed.wait()
        if self._watching is not None:
            self._watching.cancel()
        await self._transport.close()
        self._mark.unlink(missing_ok=True)
        for peer in list(self._peers.values()):
            self._forget(peer)
            self._lose(peer.attempts, "the engine was closed")

    # --- what the transport tells ----------------------------------------------------------------

    def joined(self, agent: str, room: Room) -> None:
        """Let the agent import the target."""
        if self._closed:
            return
        node = ev.Node(room.node, room.cpus, room.memory)
        link = Link(self._loop.time())
        sender = Sender(link, functools.partial(self._transport.send, agent))
        peer = self._peers[agent] = Peer(agent, node, link, sender, room.gpus)
        before = self._before.setdefault(room.node, [])
        setup = words.Setup(
            self._plan,
            room.node,
            self._lease,
            room.cpus,
            room.memory,
            tuple(before),
            self._devices,
            self._settings,
            self._mark.name,
        )
        peer.tell(setup)
        before.append(agent)

    def came(self, agent: str, frame: bytes) -> None:
        """Take in what an agent says; one that is gone is not heard any more."""
        peer = self._peers.get(agent)
        if peer is None:
            return
        for word in peer.link.take(frame, self._loop.time()):
            self._hear(peer, words.of_agent(word))
        peer.sender.flush()

    def gone(self, agent: str, why: str, *, ended: bool) -> None:
        """Its trials are lost: at once, if its process has ended."""
        peer = self._peers.get(agent)
        if peer is None:
            return
        if ended:
            self._have_lost(peer, why)
        else:
            peer.doubt = why

    def broken(self, why: str) -> None:
        """No agent is left, and none will come: the study can't go on."""
        self._broken = why
        self._changed.set()
        if not self._closed:
            self._sink([ev.StopAsked(self._clock(), finish=False, why=why, failed=True)])

    # --- agents ----------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Take agents for gone that were not heard for too long."""
        while True:
            await asyncio.sleep(_LOOK)
            now = self._loop.time()
            for peer in list(self._peers.values()):
                if now - peer.link.heard_at >= self._lost:
                    self._have_lost(peer, peer.doubt or f"not heard for {self._lost:g} s")

    def _have_lost(self, peer: Peer, why: str) -> None:
        was_ready = peer.state == "ready"
        self._forget(peer)
        self._transport.end(peer.name)
        if was_ready and self._on(peer.node.name) is None:  # else another has its place already
            lost = msgspec.structs.replace(peer.node, lost=True, obstacle=why)
            self._tell_node(lost, NodeNews(lost.name, "lost", why))
        self._lose(peer.attempts, f"its node was lost: {why}")

    def _forget(self, peer: Peer) -> None:
        peer.state = "gone"
        self._peers.pop(peer.name, None)
        peer.sender.close()
        for answer in peer.samples.values():
            if not answer.done():
                answer.set_exception(NotNowError("the node is gone"))
        self._changed.set()

    def _lose(self, attempts: set[Key] | list[Key], why: str) -> None:
        now, keys = self._clock(), sorted(attempts)
        lost = [ev.Exited(now, *key, None, None, why, "", 0, lost=True) for key in keys]
        if lost:
            self._sink(lost)

    def _hear(self, peer: Peer, word: words.FromAgent) -> None:
        match word:
            case words.Ready(gpus):
                self._have_opened(peer, gpus)
            case words.Unimportable(text):
                self._have_failed(peer, text)
            case words.Happened(events):
                self._pass_on(peer, events)
            case words.Read(readings):
                self._readings[peer.node.name] = readings
            case words.Sampled():
                self._have_sampled(peer, word)
            case words.Closed():
                peer.state = "closed"
                self._changed.set()

    def _have_opened(self, peer: Peer, gpus: tuple[ev.Gpu, ...]) -> None:
        mark = self._mark.with_name(f"{self._mark.name}.{peer.name}")
        if not mark.exists():
            folder = self._plan.study_folder
            why = f"it has another folder at {folder}: keep the study where all nodes see it"
            self._have_failed(peer, why)
            return
        mark.unlink()
        peer.state = "ready"
        peer.node = msgspec.structs.replace(peer.node, gpus=gpus)
        if peer.gpus and self._devices is not None and not gpus:
            peer.blocked["gpus"] = f"{peer.gpus} GPUs are declared here, and NVML shows none"
        room = peer.node.cpus, len(gpus)
        self._tell_node(peer.shown, NodeNews(peer.node.name, "joined", "", *room))
        self._changed.set()

    def _have_failed(self, peer: Peer, text: str) -> None:
        peer.state, peer.error = "unimportable", text
        line = (text.strip().splitlines() or ["it can't be imported"])[-1]
        barred = msgspec.structs.replace(peer.node, obstacle=line)
        self._tell_node(barred, NodeNews(barred.name, "barred", line))
        self._loop.call_later(_IMPORT_AGAIN, self._transport.end, peer.name)
        self._changed.set()

    def _pass_on(self, peer: Peer, events: list[ev.Event]) -> None:
        """Stamped by the engine's clock; what keeps trials from one node is told of that node."""
        now, through = self._clock(), list[ev.Event]()
        for event in events:
            if isinstance(event, ev.LaunchBlocked):
                self._have_blocked(peer, event)
                continue
            if isinstance(event, ev.NodeChanged):
                peer.node = msgspec.structs.replace(peer.node, gpus=event.node.gpus)
                self._tell_node(peer.shown, _of_node(event.why, peer.node.name))
                continue
            if isinstance(event, ev.Exited):
                peer.attempts.discard((event.trial, event.attempt))
            through.append(msgspec.structs.replace(event, time=now))
        if through:
            self._sink(through)

    def _have_blocked(self, peer: Peer, event: ev.LaunchBlocked) -> None:
        if event.why:
            peer.blocked[event.cause] = event.why
        else:
            peer.blocked.pop(event.cause, None)
        if event.cause == "resources" and event.why:
            again = msgspec.structs.replace(event, why="")
            self._loop.call_later(_RETRY, self._have_blocked, peer, again)
        if peer.state == "ready":
            what: Literal["barred", "free"] = "barred" if event.why else "free"
            self._tell_node(peer.shown, NodeNews(peer.node.name, what, event.why))

    def _have_sampled(self, peer: Peer, word: words.Sampled) -> None:
        answer = peer.samples.pop(word.number, None)
        if answer is None or answer.done():
            return
        if word.error:
            answer.set_exception((NotNowError if word.not_now else SampleError)(word.error))
        else:
            answer.set_result(word.values)

    def _tell_node(self, node: ev.Node, why: Why) -> None:
        if self._tells and not self._closed:
            self._sink([ev.NodeChanged(self._clock(), node, why)])

    def _ready(self) -> list[Peer]:
        """The agents that can launch trials."""
        return [peer for peer in self._peers.values() if peer.state == "ready"]

    def _on(self, node: str) -> Peer | None:
        """The agent of this node that can launch trials."""
        return next((peer for peer in self._ready() if peer.node.name == node), None)

    def _ask(self, trial: int, attempt: int, word: words.ToAgent) -> None:
        """Send it to the agent that has the attempt; nothing where none has."""
        key = trial, attempt
        peer = next((peer for peer in self._peers.values() if key in peer.attempts), None)
        if peer is not None:
            peer.tell(word)


def _of_node(why: Why, node: str) -> Why:
    return msgspec.structs.replace(why, node=node) if isinstance(why, GpuNews) else why
