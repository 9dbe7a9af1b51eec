"""The nodes of a study: GPUs are counted over all, and another node is wanted where work waits."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from tuitune.core import events as ev, gpu_reasons
from tuitune.core.placement import gpu_state, hours
from tuitune.core.study import allowed_gpus, launching
from tuitune.devices.quarantine import ALL
from tuitune.engine.engine import Engine
from tuitune.engine.leases import allowed_now
from tuitune.engine.settings import settings_of
from tuitune.executors.base import HasNodes, with_nodes

_PERIOD = 1.0  # s between two looks at the clock


class NodeWatch:
    """Passes on what an executor tells; GPUs beyond those allowed by now have an obstacle.

    Once a second it looks at the clock, and tells the executor whether a trial waits for room.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._study = engine.study
        self._take = engine.take
        self._clock = clock
        self._nodes: dict[str, ev.Node] = {}  # as the executor has told them last
        self._shown: dict[str, ev.Node] = {}  # as the study was told
        self._again: asyncio.TimerHandle | None = None

    @property
    def on(self) -> HasNodes | None:
        """The executor."""
        return with_nodes(self._engine.executor)

    @property
    def has_gpus(self) -> bool:
        """As `HasNodes.has_gpus`."""
        return self.on is not None and self.on.has_gpus

    def opened(self) -> tuple[ev.Node, ...]:
        """The nodes that the study opens with; from now on it is told of changes."""
        found = () if self.on is None else self.on.nodes()
        self._nodes = {node.name: node for node in found}
        self._shown = self._limited(settings_of(self._study.spec, has_gpus=self.has_gpus))
        self._again = asyncio.get_running_loop().call_later(_PERIOD, self._look)
        return tuple(self._shown.values())

    def close(self) -> None:
        """Look at the clock no more."""
        if self._again is not None:
            self._again.cancel()

    def pass_on(self, events: Sequence[ev.Event]) -> None:
        """The executor's sink."""
        through: list[ev.Event] = []
        for event in events:
            if isinstance(event, ev.NodeChanged):
                self._nodes[event.node.name] = event.node
                through += self._renew(event)
            else:
                through.append(event)
        if through:
            self._take(through)

    def act_on(self, facts: Sequence[ev.AnyFact], study: str) -> None:
        """As `HasNodes.act_on`."""
        if self.on is not None:
            self.on.act_on(facts, study)

    def clear(self, which: str) -> list[int]:
        """Use GPUs again that were set aside, on whatever node; see `Quarantine.clear`."""
        gpus = [gpu for node in self._nodes.values() for gpu in node.gpus]
        found = {
            gpu.index
            for gpu in gpus
            if isinstance(gpu.obstacle, gpu_reasons.GpuAside)
            and (which in {ALL, str(gpu.index)} or gpu.uuid.startswith(which or "-"))
        }
        if found and self.on is not None:
            self.on.clear(which)
        return sorted(found)

    def _look(self) -> None:
        self._again = asyncio.get_running_loop().call_later(_PERIOD, self._look)
        if changed := self._renew():
            self._take(changed)
        if self.on is not None:
            self.on.want_room(launching.waits_for_room(self._study.spec, self._study.state))

    def _renew(self, told: ev.NodeChanged | None = None) -> list[ev.Event]:
        """What has changed of the nodes, and what the executor has told: losses come first."""
        settings = self._study.state.settings
        before = self._shown
        self._shown = now = dict(self._nodes) if settings is None else self._limited(settings)
        name = "" if told is None else told.node.name
        changed = [
            node
            for node in now.values()
            if node.name == name or not _is_same(before.get(node.name), node)
        ]
        changed.sort(key=lambda node: _free(node) - _free(before.get(node.name)))
        return [
            self._changed(before.get(node.name), node, told if node.name == name else None)
            for node in changed
        ]

    def _changed(
        self, before: ev.Node | None, node: ev.Node, told: ev.NodeChanged | None
    ) -> ev.NodeChanged:
        why = gpu_state.obstacle_changes(() if before is None else before.gpus, node.gpus)
        if why:
            why = msgspec.structs.replace(why, node=node.name)
        if told is not None and told.why and not isinstance(told.why, gpu_reasons.GpuNews):
            return msgspec.structs.replace(told, node=node)
        return ev.NodeChanged(self._clock(), node, why)

    def _limited(self, settings: ev.Settings) -> dict[str, ev.Node]:
        each = 1 if settings.gpus == "auto" else max(1, int(settings.gpus))
        return allowed_gpus.limited(self._study.state, self._nodes, self._allowed(settings), each)

    def _allowed(self, settings: ev.Settings) -> hours.Allowance:
        if settings.max_gpus is None and not settings.hours:
            return hours.Allowance(None)
        return allowed_now(settings, self._clock())


def _free(node: ev.Node | None) -> int:
    """GPUs on which trials may start."""
    return 0 if node is None else sum(not gpu.obstacle for gpu in node.gpus)


def _is_same(one: ev.Node | None, other: ev.Node) -> bool:
    return one is other or one == other
