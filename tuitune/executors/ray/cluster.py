"""The nodes of the cluster that this process has joined: what is free, which are tried later."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import ray
from ray.util import placement_group, placement_group_table, remove_placement_group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ray.util.placement_group import PlacementGroup

    from tuitune.executors.ray.protocol import Connect

MOST = 3  # agents of a node that die in a row, after which it is set aside for _ASIDE
_ASIDE = 300.0  # s
_AGAIN = 10.0  # s until a node is tried again where no agent could start
_SELDOM = 10.0  # s between two looks at who holds a node, which asks the head for all actors


class Seen(NamedTuple):
    """A node that lives, and what Ray says of it."""

    key: str  # Ray's id of it
    host: str
    resources: Mapping[str, float]  # in all
    free: Mapping[str, float]
    drains: str  # why it will leave the cluster; "": it stays


def alive() -> list[Mapping[str, Any]]:
    """The nodes that live, as Ray describes them."""
    return [node for node in ray.nodes() if node["Alive"]]


def is_alive(key: str) -> bool:
    """Whether the node with this id lives."""
    return any(node["NodeID"] == key for node in alive())


def look() -> list[Seen]:
    """All nodes that live. Waits for as long as the cluster's head does not answer."""
    from ray._private.state import available_resources_per_node, state  # noqa: PLC0415 - no other

    free = available_resources_per_node()
    draining = state.get_draining_nodes()
    found = []
    for node in alive():
        key = node["NodeID"]
        drains = _drains(draining[key]) if key in draining else ""
        seen = Seen(key, node["NodeManagerHostname"], node["Resources"], free.get(key, {}), drains)
        found.append(seen)
    return found


def _drains(deadline: int) -> str:
    """deadline: Unix milliseconds; 0: none."""
    left = deadline / 1000 - time.time()
    return "it leaves the cluster" + (f" in {left:.0f} s" if deadline and left > 0 else "")


class Names:
    """The names of nodes: their hosts', with a number where another node has that name."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # by Ray's id

    def name(self, seen: Seen) -> str:
        """The name that this node keeps."""
        if seen.key not in self._names:
            living = {node["NodeID"] for node in alive()}
            taken = {name for key, name in self._names.items() if key in living}
            numbered = (f"{seen.host}-{n}" for n in itertools.count(2))
            names = itertools.chain([seen.host], numbered)
            self._names[seen.key] = next(name for name in names if name not in taken)
        return self._names[seen.key]

    def of(self, key: str) -> str:
        """The name of a node that may be unnamed yet: then a part of its id."""
        return self._names.get(key, key[:8])


def fits(there: Mapping[str, float], connect: Connect) -> bool:
    """Whether a node with these resources has room for a trial."""
    return not _lacking(there, connect)


def why_unused(seen: Seen, connect: Connect) -> str:
    """Why no trial fits on this node now."""
    if lacking := _lacking(seen.resources, connect):
        return f"it has {'; '.join(lacking)}"
    who = holders(seen.key)
    return f"its room is held by {'; '.join(who)}" if who else "others use what it has"


def _lacking(there: Mapping[str, float], connect: Connect) -> list[str]:
    return [
        f"{there.get(kind, 0.0) / unit:g} {words}, a trial has {need / unit:g}"
        for kind, need, unit, words in (
            ("CPU", max(connect.cpus, 1.0), 1, "CPUs"),
            ("memory", connect.memory, 1e9, "GB of memory"),
            ("GPU", connect.gpus, 1, "GPUs"),
        )
        if there.get(kind, 0.0) < need
    ]


def holders(key: str) -> list[str]:
    """The programs that have actors on a node, as: `python x.py` (pid 7 on 10.0.0.1)."""
    from ray._private import state  # noqa: PLC0415 - no other

    own = ray.get_runtime_context().get_job_id()
    actors = state.actors().values()
    there = {
        actor["JobID"]
        for actor in actors
        if actor["State"] == "ALIVE" and actor["Address"]["NodeID"] == key
    }
    return [
        f"`{job['Entrypoint']}` (pid {job['DriverPid']} on {job['DriverIPAddress']})"
        for job in state.jobs()
        if job["JobID"] in there and job["JobID"] != own
    ]


class Deaths:
    """Counts deaths of agents by Ray's id of their node. Times are the caller's, in seconds."""

    def __init__(self) -> None:
        self._later: dict[str, float] = {}  # when it is tried again
        self._in_row: dict[str, int] = {}

    def may_try(self, node: str, now: float) -> bool:
        """Whether an agent may start there."""
        return now >= self._later.get(node, 0.0)

    def tried(self, node: str, now: float) -> None:
        """One starts; the next may in `_AGAIN` seconds, or once this one has `ended`."""
        self._later[node] = now + _AGAIN

    def ended(self, node: str, now: float, *, failed: bool) -> bool:
        """Its agent is gone. Returns whether the node is set aside: too many have failed there."""
        self._in_row[node] = self._in_row.get(node, 0) + 1 if failed else 0
        if self._in_row[node] < MOST:
            self._later.pop(node, None)
            return False
        self._in_row[node] = 0
        self._later[node] = now + _ASIDE
        return True


class Explained:
    """When it was last found out why a node is not used. Times are the caller's, in seconds."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}  # by Ray's id

    def is_due(self, node: str, now: float) -> bool:
        """Whether to find out now; then it is due again in `_SELDOM` seconds."""
        if now < self._next.get(node, 0.0):
            return False
        self._next[node] = now + _SELDOM
        return True


class Demand:
    """At most one group, of a trial's size; Ray removes it with the process that asked for it."""

    def __init__(self, connect: Connect, *, has_gpus: bool) -> None:
        gpus = connect.gpus or int(connect.wants_gpus and has_gpus)
        bundle = {"CPU": max(connect.cpus, 1.0), "memory": connect.memory, "GPU": gpus}
        self._bundle = {kind: float(amount) for kind, amount in bundle.items() if amount}
        self._group: PlacementGroup | None = None

    def is_met(self) -> bool:
        """Whether a node had room for the group, which gives it back."""
        if self._group is None or placement_group_table(self._group)["state"] == "PENDING":
            return False
        self.renew(False)  # noqa: FBT003
        return True

    def renew(self, wanted: bool) -> None:  # noqa: FBT001
        """Make the group, or remove it."""
        if wanted and self._group is None:
            self._group = placement_group([self._bundle])
        elif not wanted and self._group is not None:
            remove_placement_group(self._group)
            self._group = None
