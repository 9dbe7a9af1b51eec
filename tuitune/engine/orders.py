"""Orders, from which the processes of attempts are launched."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from tuitune.core import events as ev
from tuitune.core.placement.snapshots import Snapshot
from tuitune.core.spec import StudySpec
from tuitune.core.study import checkpoints, state as st
from tuitune.devices import quarantine, rocm
from tuitune.engine import ports, settings
from tuitune.executors.local.exit_text import shortage
from tuitune.messages.command import fill_command, fill_variables, trial_values, variables_of_all
from tuitune.trial.saved_files import newest
from tuitune.trial.wire import MOST_STEP, Order


def make_order(
    spec: StudySpec, state: st.State, trial: st.Trial, trial_folders: ports.Folders
) -> Order:
    """The order for the trial's newest attempt, which goes on from its newest checkpoint."""
    order = draft_order(spec, state, trial)
    return located(order, trial_folders.folder(trial.number), newest_for(order, trial_folders))


def newest_for(order: Order, trial_folders: ports.Folders) -> Path | None:
    """The checkpoint to go on from.

    Not that of the last step: an attempt from there would report no objective.
    """
    return trial_folders.newest_checkpoint(order.trial, order.max_resource, known_of(order))


def known_of(order: Order) -> int:
    """The newest step whose reports are all in the journal; -1: none."""
    return -1 if order.known is None else order.known


def _known(spec: StudySpec, trial: st.Trial) -> int:
    """As `known_of`. A study that trains a trial on begins with a checkpoint of another study."""
    is_given = bool(spec.search.source) and trial.checkpoint is None and not trial.step
    return MOST_STEP if is_given else checkpoints.known_step(trial)


def draft_order(spec: StudySpec, state: st.State, trial: st.Trial) -> Order:
    """The order for the trial's newest attempt, as long as its folder is not known."""
    seed = attempt_seed(spec.search.seed, trial.number, trial.attempt)
    variables = {name: text for name, text in spec.trial.env.items() if "{" in text}
    return Order(
        trial=trial.number,
        attempt=trial.attempt,
        config=spec.space.nested(trial.config),
        seed=seed,
        folder="",
        max_resource=spec.pruning.max,
        resource=spec.pruning.resource,
        rungs=spec.pruner.plan.unfilled(state.pruner.filled, trial.number),
        judged_from=spec.pruner.judged_from,
        metric=spec.objective.metric,
        checkpoint_every=spec.trial.checkpoint_every,
        threads=max(1, int(trial.cpus)),
        command=spec.trial.command,  # type: ignore[arg-type]  # its groups are filled in later
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
        known=_known(spec, trial),
        values=trial.config if spec.trial.command or variables else {},
        parameters=tuple(p.name for p in spec.space.parameters) if variables else (),
    )


def located(order: Order, folder: Path, checkpoint: Path | None) -> Order:
    """The draft of an order with the trial's folder, filled in with what follows from it."""
    resume_path = None if checkpoint is None else str(checkpoint)
    resume_step = None if checkpoint is None else int(checkpoint.name)
    order = order._replace(folder=str(folder), resume_path=resume_path, resume_step=resume_step)
    command, env, names = order.command, order.env, order.parameters
    if command is None and not names:
        return order
    resumed = None if checkpoint is None else _checkpoint_path(order.saves, folder, checkpoint)
    own = (str(folder.absolute()), order.trial, order.seed, len(order.gpus), resumed)
    values = {**order.values, **trial_values(*own)}
    filled = None if command is None else tuple(fill_command(tuple(command), values))
    variables = variables_of_all(env, names) | fill_variables(env, values, names)
    return order._replace(command=filled, env=variables, values={}, parameters=())


def _checkpoint_path(saves: str | None, folder: Path, checkpoint: Path) -> str | None:
    """What a command goes on from: the file that it saved, at its place; else the checkpoint."""
    if saves is None:
        return str(checkpoint.absolute())
    saved = newest(str(checkpoint), saves)
    return None if saved is None else str(folder.absolute() / saved.place)


def without_folder(now: float, trial: int, attempt: int, error: OSError) -> list[ev.Event]:
    """Its folder can't be made: the trial fails, unless the machine lacks something."""
    lacking = shortage(error.errno)
    why = f"its folder can't be made: {lacking or error}"
    blocked: list[ev.Event] = [ev.LaunchBlocked(now, "resources", lacking)] if lacking else []
    lost = bool(lacking)
    return [*blocked, ev.Exited(now, trial, attempt, None, None, why, "", 0, lost=lost)]


def moved_aside(place: str) -> str:
    """A warning that the trial's folder was another's, and where it is now."""
    return (
        f"its folder held what was trained with another configuration: the journal is older than "
        f"that. It is in {place} now, and the trial starts from the beginning"
    )


def lost_checkpoint(order: Order, trial_folders: ports.Folders) -> str:
    """A warning if the newest checkpoint that the journal knows of can't be used; else empty."""
    known, found = known_of(order), order.resume_step
    if known in {-1, MOST_STEP} or (found is not None and found >= known):
        return ""
    where = "starts from the beginning" if found is None else f"goes on from step {found}"
    if (
        known == order.max_resource
        and trial_folders.newest_checkpoint(order.trial, None, known) is not None
    ):
        why = f"its checkpoint of step {known}, the last one, has no report that counts"
        return f"{why}: it {where}, so that there is one"
    return f"its checkpoint of step {known} is gone: it {where}"


def gpu_environment(spec: StudySpec, state: st.State, trial: st.Trial) -> dict[str, str]:
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
    aside = {one.uuid for one in quarantine.listed_here(os.environ)}
    usable = settings.usable(settings.our_gpus(spec, seen), aside)
    usable.sort(key=lambda device: (bool(device.processes), -device.index))
    uuids = [device.uuid for device in usable[: spec.trial.gpu_count]]
    return _visible(uuids) if uuids else {}


def _visible(uuids: Sequence[str]) -> dict[str, str]:
    if any(uuid.startswith(rocm.PREFIX) for uuid in uuids):
        numbers = ",".join(uuid.removeprefix(rocm.PREFIX) for uuid in uuids)
        return {"HIP_VISIBLE_DEVICES": numbers, "CUDA_VISIBLE_DEVICES": numbers}
    return {"CUDA_VISIBLE_DEVICES": ",".join(uuids), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def attempt_seed(seed: int, trial: int, attempt: int) -> int:
    """32 bits: differs between attempts, and is the same when the study is run again."""
    digest = hashlib.sha256(f"{seed}/{trial}/{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
