"""The bridge: a process that holds the connection to Ray, for an engine that never loads it."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tuitune.executors.ray import messages
from tuitune.executors.ray.actor import Host, version
from tuitune.executors.ray.messages import Connect
from tuitune.executors.remote.transport import Room
from tuitune.ipc.entry import connect_to_parent
from tuitune.ipc.frames import FrameBuffer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping, Sequence

_CHUNK = 1 << 18  # bytes
_LOOK = 2.0  # s between two looks at the cluster's nodes
_BUSY = 10.0  # s until a node is tried again whose room others have
_PAUSE = 0.2  # s until an agent that can't be reached is called again
_ANSWER = 10.0  # s for a cluster to answer
_MOST_DEATHS = 3  # agents in a row that end within
_QUICK = 60.0  # s of their start, after which a node is set aside for
_SET_ASIDE = 300.0  # s
_START = 60.0  # s for an agent to start


class _CannotJoinError(Exception):
    """There is no cluster to join; str() says why, and the mend."""


@dataclass(slots=True)
class _Agent:
    name: str
    node: str  # Ray's id of it
    handle: Any
    started: float


def main() -> None:
    """Until the engine closes the connection."""
    connection, _ = connect_to_parent()
    connection.setblocking(False)  # noqa: FBT003

    async def run() -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        await _Bridge(reader, writer).run()

    asyncio.run(run())
    ray.shutdown()


class _Bridge:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._connect: Connect
        self._agents: dict[str, _Agent] = {}
        self._names: dict[str, str] = {}  # Ray's id of a node -> the name that it has here
        self._later: dict[str, float] = {}  # Ray's id -> when it is tried again
        self._told: dict[str, str] = {}  # Ray's id -> why it is not used, as told last
        self._deaths: dict[str, int] = {}  # Ray's id -> agents in a row that ended soon
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        frames = FrameBuffer()
        while chunk := await self._reader.read(_CHUNK):
            for body in frames.feed(chunk):
                self._obey(messages.to_bridge.decode(body))

    def _obey(self, message: messages.ToBridge) -> None:
        match message:
            case Connect():
                self._connect = message
                self._start(self._join())
            case messages.To(name, data):
                if (agent := self._agents.get(name)) is not None:
                    agent.handle.push.remote(data)
            case messages.End(name):
                if (agent := self._agents.pop(name, None)) is not None:
                    ray.kill(agent.handle)
                    self._later.pop(agent.node, None)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, message: messages.OfBridge) -> None:
        self._writer.write(messages.encoded(message))

    async def _join(self) -> None:
        try:
            found = await asyncio.to_thread(_join, self._connect)
        except _CannotJoinError as error:
            self._tell(messages.Refused(str(error)))
            return
        self._tell(found)
        while True:
            for node in await asyncio.to_thread(_nodes_with_room):
                self._look_at(*node)
            await asyncio.sleep(_LOOK)

    def _look_at(self, node: Mapping[str, Any], free: Mapping[str, float]) -> None:
        """Put an agent on a node that has none, if there is room for a trial."""
        key = node["NodeID"]
        if any(agent.node == key for agent in self._agents.values()):
            return
        if self._loop.time() < self._later.get(key, 0.0):
            return
        self._later[key] = self._loop.time() + _BUSY
        connect, name = self._connect, self._name_of(node)
        cpus = float(int(free.get("CPU", 0.0)))
        if connect.most_cpus is not None:
            cpus = min(cpus, connect.most_cpus)
        memory = int(free.get("memory", 0.0))
        gpus = int(free.get("GPU", 0.0)) if connect.wants_gpus else 0
        if cpus < max(connect.cpus, 1.0) or memory < connect.memory or gpus < connect.gpus:
            if node["Resources"].get("CPU"):  # else it is not meant to run any
                self._note_unused(key, name, _why_unused(node["Resources"], connect))
            return
        self._told.pop(key, None)
        agent = _Agent(f"{name}-{secrets.token_hex(4)}", key, None, self._loop.time())
        self._agents[agent.name] = agent
        self._start(self._serve(agent, Room(name, cpus, memory, gpus)))

    def _note_unused(self, key: str, name: str, why: str) -> None:
        if self._told.get(key) != why:
            self._told[key] = why
            self._tell(messages.Note(f"node {name} is not used: {why}"))

    def _name_of(self, node: Mapping[str, Any]) -> str:
        """Its host's name, with a number where another node has that name."""
        key, host = node["NodeID"], node["NodeManagerHostname"]
        if key not in self._names:
            alive = {n["NodeID"] for n in _alive()}
            taken = {name for other, name in self._names.items() if other in alive}
            names = itertools.chain([host], (f"{host}-{n}" for n in itertools.count(2)))
            self._names[key] = next(name for name in names if name not in taken)
        return self._names[key]

    async def _serve(self, agent: _Agent, room: Room) -> None:
        """An agent from its start to its end."""
        pinned = NodeAffinitySchedulingStrategy(agent.node, soft=False)
        options = {
            "num_cpus": room.cpus,
            "num_gpus": room.gpus,
            "max_restarts": 0,
            "scheduling_strategy": pinned,
        }
        try:
            agent.handle = ray.remote(Host).options(**options).remote()
            async with asyncio.timeout(_START):
                theirs = await agent.handle.start.remote(agent.name, self._connect.log)
        except (RayError, TimeoutError) as error:
            self._agents.pop(agent.name, None)
            why = str(error).strip().splitlines()
            self._note_unused(agent.node, room.node, (why or ["it did not start"])[-1])
            return
        if theirs != version():
            self._agents.pop(agent.name, None)
            ray.kill(agent.handle)
            why_not = f"it has tuitune {theirs}, and here is {version()}"
            self._note_unused(agent.node, room.node, why_not)
            return
        self._tell(messages.Joined(agent.name, room))
        await self._pull(agent)

    async def _pull(self, agent: _Agent) -> None:
        """Pass on what the agent says, until it has ended."""
        why, ended = "", True
        while agent.name in self._agents and not why:
            try:
                frames, why = await agent.handle.pull.remote()
            except ActorUnavailableError:
                await asyncio.sleep(_PAUSE)
                continue
            except RayActorError:
                why = "its agent has ended"
                ended = await asyncio.to_thread(_is_alive, agent.node)
                break
            if frames:
                self._tell(messages.From(agent.name, frames))
        if agent.name in self._agents:
            del self._agents[agent.name]
            self._later.pop(agent.node, None)
            self._count_death(agent, why)
            if why and ended:
                ray.kill(agent.handle)
            self._tell(messages.Gone(agent.name, why, ended))

    def _count_death(self, agent: _Agent, why: str) -> None:
        """Set a node aside for a while whose agents keep ending soon after their start."""
        quick = self._loop.time() - agent.started < _QUICK
        deaths = self._deaths[agent.node] = self._deaths.get(agent.node, 0) + 1 if quick else 0
        if deaths >= _MOST_DEATHS:
            self._deaths[agent.node] = 0
            self._later[agent.node] = self._loop.time() + _SET_ASIDE
            name = self._names.get(agent.node, "")
            text = f"it is set aside for 5 minutes, as {deaths} agents in a row have ended: {why}"
            self._note_unused(agent.node, name, text)


def _alive() -> list[Mapping[str, Any]]:
    """The nodes that live, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]


def _nodes_with_room() -> list[tuple[Mapping[str, Any], Mapping[str, float]]]:
    """The nodes that live, and the resources that are free there."""
    from ray._private.state import available_resources_per_node  # noqa: PLC0415 - no other

    free = available_resources_per_node()
    return [(node, free.get(node["NodeID"], {})) for node in _alive()]


def _why_unused(there: Mapping[str, float], connect: Connect) -> str:
    """Why no trial fits on a node with these resources now."""
    lacking = [
        f"{there.get(kind, 0.0) / unit:g} {words}, a trial has {need / unit:g}"
        for kind, need, unit, words in (
            ("CPU", max(connect.cpus, 1.0), 1, "CPUs"),
            ("memory", connect.memory, 1e9, "GB of memory"),
            ("GPU", connect.gpus, 1, "GPUs"),
        )
        if there.get(kind, 0.0) < need
    ]
    return f"it has {'; '.join(lacking)}" if lacking else "others use what it has"


def _is_alive(node: str) -> bool:
    return any(found["NodeID"] == node for found in _alive())


def _join(connect: Connect) -> messages.Connected:
    """Join the cluster, or start one. Raises _CannotJoinError."""
    address = _address_of(connect.where)
    if address is not None:
        _check_answers(address)
    try:
        context = ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=False,
            include_dashboard=None if address else False,
        )
    except (RayError, RuntimeError, ConnectionError, ValueError, OSError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        place = address or "a cluster of its own"
        raise _CannotJoinError(f"Ray at {place}: {' '.join(lines)[:500]}") from error
    nodes = [node["Resources"] for node in _alive()]
    if too_large := _too_large(nodes, connect):
        raise _CannotJoinError(too_large)
    found = context.address_info["address"] if address is None else address
    return messages.Connected(found, address is None, any(node.get("GPU") for node in nodes))


def _too_large(nodes: Sequence[Mapping[str, float]], connect: Connect) -> str:
    """What a trial asks for that no node has; "" where each part is on some node."""
    for key, kind, need, unit in (
        ("cpus", "CPU", connect.cpus, 1.0),
        ("memory", "memory", connect.memory, 1e9),
        ("gpus", "GPU", connect.gpus, 1.0),
    ):
        most = max((node.get(kind, 0.0) for node in nodes), default=0.0)
        if need > most:
            of = " GB" if unit > 1 else ""
            return (
                f"[trial] {key} = {need / unit:g}{of}: the largest node has {most / unit:g}{of}, "
                f"and a trial stays on one node"
            )
    return ""


def _address_of(where: str) -> str | None:
    """The address of the cluster that is meant; None: one is to be started."""
    if where != "ray":
        return where
    if named := os.environ.get("RAY_ADDRESS"):
        return named
    from ray._private.services import find_gcs_addresses  # noqa: PLC0415 - no other

    here = sorted(find_gcs_addresses())
    if len(here) > 1:
        raise _CannotJoinError(
            f"several Ray clusters run on this machine: name one by --on, {' or '.join(here)}"
        )
    return here[0] if here else None


def _check_answers(address: str) -> None:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER).close()
    except (OSError, ValueError) as error:
        raise _CannotJoinError(
            f"no Ray cluster answers at {address} ({error}): `ray status --address {address}` on a "
            f"node says whether it runs"
        ) from error
