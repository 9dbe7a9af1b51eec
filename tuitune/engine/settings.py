"""What of a study file may change between two runs, and can this machine do it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuitune.devices.placement import Room, shortage
from tuitune.events import Settings

if TYPE_CHECKING:
    from tuitune.spec import StudySpec


class CannotRunError(Exception):
    """This machine can't do what the study file asks for; str() says what and the mend."""


def settings_of(spec: StudySpec) -> Settings:
    return Settings(
        trials=spec.search.trials,
        concurrency=spec.search.concurrency,
        cpus=spec.trial.cpus,
        memory=spec.trial.memory,
        retries=spec.trial.retries,
        timeout=spec.trial.timeout,
        time_limit=spec.limits.time,
        target=spec.limits.target,
    )


def check_machine(spec: StudySpec, machine: Room) -> None:
    """Raises CannotRunError for what no waiting would mend."""
    gpus = spec.trial.gpus
    if gpus == "auto" or (gpus or 0) > 0:
        raise CannotRunError(
            f"{spec.file}: [trial] gpus = {gpus}: trials are placed on CPU slots only in this "
            f"version; leave the key out, or set gpus = 0"
        )
    problem = shortage(machine, Room(spec.trial.cpus, spec.trial.memory or 0))
    if problem:
        raise CannotRunError(f"{spec.file}: {problem}")
