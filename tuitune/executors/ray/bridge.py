"""The bridge: a process that holds the connection to Ray, for an engine that never loads it."""

import asyncio
import contextlib
import os
import secrets
import sys
import threading
import traceback
from collections.abc import Coroutine
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tuitune.executors.ray import actor, cluster, joining, protocol
from tuitune.executors.ray.apart import Apart
from tuitune.executors.ray.hosted import Hosted
from tuitune.executors.remote.transport import Room
from tuitune.ipc import entry, process_tree
from tuitune.ipc.frames import FrameBuffer

_CHUNK = 1 << 18  # bytes
_LOOK = 2.0  # s between two looks at the cluster's nodes
_PAUSE = 0.2  # s until an agent that can't be reached is called again
_START = 60.0  # s for an agent to start
_PARTING = 8.0  # s for Ray to end what it has started


def main() -> None:
    """Until the engine closes the connection."""
    connection, _ = entry.connect_to_parent()
    process_tree.outlive_parent()  # to end a cluster that it has started, whatever ends the engine
    connection.setblocking(False)  # noqa: FBT003

    async def run() -> int:
        reader, writer = await asyncio.open_connection(sock=connection)
        return await _Bridge(reader, writer).run()

    status = asyncio.run(run())
    late = threading.Timer(_PARTING, os._exit, [1])
    late.daemon = True
    late.start()
    ray.shutdown()
    sys.stdout.flush()
    os._exit(status)  # threads may wait for a head that does not answer


class _Bridge:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._connect: protocol.Connect
        self._wants_room = False
        self._apart = Apart()
        self._agents: dict[str, Hosted] = {}
        self._names = cluster.Names()
        self._deaths = cluster.Deaths()
        self._told: dict[str, str] = {}  # Ray's id -> why it is not used, as told last
        self._explained = cluster.Explained()
        self._unfit: dict[str, str] = {}  # Ray's id -> why no agent can ever start there
        self._has_worked = False  # some agent has started
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[int] = self._loop.create_future()

    async def run(self) -> int:
        """The exit status: 1 where a part of it has failed, which the engine is told."""
        self._start(self._listen())
        status = await self._done
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        return status

    async def _listen(self) -> None:
        frames = FrameBuffer()
        with contextlib.suppress(ConnectionError):  # so it ends where not all was read
            while chunk := await self._reader.read(_CHUNK):
                for body in frames.feed(chunk):
                    self._obey(protocol.to_bridge.decode(body))
        self._end(0)

    def _end(self, status: int) -> None:
        if not self._done.done():
            self._done.set_result(status)

    def _obey(self, message: protocol.ToBridge) -> None:
        match message:
            case protocol.Connect():
                self._connect = message
                self._start(self._join())
            case protocol.To(name, data):
                if (agent := self._agents.get(name)) is not None:
                    agent.send(data)
            case protocol.WantRoom(wanted):
                self._wants_room = wanted
            case protocol.End(name, failed):
                if (agent := self._agents.pop(name, None)) is not None:
                    ray.kill(agent.handle)
                    self._note_death(agent, failed=failed)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._have_done)

    def _have_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            traceback.print_exception(error)
            self._tell(protocol.Failing(f"{type(error).__name__}: {error}"))
            self._end(1)

    def _tell(self, message: protocol.OfBridge) -> None:
        self._writer.write(protocol.encoded(message))

    # --- nodes -----------------------------------------------------------------------------------

    async def _join(self) -> None:
        try:
            found = await self._apart.call(joining.connected, self._connect)
        except joining.CannotJoinError as error:
            self._tell(protocol.Refused(str(error)))
            return
        self._tell(found)
        demand = cluster.Demand(self._connect, has_gpus=found.has_gpus)
        while True:
            if await self._apart.call(demand.is_met):
                await asyncio.sleep(_PAUSE)  # then the room that the group had is free
            seen = await self._apart.call(cluster.look)
            for node in seen:
                self._look_at(node)
            self._give_up_if_unfit(seen)
            await self._apart.call(demand.renew, self._wants_room or not self._agents)
            await asyncio.sleep(_LOOK)

    def _look_at(self, seen: cluster.Seen) -> None:
        """Put an agent on a node that has none, if there is room for a trial."""
        for agent in self._agents.values():
            if agent.node == seen.key:
                if seen.drains:
                    self._tell(protocol.Leaves(agent.name, seen.drains))
                return
        name, now = self._names.name(seen), self._loop.time()
        if seen.drains or not self._deaths.may_try(seen.key, now):
            return
        connect, free = self._connect, seen.free
        cpus = float(int(free.get("CPU", 0.0)))
        if connect.most_cpus is not None:
            cpus = min(cpus, connect.most_cpus)
        memory = int(free.get("memory", 0.0))
        gpus = int(free.get("GPU", 0.0)) if connect.wants_gpus else 0
        if cpus < max(connect.cpus, 1.0) or memory < connect.memory or gpus < connect.gpus:
            is_meant = bool(seen.resources.get("CPU"))  # to run any
            if is_meant and self._explained.is_due(seen.key, now):
                self._note_unused(seen.key, cluster.why_unused(seen, connect))
            return
        self._deaths.tried(seen.key, now)
        agent = Hosted(f"{name}-{secrets.token_hex(4)}", seen.key)
        self._agents[agent.name] = agent
        self._start(self._serve(agent, Room(name, cpus, memory, gpus)))

    def _note_unused(self, key: str, why: str) -> None:
        if self._told.get(key) != why:
            self._told[key] = why
            self._tell(protocol.Note(f"node {self._names.of(key)} is not used: {why}"))

    def _give_up_if_unfit(self, seen: list[cluster.Seen]) -> None:
        """Tell it where no agent will ever start, on whatever node is large enough."""
        if self._has_worked:
            return
        meant = [node.key for node in seen if cluster.fits(node.resources, self._connect)]
        if meant and not self._agents and all(key in self._unfit for key in meant):
            whys = [f"node {self._names.of(key)}: {self._unfit[key]}" for key in meant]
            self._tell(protocol.Refused("; ".join(whys)))

    def _note_death(self, agent: Hosted, *, failed: bool) -> None:
        if self._deaths.ended(agent.node, self._loop.time(), failed=failed):
            how = f" ({agent.ending}); more is in ray.log" if agent.ending else ""
            why = f"as {cluster.MOST} agents in a row have ended there{how}"
            self._note_unused(agent.node, f"it is set aside for 5 minutes, {why}")

    # --- agents ----------------------------------------------------------------------------------

    async def _serve(self, agent: Hosted, room: Room) -> None:
        """An agent from its start to its end."""
        pinned = NodeAffinitySchedulingStrategy(agent.node, soft=False)
        options = {
            "num_cpus": room.cpus,
            "num_gpus": room.gpus,
            "max_restarts": 0,
            "max_concurrency": actor.CALLS,
            "enable_task_events": False,  # there are many calls
            "scheduling_strategy": pinned,
        }
        agent.handle = ray.remote(actor.Host).options(**options).remote()
        try:
            async with asyncio.timeout(_START):
                theirs = await agent.handle.start.remote(agent.name, self._connect.log)
        except (RayError, TimeoutError) as error:
            traceback.print_exc()
            why, for_good = _why_not_started(error)
            self._give_up(agent, why, for_good=for_good)
            return
        if theirs != actor.version():
            why = f"it has tuitune {theirs}, and here is {actor.version()}: install the same there"
            self._give_up(agent, why, for_good=True)
            return
        self._has_worked = True
        self._unfit.pop(agent.node, None)
        self._told.pop(agent.node, None)
        self._tell(protocol.Joined(agent.name, room))
        await self._pull(agent)

    def _give_up(self, agent: Hosted, why: str, *, for_good: bool) -> None:
        """An agent that can't start."""
        self._agents.pop(agent.name, None)
        ray.kill(agent.handle)
        if for_good:
            self._unfit[agent.node] = why
        self._note_unused(agent.node, why)

    async def _pull(self, agent: Hosted) -> None:
        """Pass on what the agent says, until it has ended, and the engine has said so."""
        why, ended = "", True
        while agent.name in self._agents and not why:
            try:
                found = await agent.pull()
            except ActorUnavailableError:
                await asyncio.sleep(_PAUSE)
                continue
            except RayActorError:
                why = "its agent has ended"
                ended = await self._apart.call(cluster.is_alive, agent.node)
                break
            except RayError:  # large frames, whose node was lost before they were here
                traceback.print_exc()
                await asyncio.sleep(_PAUSE)
                continue
            if isinstance(found, str):
                why = found
            elif found:
                self._tell(protocol.From(agent.name, found))
                await agent.wait_for_answer()
        if agent.name in self._agents:
            agent.ending = why
            self._tell(protocol.Gone(agent.name, why, ended))


def _why_not_started(error: Exception) -> tuple[str, bool]:
    """Why an agent has not started, and whether none can there; Ray's own message is in the log."""
    if isinstance(error, TimeoutError):
        return f"its agent has not started within {_START:g} s", False
    for_good = isinstance(error, RayTaskError)
    what = f"its agent could not start ({type(error).__name__})"
    if isinstance(error, RayTaskError):
        what = f"its agent could not start ({type(error.cause).__name__}: {error.cause})"
    elif isinstance(error, RayActorError):
        what = "its agent could not start (its process has died)"
        if for_good := error.actor_init_failed:  # where this package can't be imported
            what = f"tuitune does not run there ({str(error).strip().splitlines()[-1]})"
    return f"{what}; more is in ray.log", for_good
