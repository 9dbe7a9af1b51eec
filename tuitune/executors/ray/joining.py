"""How the bridge joins a cluster: which one, whether it answers, its versions, its size."""

import json
import os
import platform
import socket
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import ray
from ray.exceptions import RayError

from tuitune.executors.ray import cluster, protocol

_ANSWER = 10.0  # s for a cluster to answer
_CLIENT = "ray://"
_KEY, _SPACE = b"CLUSTER_METADATA", b"cluster"  # where a cluster keeps its versions
_T = TypeVar("_T")


class CannotJoinError(Exception):
    """There is no cluster to join; str() says why, and the mend."""


def join(where: str) -> tuple[str, bool]:
    """Join this cluster, or start one. Returns its address, and whether it was started.

    Raises CannotJoinError.
    """
    address = address_of(where)
    if address is not None:
        _check_versions(address, _metadata(address))
    try:
        context = ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=False,
            include_dashboard=None if address else False,
        )
    except (RayError, RuntimeError, ConnectionError, ValueError, OSError) as error:
        traceback.print_exc()
        raise CannotJoinError(_not_joined(address, type(error).__name__)) from error
    return context.address_info["address"] if address is None else address, address is None


def _not_joined(address: str | None, error: str) -> str:
    if address is None:
        return f"Ray can't start here ({error}): `ray start --head` says why"
    return (
        f"the Ray cluster at {address} can't be joined ({error}): `ray status --address {address}` "
        f"on this machine says why"
    )


def connected(connect: protocol.Connect) -> protocol.Connected:
    """Join the cluster of a study. Raises CannotJoinError, also where no node is large enough."""
    address, started = join(connect.where)
    nodes = [node["Resources"] for node in cluster.alive()]
    if words := _too_large(nodes, connect):
        raise CannotJoinError(words)
    return protocol.Connected(address, started, any(node.get("GPU") for node in nodes))


def address_of(where: str) -> str | None:
    """The address of the cluster that is meant; None: one is to be started.

    Raises CannotJoinError.
    """
    named = os.environ.get("RAY_ADDRESS", "") if where == "ray" else where
    if named == "local":
        return None
    if named.startswith(_CLIENT):
        raise CannotJoinError(
            f"RAY_ADDRESS={named}: Ray Client is not used; run this on a node, with RAY_ADDRESS="
            f"HOST:PORT: `ray start --address=HOST:PORT --num-cpus=0` makes this machine one"
        )
    if named and named != "auto":
        return named
    from ray._private.services import find_gcs_addresses  # noqa: PLC0415 - no other

    here = sorted(find_gcs_addresses())
    if len(here) > 1:
        raise CannotJoinError(
            f"several Ray clusters run on this machine: name one by --on, {' or '.join(here)}"
        )
    return here[0] if here else None


def _metadata(address: str) -> Mapping[str, str]:
    """What a cluster says of itself. Raises CannotJoinError if it does not answer."""
    from ray import _raylet  # noqa: PLC0415 - no other asks before it joins

    def ask() -> Mapping[str, str]:
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=_ANSWER).close()
        found = _raylet.GcsClient(address=address).internal_kv_get(_KEY, _SPACE, timeout=_ANSWER)
        return json.loads(found or b"{}")  # type: ignore[no-any-return]

    try:
        return _within(_ANSWER, ask)
    except Exception as error:
        if not isinstance(error, TimeoutError):
            traceback.print_exc()
        raise CannotJoinError(
            f"no Ray cluster answers at {address} within {_ANSWER:g} s: `ray status --address "
            f"{address}` on a node says whether it runs"
        ) from error


def _within(seconds: float, work: Callable[[], _T]) -> _T:
    """What it returns or raises. Raises TimeoutError; then it goes on, and nobody waits for it."""
    found: list[_T] = []
    failed: list[Exception] = []

    def do() -> None:
        try:
            found.append(work())
        except Exception as error:  # noqa: BLE001 - raised below
            failed.append(error)

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError
    return found[0]


def _check_versions(address: str, theirs: Mapping[str, str]) -> None:
    """Raise CannotJoinError where the cluster has another Ray or Python than this process."""
    there = theirs.get("ray_version"), theirs.get("python_version")
    here = ray.__version__, platform.python_version()
    if None in there or there == here:
        return
    raise CannotJoinError(
        f"the Ray cluster at {address} has Ray {there[0]} and Python {there[1]}, and here are Ray "
        f"{here[0]} and Python {here[1]}: use an environment with its versions"
    )


def _too_large(nodes: Sequence[Mapping[str, float]], connect: protocol.Connect) -> str:
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
