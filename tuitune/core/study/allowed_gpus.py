"""The GPUs of all nodes that a study may use, where fewer are allowed than there are."""

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import msgspec

from tuitune.core import events, gpu_reasons
from tuitune.core.placement.hours import Allowance
from tuitune.core.study import sick_gpus, state as st

Key = tuple[str, str]  # the node and the UUID


class _Ranked(NamedTuple):
    """Sorts first where a trial has been for longest, then homes of parked ones, the idlest."""

    began: float
    is_suspect: bool
    is_away: bool  # no parked trial wants it back
    is_rest: bool  # too few are left on its node for one more trial
    place: int  # of its node
    busy: float
    number: int
    key: Key


def limited(
    state: st.State, nodes: Mapping[str, events.Node], allowed: Allowance, each: int
) -> dict[str, events.Node]:
    """The nodes; each GPU beyond those allowed has an obstacle, and is claimed.

    nodes: in the order in which they joined. each: GPUs of a trial. A GPU that can't be used counts
    while a trial is on it.
    """
    if allowed.gpus is None:
        return dict(nodes)
    began = dict(_began(state))
    there = [(node.name, gpu) for node in nodes.values() for gpu in node.gpus]
    barred = sum(1 for name, gpu in there if gpu.obstacle and (name, gpu.uuid) in began)
    ranked = sorted(_ranked(state, nodes, began, each))
    most = max(0, allowed.gpus - barred)
    over = {one.key for one in islice(ranked, most, None)}
    why = gpu_reasons.GpusAllowed(allowed.gpus, allowed.until)
    return {name: _without(node, over, why) for name, node in nodes.items()}


def _without(node: events.Node, over: set[Key], why: gpu_reasons.GpusAllowed) -> events.Node:
    gpus = tuple(
        msgspec.structs.replace(gpu, obstacle=why, claimed=True)
        if (node.name, gpu.uuid) in over
        else gpu
        for gpu in node.gpus
    )
    return msgspec.structs.replace(node, gpus=gpus)


def _began(state: st.State) -> Iterator[tuple[Key, float]]:
    """When the oldest trial on each GPU was launched."""
    for name, node in state.nodes.items():
        for uuid, trials in node.on.items():
            if trials:
                yield (name, uuid), min(state.trials[number].launched for number in trials)


def _ranked(
    state: st.State, nodes: Mapping[str, events.Node], began: Mapping[Key, float], each: int
) -> Iterator[_Ranked]:
    parked = [state.trials[number] for number in state.parked]
    homes = {(trial.node, trial.parked.home) for trial in parked if trial.parked is not None}
    suspects = sick_gpus.avoided(state, None)

    def rank(place: int, key: Key, gpu: events.Gpu) -> _Ranked:
        since = began.get(key, math.inf)
        is_suspect = gpu.uuid in suspects
        return _Ranked(since, is_suspect, key not in homes, False, place, gpu.busy, gpu.index, key)  # noqa: FBT003

    for place, (name, node) in enumerate(nodes.items()):
        free = [gpu for gpu in node.gpus if not gpu.obstacle and not node.lost]
        here = sorted(rank(place, (name, gpu.uuid), gpu) for gpu in free)
        whole = len(here) - len(here) % each
        yield from here[:whole]
        yield from (one._replace(is_rest=True) for one in here[whole:])
