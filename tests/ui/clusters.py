"""Nodes of a cluster with GPUs, as their agents read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from pictures import NOW, gpu, host

if TYPE_CHECKING:
    from tuitune.core.placement.snapshots import DeviceSample
    from tuitune.ui.state.snapshot import Snapshot

TROUBLES = {3: "lost: no word from its agent for 15 s", 41: "others have room for no trial"}


def cluster(count: int, gpus: int = 8, time: float = NOW, **more: Any) -> list[DeviceSample]:
    """So many nodes, of which some are in trouble, and their GPUs. more: of the nodes."""
    samples = []
    for number in range(count):
        note = TROUBLES.get(number, "")
        free = number % 7 == 5
        part: dict[str, Any] = _node(number, gpus, note, free=free)
        samples.append(host(**{**part, "time": time, **more}))
        if not note:
            samples += [_gpu(number, index, time, free=free and index > 3) for index in range(gpus)]
    return samples


def _node(number: int, gpus: int, note: str, *, free: bool) -> dict[str, Any]:
    name = f"gpu-{number:02}"
    slots = float(gpus or 8)
    used = 0.0 if note else slots - 4 * free
    trials = tuple(range(26 + int(number * slots), 26 + int(number * slots + used)))
    known = {"device": f"node {name}", "name": name, "node": name, "note": note, "trials": trials}
    known |= {"slots": 0.0 if note else slots, "slots_used": used}
    if note:  # its agent tells nothing
        known |= dict.fromkeys(("utilisation", "memory_used", "memory_total", "load"))
    else:
        known["utilisation"] = 0.2 + 0.6 * abs(math.sin(number))
    return known


def _gpu(node: int, index: int, time: float, *, free: bool) -> DeviceSample:
    name = f"gpu-{node:02}"
    busy = 0.0 if free else 0.55 + 0.45 * abs(math.sin(3 * node + index))
    memory = 0 if free else int((20 + 55 * abs(math.sin(node + 2 * index))) * 2**30)
    trials = () if free else (26 + node * 8 + index,)
    here = {"device": f"GPU-{name}-{index}", "node": name, "trials": trials}
    return gpu(index, time, utilisation=busy, memory_used=memory, power=90 + 590 * busy, **here)


def on_nodes(snapshot: Snapshot) -> Snapshot:
    """The picture with its running trials on the GPUs of the nodes that have them."""
    places = {
        trial: sample
        for samples in snapshot.devices.values()
        for sample in samples
        if sample.kind == "gpu"
        for trial in sample.trials
    }
    for number, row in enumerate(snapshot.rows):
        at = places.get(number)
        if at is not None:
            device = f"{at.node}, GPU {at.index}"
            snapshot.rows[number] = replace(row, node=at.node, device=device)
    return snapshot
