"""What of a study file may change between two runs, and can this machine do it?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tuitune.core.events import Settings
from tuitune.core.placement.host import HostResources, shortage
from tuitune.core.placement.visibility import NotAllowedError, allowed

if TYPE_CHECKING:
    from tuitune.core.placement.snapshots import Snapshot
    from tuitune.core.spec import StudySpec


class CannotRunError(Exception):
    """This machine can't do what the study file asks for; str() says what and the mend."""


def settings_of(spec: StudySpec, *, has_gpus: bool = False) -> Settings:
    gpus = spec.trial.gpus
    return Settings(
        trials=spec.search.trials,
        concurrency=spec.search.concurrency,
        cpus=spec.trial.cpus,
        memory=spec.trial.memory,
        retries=spec.trial.retries,
        timeout=spec.trial.timeout,
        time_limit=spec.limits.time,
        target=spec.limits.target,
        gpus=float(has_gpus) if gpus is None else gpus,
        on_foreign=spec.devices.on_foreign,
        leave_within=spec.trial.leave_within,
        keep_checkpoints=spec.trial.keep_checkpoints,
        disk_free=spec.limits.disk_free,
    )


def check_machine(spec: StudySpec, machine: HostResources, seen: Snapshot | None = None) -> None:
    """Raises CannotRunError for what no waiting would mend. `seen`: None: nobody has looked."""
    problem = shortage(machine, HostResources(spec.trial.cpus, spec.trial.memory or 0))
    if not problem and seen is not None:
        problem = _gpu_shortage(spec, seen)
    if problem:
        raise CannotRunError(f"{spec.file}: {problem}")


def wants_gpus(spec: StudySpec) -> bool:
    """Whether it is worth to look for some."""
    return spec.trial.gpus != 0


def has_gpus(spec: StudySpec, seen: Snapshot) -> bool:
    """Whether there are some that this study may use."""
    try:
        return bool(allowed(seen.devices, os.environ, spec.devices.allow))
    except NotAllowedError:
        return False


def _gpu_shortage(spec: StudySpec, seen: Snapshot) -> str:
    gpus = spec.trial.gpus
    if gpus == 0 or (gpus is None and seen.absent):
        return ""
    asked = "" if gpus is None else f"[trial] gpus = {gpus if gpus == 'auto' else f'{gpus:g}'}: "
    if seen.problem:
        return f"{asked}{seen.problem}; mend that, or set gpus = 0 in [trial] to run on CPUs"
    try:
        there = allowed(seen.devices, os.environ, spec.devices.allow)
    except NotAllowedError as error:
        return str(error)
    there = [device for device in there if not device.trouble]
    count = 1.0 if gpus == "auto" else gpus
    if count is not None and count > 1:
        there = [device for device in there if not device.parent]  # instances don't go together
    if count is None or count <= max(0, len(there) - spec.devices.leave_free):
        return ""
    some = "1 GPU here is" if len(there) == 1 else f"{len(there)} GPUs here are"
    what = f"{some} ours to use"
    if spec.devices.leave_free:
        what += f", {spec.devices.leave_free} of which must stay free for others"
    return f"{asked}{what}; ask for fewer, or set gpus = 0 to run on CPUs"
