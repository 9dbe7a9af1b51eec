"""How the bridge joins a cluster: which one, whether it answers, its versions, its size."""

import json
import os
import platform
import socket
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import ray
from ray.exceptions import RayError

from tuitune.executors.ray import cluster, protocol

_SOON = 5.0  # s to join a cluster, until it is asked what keeps it
_PATIENCE = 30.0  # s more for one that answers
_ANSWER = 10.0  # s for a cluster to answer
_CLIENT = "ray://"
_KEY, _SPACE = b"CLUSTER_METADATA", b"cluster"  # where a cluster keeps its versions
_SILENT = (
    f"no Ray cluster answers at {{0}} within {_ANSWER:g} s: `ray status --address {{0}}` on a node "
    f"says whether it runs"
)
_REFUSED = (
    "the Ray cluster at {0} asks for a token that is not given here: set RAY_AUTH_MODE=token, and "
    "RAY_AUTH_TOKEN to what `ray get-auth-token` prints on its head"
)
_T = TypeVar("_T")


class CannotJoinError(Exception):
    """There is no cluster to join; str() says why, and the mend."""


def join(where: str) -> tuple[str, bool]:
    """Join this cluster, or start one. Returns its address, and whether it was started.

    Raises CannotJoinError.
    """
    address = address_of(where)
    try:
        if address is None:
            return _init("local").address_info["address"], True
        _knock(address)
        joining = _begun(lambda: _init("auto" if _is_found(where) else address))
        try:
            joining.result(_SOON)
        except TimeoutError:
            _check(address)
            joining.result(_PATIENCE)
    except (RayError, RuntimeError, ConnectionError, ValueError, OSError) as error:
        traceback.print_exc()
        if address is not None:
            if _is_refusal(error):
                raise CannotJoinError(_REFUSED.format(address)) from error
            _check(address)
        raise CannotJoinError(_not_joined(address, type(error).__name__)) from error
    return address, False


def _init(address: str) -> Any:
    """Waits for as long as the cluster does not answer, and where it refuses a token."""
    return ray.init(
        address=address,
        log_to_driver=False,
        logging_level="ERROR",
        configure_logging=False,
        include_dashboard=False if address == "local" else None,
    )


def _is_found(where: str) -> bool:
    """Whether Ray finds the cluster itself: only there it uses a token that it finds as well."""
    return where == "ray" and os.environ.get("RAY_ADDRESS", "") in {"", "auto"}


def _is_refusal(error: Exception) -> bool:
    """Whether it is about tokens, which Ray 2.49 has no error of its own for."""
    return type(error).__name__ == "AuthenticationError" or "InvalidAuthToken" in str(error)


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


def _knock(address: str) -> None:
    """Raise CannotJoinError where nothing takes connections: Ray would wait for it."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER).close()
    except (OSError, ValueError, OverflowError) as error:
        raise CannotJoinError(_SILENT.format(address)) from error


def _check(address: str) -> None:
    """Raise CannotJoinError where the cluster is silent, refuses, or has other versions."""
    from ray import _raylet  # noqa: PLC0415 - no other tells why a cluster is not joined

    def ask() -> Mapping[str, str]:
        found = _raylet.GcsClient(address=address).internal_kv_get(_KEY, _SPACE, timeout=_ANSWER)
        return json.loads(found or b"{}")  # type: ignore[no-any-return]

    try:
        theirs = _begun(ask).result(_ANSWER)
    except Exception as error:
        if not isinstance(error, TimeoutError):
            traceback.print_exc()
        words = _REFUSED if _is_refusal(error) else _SILENT
        raise CannotJoinError(words.format(address)) from error
    _check_versions(address, theirs)


def _begun(work: Callable[[], _T]) -> Future[_T]:
    """What it will return, or raise; nobody waits for its thread."""
    found: Future[_T] = Future()

    def do() -> None:
        try:
            found.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            found.set_exception(error)

    threading.Thread(target=do, daemon=True).start()
    return found


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
