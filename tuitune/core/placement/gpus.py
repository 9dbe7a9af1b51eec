"""The choice of GPUs for one more trial."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from tuitune.core.events import Gpu
from tuitune.core.placement import throughput, whole_attempts
from tuitune.core.placement.packing import (
    Packing,
    Resident,
    are_short,
    capacity,
    fits,
    promised,
    reserve,
)

_NEARLY = 0.75  # of the trials that are kept: an attempt beside so many counts as measured
THIRDS = 1e-9  # tolerance: three thirds of a GPU are a whole one


class Loads(msgspec.Struct, frozen=True):
    """The trials on each GPU, by its UUID, and what packing has measured."""

    residents: Mapping[str, Sequence[Resident]]
    packing: Packing = msgspec.field(default_factory=Packing)
    host: float = math.inf  # bytes of the host's memory
    taken: int = 0  # bytes of it promised to trials, the next one included
    pooled: Sequence[Resident] = ()  # on GPUs whose memory is the host's
    shared: Collection[str] = ()  # models of which some GPU, of any node, has several trials

    def on(self, gpu: Gpu) -> Sequence[Resident]:
        """The trials on this GPU."""
        return self.residents.get(gpu.uuid, ())

    def fit(self, gpu: Gpu, reserved: int) -> bool:
        """Whether one more packed trial, for which `reserved` bytes are kept, has room."""
        if not gpu.unified:
            return fits(gpu.memory, reserved, self.packing, self.on(gpu))
        memory = min(gpu.memory, self.host) - self.taken
        return fits(memory, reserved, self.packing, self.pooled)

    def bears(self, gpu: Gpu) -> bool:
        """Whether an empty GPU can be used: with unified memory, only if the host has room."""
        reserved = self.reserved()
        if not gpu.unified or not self.pooled or reserved is None:
            return True
        return self.fit(gpu, reserved)

    def of_host(self) -> int:
        """Bytes of the host's memory that are promised on GPUs."""
        reserved = self.reserved()
        return 0 if reserved is None else promised(reserved, self.packing, self.pooled)

    def reserved(self) -> int | None:
        """Bytes to keep for one more trial; None where no peak is known yet."""
        return reserve(self.packing, (r.peak for found in self.residents.values() for r in found))


def choose(
    gpus: Iterable[Gpu],
    loads: Loads,
    wanted: float | Literal["auto"],
    *,
    alone: bool = False,
    aside: Collection[str] = (),
) -> tuple[str, ...] | None:
    """The UUIDs for one more trial, or None where there is no room now.

    alone: it takes a GPU without other trials. aside: GPUs that are kept for other trials.
    """
    usable = [gpu for gpu in gpus if not gpu.obstacle and gpu.uuid not in aside]
    empty = [gpu for gpu in usable if not loads.on(gpu) and loads.bears(gpu)]
    if wanted != "auto" and wanted >= 1:
        return _together([gpu for gpu in empty if gpu.joins or wanted == 1], int(wanted))
    if empty:
        return (min(empty, key=_idleness).uuid,)
    if alone:
        return None
    found = _packed(usable, loads) if wanted == "auto" else _sharing(usable, loads, wanted)
    return None if found is None else (found.uuid,)


def next_empty(gpus: Iterable[Gpu], loads: Loads) -> str | None:
    """The GPU that is likely to be empty first, to be kept for a trial that needs one."""
    usable = [gpu for gpu in gpus if not gpu.obstacle and loads.on(gpu)]
    first = min(usable, key=lambda gpu: (len(loads.on(gpu)), *_idleness(gpu)), default=None)
    return None if first is None else first.uuid


def _idleness(gpu: Gpu) -> tuple[float, int]:
    """Sorts the idlest first; among equals the last, as many programs take the first GPU."""
    return gpu.busy, -gpu.index


def _together(empty: Sequence[Gpu], count: int) -> tuple[str, ...] | None:
    """So many whole GPUs that are closely linked, by a greedy search from each of them."""
    if len(empty) < count:
        return None
    groups = (_around(gpu, empty, count) for gpu in sorted(empty, key=_idleness))
    best = max(groups, key=_closeness)  # of equals the first: the idlest
    return tuple(gpu.uuid for gpu in sorted(best, key=lambda gpu: gpu.index))


def _around(first: Gpu, empty: Sequence[Gpu], count: int) -> list[Gpu]:
    group = [first]
    while len(group) < count:
        others = [gpu for gpu in empty if gpu not in group]
        group.append(min(others, key=lambda gpu: (-_ties(gpu, group), *_idleness(gpu))))
    return group


def _closeness(group: Sequence[Gpu]) -> int:
    return sum(_ties(gpu, group) for gpu in group)


def _ties(gpu: Gpu, others: Iterable[Gpu]) -> int:
    return sum(gpu.links.get(other.uuid, 0) for other in others)


def _sharing(usable: Iterable[Gpu], loads: Loads, share: float) -> Gpu | None:
    """A GPU with a fraction left; the fullest, so that others stay whole."""
    reserved = loads.reserved()
    open_ = [
        gpu
        for gpu in usable
        if gpu.packs
        and all(0 < r.share < 1 for r in loads.on(gpu))
        and sum(r.share for r in loads.on(gpu)) + share <= 1 + THIRDS
        and (not gpu.memory or reserved is None or loads.fit(gpu, reserved))
    ]
    taken = {gpu.uuid: sum(r.share for r in loads.on(gpu)) for gpu in open_}
    return min(open_, key=lambda gpu: (-taken[gpu.uuid], *_idleness(gpu)), default=None)


def _packed(usable: Sequence[Gpu], loads: Loads) -> Gpu | None:
    """A GPU with other trials: below its measured capacity, else one to measure one more on."""
    reserved = loads.reserved()
    if reserved is None:
        return None

    def of(gpu: Gpu) -> throughput.Capacity:
        return capacity(loads.packing, gpu.name)

    bold, silent = are_short(loads.packing), whole_attempts.are_silent(loads.packing.means)
    shared = [
        gpu
        for gpu in usable
        if gpu.packs
        and gpu.memory
        and all(not r.share and (r.peak or bold or silent) for r in loads.on(gpu))
        and loads.fit(gpu, reserved)
    ]
    below = [gpu for gpu in shared if len(loads.on(gpu)) < of(gpu).kept]
    if below:
        return min(below, key=lambda gpu: (len(loads.on(gpu)), *_idleness(gpu)))
    tried = {gpu.name for gpu in usable if len(loads.on(gpu)) > of(gpu).kept}
    ready = [
        gpu
        for gpu in shared
        if not (of(gpu).kept == 1 and gpu.name in loads.shared)
        and not ((of(gpu).kept == 1 or of(gpu).steep) and gpu.name in tried)
        and _is_ready(of(gpu), loads.on(gpu), bold=bold, silent=silent)
    ]
    return min(ready, key=lambda gpu: (len(loads.on(gpu)), *_idleness(gpu)), default=None)


def _is_ready(
    capacity: throughput.Capacity, residents: Sequence[Resident], *, bold: bool, silent: bool
) -> bool:
    """Whether one more than is kept may be tried: the others are under way and measured.

    bold: all that are to be tried may join at once. silent: whole attempts are measured.
    """
    company = len(residents)
    if company >= capacity.kept + capacity.step:
        return False
    if company > capacity.kept:
        return bold or silent or all(r.is_under_way for r in residents)
    if silent:
        return any(number > _NEARLY * capacity.kept for number, _ in capacity.attempts)
    least = throughput.CALM if company == 1 else 1
    return all(r.intervals >= least for r in residents)
