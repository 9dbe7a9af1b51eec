"""The executor of several nodes: an agent on each runs the trials there."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec

from tuitune.core import events as ev, spec
from tuitune.core.placement.snapshots import NodeReadings
from tuitune.core.study.checkpoints import Keep
from tuitune.executors.base import Clock, Plan, Sink
from tuitune.executors.remote import peers, protocol, study_files
from tuitune.executors.remote.link import LEASE, LOST, Link, Sender
from tuitune.executors.remote.peers import Key, Peer
from tuitune.executors.remote.transport import Room, Transport
from tuitune.trial.wire import Order, encode_order

_LOOK = 0.5  # s between two looks at agents that are silent
_PARTING = 20.0  # s for an agent to end its trials when the executor is closed
_IMPORT_AGAIN = 30.0  # s until a node that can't import the target is tried again
_AWAITED = 15.0  # s for nodes to join that have what trials go on from
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
        files: protocol.Files | None = None,
        note: Callable[[str], None] = lambda _: None,
        awaited: Collection[str] = (),
        devices: spec.DevicesSpec | None = None,
        settings: ev.Settings | None = None,
        lease: float = LEASE,
        lost: float = LOST,
    ) -> None:
        """Make it.

        files: without its marks. note: shows a message. awaited: nodes that have what trials go on
        from; the study waits for them a little. devices: None where trials have no GPUs. lease,
        lost: see `link`.
        """
        self._devices = devices
        self._settings = settings
        self._lease = lease
        self._lost = lost
        self._files = study_files.StudyFiles(plan, files or protocol.Files(), note)
        self._awaited = frozenset(awaited)
        self._plan = plan
        self._sink = sink
        self._clock = clock
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._peers: dict[str, Peer] = {}
        self._before: dict[str, list[str]] = {}  # node -> agents that it had
        self._samples = peers.Samples()
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._readings: dict[str, NodeReadings] = {}
        self._left: dict[int, Keep] = {}  # as `leave` was told: for nodes that join later
        self._news = peers.Teller(sink, clock)
        self._broken = ""
        self._closed = False

    # --- the engine's calls ----------------------------------------------------------------------

    async def open(self) -> None:
        """Wait for the first agent. Raises TargetError, UnreachableError."""
        self._files.begin()
        await self._transport.open(self)
        self._watching = asyncio.create_task(self._watch())
        await self._until(
            lambda: peers.may_begin(self._peers.values(), self._files.storage, self._broken)
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_AWAITED):
                await self._until(lambda: self._awaited <= {p.node.name for p in self._ready()})

    async def _until(self, condition: Callable[[], bool]) -> None:
        """What agents say may make it true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def nodes(self) -> tuple[ev.Node, ...]:
        """The nodes that have joined; from now on the sink is told what changes."""
        self._news.tells = True
        self._loop.call_soon(self._stop_if_broken)
        there = [peer for peer in self._peers.values() if peer.state in {"ready", "unimportable"}]
        return tuple(peer.shown for peer in there)

    @property
    def has_gpus(self) -> bool:
        """As `HasNodes.has_gpus`."""
        return self._transport.has_gpus

    @property
    def place(self) -> str:
        """As `HasNodes.place`."""
        return self._transport.place

    def launch(self, order: Order) -> None:
        """Send the order to the agent of its node; without one the attempt is lost."""
        peer = self._on(order.node)
        if peer is None or self._closed:
            self._loop.call_soon(self._lose, [(order.trial, order.attempt)], "its node is gone")
            return
        self._left.pop(order.trial, None)
        peer.attempts.add((order.trial, order.attempt))
        peer.tell(protocol.Launch(encode_order(order)))

    def answer(self, trial: int, attempt: int, action: str, save: bool) -> None:  # noqa: FBT001
        """As `Executor.answer`."""
        self._ask(trial, attempt, protocol.Answer(trial, attempt, action, save))

    def ask_stop(self, trial: int, attempt: int, reason: str, save: bool) -> None:  # noqa: FBT001
        """As `Executor.ask_stop`."""
        self._ask(trial, attempt, protocol.AskStop(trial, attempt, reason, save))

    def release(self, trial: int, attempt: int) -> None:
        """As `Executor.release`."""
        self._ask(trial, attempt, protocol.Release(trial, attempt))

    def signal(self, trial: int, attempt: int, how: Literal["term", "kill"]) -> None:
        """As `Executor.signal`."""
        self._ask(trial, attempt, protocol.Signal(trial, attempt, how))

    async def sample(
        self, targets: Mapping[str, str], seed: str, config: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Ask the first agent. Raises SampleError."""
        return await self._samples.ask(next(iter(self._ready()), None), targets, seed, config)

    def readings(self) -> dict[str, NodeReadings]:
        """As `HasNodes.readings`."""
        found, self._readings = self._readings, {}
        return found

    def act_on(self, facts: Sequence[ev.AnyFact], study: str) -> None:
        """Tell the agents of new settings, of GPUs that are set aside, and of trials to park."""
        for fact in facts:
            if isinstance(fact, ev.SettingsChanged):
                self._settings = fact.settings
                self._tell_all(protocol.Change(fact.settings))
            elif isinstance(fact, ev.SetAside):
                self._tell_all(protocol.Act(fact, study))
            elif isinstance(fact, ev.Park | ev.Unpark):
                self._ask(fact.trial, fact.attempt, protocol.Act(fact, study))

    def want_room(self, wanted: bool) -> None:  # noqa: FBT001
        """As `HasNodes.want_room`."""
        if not self._closed:
            self._transport.want_room(wanted)

    def clear(self, which: str) -> None:
        """As `HasNodes.clear`."""
        self._tell_all(protocol.Clear(which))

    def follow_log(self, trial: int, attempt: int) -> None:
        """As `HasNodes.follow_log`."""
        self._ask(trial, attempt, self._files.logs.ask(trial, attempt))

    def leave(self, keeps: Mapping[int, Keep]) -> None:
        """As `HasNodes.leave`; only the node that runs a trial has what is removed meanwhile."""
        ended = {trial: keep for trial, keep in keeps.items() if not keep.live}
        self._left |= ended
        for at, peer in enumerate(self._ready()):
            running = {trial for trial, _ in peer.attempts}
            own = {trial: keep for trial, keep in keeps.items() if keep.live and trial in running}
            for some, in_storage in ((ended, at == 0), (own, True)):
                if some:
                    peer.tell(protocol.Leave(some, in_storage=in_storage), urgent=False)

    def _tell_all(self, message: protocol.ToAgent) -> None:
        for peer in self._ready():
            peer.tell(message)

    async def close(self) -> None:
        """Let all agents kill their trials, and end them."""
        self._closed, self._news.tells = True, False
        for peer in self._peers.values():
            peer.tell(protocol.Close())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await self._until(lambda: all(p.has_ended for p in self._peers.values()))
        if self._watching is not None:
            self._watching.cancel()
        await self._transport.close()
        self._files.end()
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
        setup = protocol.Setup(
            self._plan,
            room.node,
            self._lease,
            room.cpus,
            room.memory,
            tuple(before),
            self._devices,
            self._settings,
            self._files.files,
        )
        peer.tell(setup)
        before.append(agent)

    def came(self, agent: str, frame: bytes) -> None:
        """Take in what an agent says; one that is gone is not heard any more."""
        peer = self._peers.get(agent)
        if peer is None:
            return
        for message in peer.link.take(frame, self._loop.time()):
            self._hear(peer, protocol.of_agent(message))
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

    def leaves(self, agent: str, why: str) -> None:
        """Nothing starts on its node any more; its trials save and leave."""
        peer = self._peers.get(agent)
        if peer is None or peer.leaving:
            return
        peer.leaving = True
        self._news.barred(peer, "leaving", why)

    def broken(self, why: str) -> None:
        """No agent is left, and none will come: the study can't go on."""
        self._broken = why
        self._changed.set()
        if self._news.tells:
            self._stop_if_broken()

    def _stop_if_broken(self) -> None:
        if self._broken and not self._closed:
            now = self._clock()
            self._sink([ev.StopAsked(now, finish=False, why=self._broken, failed=True)])

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
        self._transport.end(peer.name, failed=not peer.works)
        if was_ready and self._on(peer.node.name) is None:  # else another has its place already
            self._news.lost(peer, why)
        self._files.fetch_logs(peer.attempts, self._ready())
        self._lose(peer.attempts, f"its node was lost: {why}")

    def _forget(self, peer: Peer) -> None:
        peer.state = "gone"
        self._peers.pop(peer.name, None)
        peer.sender.close()
        self._samples.forget(peer)
        self._changed.set()

    def _lose(self, attempts: set[Key] | list[Key], why: str) -> None:
        now, keys = self._clock(), sorted(attempts)
        lost = [ev.Exited(now, *key, None, None, why, "", 0, lost=True) for key in keys]
        if lost:
            self._sink(lost)

    def _hear(self, peer: Peer, message: protocol.FromAgent) -> None:
        match message:
            case protocol.Found(shared):
                self._have_found(peer, shared=shared)
            case protocol.Ready(gpus) if peer.state == "importing":
                self._have_opened(peer, gpus)
            case protocol.Unimportable(text, storage) if peer.state == "importing":
                peer.lacks_storage = storage
                self._have_failed(peer, text)
            case protocol.Happened(events):
                self._pass_on(peer, events)
            case protocol.NeedsCode(offset):
                self._files.send_code(peer.node.name, offset, peer.tell)
            case protocol.LogPage():
                self._files.take_log(message, peer.tell)
            case protocol.Read(readings):
                self._readings[peer.node.name] = readings
            case protocol.Sampled():
                self._samples.have_come(peer, message)
            case protocol.Leaving(why):
                self.leaves(peer.name, why)
            case protocol.Closed():
                peer.state = "closed"
                self._changed.set()

    def _have_found(self, peer: Peer, *, shared: bool) -> None:
        peer.found = True
        self._changed.set()
        problem = self._files.problem(peer.name, shared=shared)
        if problem:
            peer.lacks_storage = bool(self._files.storage)
            self._have_failed(peer, problem)
            return
        apart = not shared and not self._files.storage
        peer.node = msgspec.structs.replace(peer.node, apart=apart)
        if apart:
            self._files.tell_apart(peer.node.name)

    def _have_opened(self, peer: Peer, gpus: tuple[ev.Gpu, ...]) -> None:
        peer.state = "ready"
        peer.node = msgspec.structs.replace(peer.node, gpus=gpus)
        if peer.gpus and self._devices is not None and not gpus:
            peer.blocked["gpus"] = f"{peer.gpus} GPUs are declared here, and NVML shows none"
        self._news.opened(peer)
        if self._left:  # a node may have had an agent before, or an engine
            peer.tell(protocol.Leave(dict(self._left), in_storage=False), urgent=False)
        self._changed.set()

    def _have_failed(self, peer: Peer, text: str) -> None:
        peer.state, peer.error = "unimportable", text
        line = (text.strip().splitlines() or ["it can't be imported"])[-1]
        self._news.barred(peer, "import", line)
        self._loop.call_later(_IMPORT_AGAIN, self._transport.end, peer.name)
        self._changed.set()

    def _pass_on(self, peer: Peer, events: list[ev.Event]) -> None:
        """Stamp events with the engine's time; what blocks a node is reported for that node."""
        now, through = self._clock(), list[ev.Event]()
        for event in events:
            if isinstance(event, ev.LaunchBlocked):
                self._have_blocked(peer, event)
                continue
            if isinstance(event, ev.NodeChanged):
                self._news.changed(peer, event)
                continue
            if isinstance(event, ev.Exited):
                peer.attempts.discard((event.trial, event.attempt))
                peer.works = True
            through.append(msgspec.structs.replace(event, time=now))
        if through:
            self._sink(through)

    def _have_blocked(self, peer: Peer, event: ev.LaunchBlocked) -> None:
        self._news.barred(peer, event.cause, event.why)
        if event.cause == "resources" and event.why:
            again = msgspec.structs.replace(event, why="")
            self._loop.call_later(_RETRY, self._have_blocked, peer, again)

    def _ready(self) -> list[Peer]:
        """The agents that can launch trials."""
        return [peer for peer in self._peers.values() if peer.state == "ready"]

    def _on(self, node: str) -> Peer | None:
        """The agent of this node that can launch trials."""
        return next((peer for peer in self._ready() if peer.node.name == node), None)

    def _ask(self, trial: int, attempt: int, message: protocol.ToAgent) -> None:
        """Send it to the agent that has the attempt; nothing where none has."""
        key = trial, attempt
        peer = next((peer for peer in self._peers.values() if key in peer.attempts), None)
        if peer is not None:
            peer.tell(message)
