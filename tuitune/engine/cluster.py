"""Studies whose trials run on the nodes of a Ray cluster: `--on`."""

from __future__ import annotations

import importlib.util
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuitune.core.placement import host, snapshots
from tuitune.core.spec import StudySpec
from tuitune.core.study import Study, checkpoints
from tuitune.engine.settings import CannotRunError, never_allowed, settings_of
from tuitune.executors.base import Executor, Plan, Sink
from tuitune.store.folder import LOG, RAY_LOG

if TYPE_CHECKING:
    from tuitune.executors.remote.protocol import Files

ANY_ROOM = host.HostResources(float(sys.maxsize), sys.maxsize)  # what nodes have is known later
NO_GPU_HERE = snapshots.Snapshot(problem="the trials run on other machines", absent=True)
_ADDRESS = re.compile(r"[\w.:\[\]-]+:\d{1,5}")
_HERE = "ray"


def check_cluster(where: str, spec: StudySpec) -> None:
    """Check `--on` as far as it can be without Ray, else raise CannotRunError."""
    check_place(where)
    if problem := never_allowed(spec):
        raise CannotRunError(f"{spec.file}: {problem}")


def check_place(where: str) -> None:
    """Check that this may be a cluster, and that Ray is there, else raise CannotRunError."""
    if where.startswith("ray://"):
        raise CannotRunError(
            f"--on {where}: Ray Client is not used; run this on a node, with --on HOST:PORT: "
            f"`ray start --address=HOST:PORT --num-cpus=0` makes this machine one"
        )
    if where != _HERE and not _ADDRESS.fullmatch(where):
        raise CannotRunError(f"--on {where}: write ray, or HOST:PORT of a Ray cluster's head")
    if importlib.util.find_spec("ray") is None:
        raise CannotRunError(f"--on {where}: Ray is not installed: pip install 'tuitune[ray]'")


def cluster_executor(
    where: str, plan: Plan, spec: StudySpec, files: Files
) -> Callable[[Sink, Callable[[str], None], Study], Executor]:
    """Makes the executor of all nodes of this cluster; its `open` joins it."""
    from tuitune.executors.ray.protocol import Connect  # noqa: PLC0415 - few studies need them
    from tuitune.executors.ray.transport import RayTransport  # noqa: PLC0415
    from tuitune.executors.remote.executor import NodesExecutor  # noqa: PLC0415

    trial, concurrency = spec.trial, spec.search.concurrency
    most = None if concurrency is None else concurrency * trial.cpus
    log = Path(plan.study_folder, LOG)
    least = 0 if trial.gpus is None else trial.gpu_count
    connect = Connect(where, trial.cpus, trial.memory or 0, least, trial.gpus != 0, most, str(log))
    devices = None if trial.gpus == 0 else spec.devices
    settings = settings_of(spec, has_gpus=True)

    def make(sink: Sink, note: Callable[[str], None], study: Study) -> Executor:
        transport = RayTransport(connect, log.with_name(RAY_LOG), note)
        return NodesExecutor(
            plan,
            sink,
            time.time,
            transport,
            files=files,
            note=note,
            awaited=checkpoints.with_checkpoints(study.state),
            devices=devices,
            settings=settings,
        )

    return make
