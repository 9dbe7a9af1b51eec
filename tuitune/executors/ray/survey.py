"""A process that asks every node of a cluster what it is like, for `doctor` and `check`."""

import os
import platform
import sys
import traceback
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tuitune.executors.ray import cluster, joining, node_task, protocol
from tuitune.ipc.entry import connect_to_parent
from tuitune.ipc.frames import FrameBuffer

_PATIENCE = 60.0  # s for all nodes to answer
_CHUNK = 1 << 16  # bytes


def main() -> None:
    """Answer the one question that comes."""
    connection, _ = connect_to_parent()
    frames, bodies = FrameBuffer(), list[bytes]()
    while not bodies and (chunk := connection.recv(_CHUNK)):
        bodies += frames.feed(chunk)
    asked = protocol.to_survey.decode(bodies[0])
    answer: protocol.OfSurvey
    try:
        answer = _survey(asked)
    except joining.CannotJoinError as error:
        answer = protocol.Refused(str(error))
    connection.sendall(protocol.encoded(answer))
    sys.stdout.flush()
    os._exit(0)  # a thread may wait for a head that does not answer


def _survey(asked: protocol.Survey) -> protocol.Surveyed:
    if joining.address_of(asked.where) is None:
        raise joining.CannotJoinError(
            "no Ray cluster runs here, and RAY_ADDRESS names none: `ray start --head` starts one, "
            "and `tuitune STUDY --on ray` one for itself"
        )
    address, _ = joining.join(asked.where)
    seen, names = cluster.look(), cluster.Names()
    pending = [_ask(node.key, asked.question) for node in seen]
    ray.wait(pending, num_returns=len(pending), timeout=_PATIENCE)
    nodes = []
    for node, call in zip(seen, pending, strict=True):
        answer, why = _answer(call)
        needed = ("CPU", "memory", "GPU")
        room = {kind: float(node.resources.get(kind, 0.0)) for kind in needed}
        free = {kind: float(node.free.get(kind, 0.0)) for kind in needed}
        name, held = names.name(node), cluster.holders(node.key)
        nodes.append(protocol.Surveyee(name, room, free, held, node.drains, answer, why))
    return protocol.Surveyed(address, ray.__version__, platform.python_version(), nodes)


def _ask(key: str, question: bytes) -> Any:
    pinned = NodeAffinitySchedulingStrategy(key, soft=False)
    task = ray.remote(node_task.ask_node).options(
        num_cpus=0, max_retries=0, scheduling_strategy=pinned
    )
    return task.remote(question)


def _answer(call: Any) -> tuple[bytes, str]:
    """What a node has answered, and why it has not."""
    try:
        found: tuple[bytes, str] = ray.get(call, timeout=0.0)
    except RayTaskError as error:
        return b"", f"tuitune does not run there ({type(error.cause).__name__}: {error.cause})"
    except (RayError, TimeoutError) as error:
        traceback.print_exc()
        return b"", f"it does not answer ({type(error).__name__})"
    return found
