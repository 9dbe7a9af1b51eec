"""Orders, from which the processes of attempts are launched."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from tuitune.core.placement.snapshots import Snapshot
from tuitune.core.spec import StudySpec
from tuitune.core.study.state import State, Trial
from tuitune.devices.quarantine import listed_here
from tuitune.devices.rocm import PREFIX
from tuitune.engine.ports import Folders
from tuitune.engine.settings import our_gpus
from tuitune.messages.command import fill_command, fill_variables, trial_values
from tuitune.trial.saved_files import newest
from tuitune.trial.wire import Order


def make_order(spec: StudySpec, state: State, trial: Trial, trial_folders: Folders) -> Order:
    """The order for the trial's newest attempt, which goes on from its newest checkpoint."""
    # Not the checkpoint of the last step: an attempt from there would report no objective.
    checkpoint = trial_folders.newest_checkpoint(trial.number, but=spec.pruning.max)
    seed = attempt_seed(spec.search.seed, trial.number, trial.attempt)
    folder = trial_folders.folder(trial.number)
    command, variables = _filled(spec, trial, seed, folder, checkpoint)
    return Order(
        trial=trial.number,
        attempt=trial.attempt,
        config=spec.space.nested(trial.config),
        seed=seed,
        folder=str(folder),
        resume_path=None if checkpoint is None else str(checkpoint),
        resume_step=None if checkpoint is None else int(checkpoint.name),
        max_resource=spec.pruning.max,
        resource=spec.pruning.resource,
        rungs=spec.pruner.plan.unfilled(state.pruner.filled, trial.number),
        judged_from=spec.pruner.judged_from,
        metric=spec.objective.metric,
        checkpoint_every=spec.trial.checkpoint_every,
        threads=max(1, int(trial.cpus)),
        command=command,
        metrics=dict(spec.trial.metrics),
        began=trial.first or None,
        saves=spec.trial.saves,
        env={**variables, **gpu_environment(spec, state, trial)},
        repeats=state.repeats,
        target=None if state.settings is None else state.settings.target,
        mode=spec.objective.mode,
        node=trial.node,
        gpus=trial.gpus,
        share=trial.share,
    )


def _filled(
    spec: StudySpec, trial: Trial, seed: int, folder: Path, checkpoint: Path | None
) -> tuple[tuple[str, ...] | None, dict[str, str]]:
    """The command and the variables of `env`, their placeholders replaced by values."""
    command, env = spec.trial.command, spec.trial.env
    if command is None and not env:
        return None, {}
    resumed = None if checkpoint is None else _checkpoint_path(spec, folder, checkpoint)
    own = trial_values(str(folder.absolute()), trial.number, seed, len(trial.gpus), resumed)
    values = {**trial.config, **own}
    names = {parameter.name for parameter in spec.space.parameters}
    filled = None if command is None else tuple(fill_command(command, values))
    return filled, fill_variables(env, values, names)


def _checkpoint_path(spec: StudySpec, folder: Path, checkpoint: Path) -> str | None:
    """What a command goes on from: the file that it saved, at its place; else the checkpoint."""
    if spec.trial.saves is None:
        return str(checkpoint.absolute())
    saved = newest(str(checkpoint), spec.trial.saves)
    return None if saved is None else str(folder.absolute() / saved.place)


def lost_checkpoint(spec: StudySpec, trial: Trial, order: Order, trial_folders: Folders) -> str:
    """A warning if the newest checkpoint that the journal knows of can't be used; else empty."""
    known, found = trial.checkpoint, order.resume_step
    if known is None or (found is not None and found >= known):
        return ""
    where = "starts from the beginning" if found is None else f"goes on from step {found}"
    if (
        known == spec.pruning.max
        and trial_folders.newest_checkpoint(trial.number, but=None) is not None
    ):
        why = f"its checkpoint of step {known}, the last one, has no report that counts"
        return f"{why}: it {where}, so that there is one"
    return f"its checkpoint of step {known} is gone: it {where}"


def gpu_environment(spec: StudySpec, state: State, trial: Trial) -> dict[str, str]:
    """Variables that let a trial see its own GPUs only, or none if it is to have none."""
    if trial.gpus:
        return _visible(trial.gpus)
    asked_for_none = state.settings is not None and state.settings.gpus == 0
    is_stated = spec.trial.gpus is not None or bool(state.gpus)  # else GPUs may be of another maker
    if asked_for_none and is_stated and "CUDA_VISIBLE_DEVICES" not in spec.trial.env:
        return {"CUDA_VISIBLE_DEVICES": ""}
    return {}


def import_environment(spec: StudySpec, seen: Snapshot) -> dict[str, str]:
    """Variables that let the import of the target see the GPUs of one trial only, or none.

    Code that touches CUDA when it is imported would do so on the machine's first GPU otherwise.
    """
    if "CUDA_VISIBLE_DEVICES" in spec.trial.env:
        return {}
    if spec.trial.gpus == 0:
        return {"CUDA_VISIBLE_DEVICES": ""}
    aside = {one.uuid for one in listed_here(os.environ)}
    usable = [d for d in our_gpus(spec, seen) if not d.trouble and d.uuid not in aside]
    usable.sort(key=lambda device: (bool(device.processes), -device.index))
    uuids = [device.uuid for device in usable[: spec.trial.gpu_count]]
    return _visible(uuids) if uuids else {}


def _visible(uuids: Sequence[str]) -> dict[str, str]:
    if any(uuid.startswith(PREFIX) for uuid in uuids):
        numbers = ",".join(uuid.removeprefix(PREFIX) for uuid in uuids)
        return {"HIP_VISIBLE_DEVICES": numbers, "CUDA_VISIBLE_DEVICES": numbers}
    return {"CUDA_VISIBLE_DEVICES": ",".join(uuids), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def attempt_seed(seed: int, trial: int, attempt: int) -> int:
    """32 bits: differs between attempts, and is the same when the study is run again."""
    digest = hashlib.sha256(f"{seed}/{trial}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
