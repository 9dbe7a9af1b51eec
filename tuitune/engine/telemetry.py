"""What do the devices do meanwhile? A sample a second beside the journal; nothing hangs on it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tuitune.core.placement.sample import DeviceSample
from tuitune.core.study.gpu_packing import words_of
from tuitune.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tuitune.core.events import Gpu
    from tuitune.core.placement.snapshots import GpuSample
    from tuitune.core.study import State
    from tuitune.engine.context import EngineContext
    from tuitune.engine.engine import Engine
    from tuitune.engine.gpus import Gpus

PERIOD = 1.0  # s


async def watch(
    engine: Engine, context: EngineContext, gpus: Gpus | None, clock: Callable[[], float]
) -> None:
    """Until it is cancelled. Looks in a thread: a disk that hangs must not stop the engine."""
    from tuitune.devices.host_sampler import HostSampler  # noqa: PLC0415 - not before trials start

    sampler = await asyncio.to_thread(HostSampler, context.machine, context.held.folder)
    while engine.broken is None:
        state = engine.study.state
        running = [state.trials[number] for number in state.running]
        pids = {trial.number: trial.pid for trial in running if trial.pid is not None}
        used = sum(trial.cpus for trial in running)
        sample = await asyncio.to_thread(sampler.sample, clock(), pids, used)
        seen = () if gpus is None else gpu_samples(gpus.devices, gpus.strangers, state, clock())
        with contextlib.suppress(StoreError):  # the next fact will tell of it
            context.journal.sample([sample, *seen])
        await asyncio.sleep(PERIOD)


def gpu_samples(
    devices: Sequence[GpuSample], strangers: Mapping[str, Sequence[str]], state: State, now: float
) -> list[DeviceSample]:
    """What was last seen of each GPU, with what the study makes of it."""
    context = {gpu.uuid: gpu for gpu in state.gpus}
    on: dict[str, list[int]] = {}
    for trial in (state.trials[number] for number in state.running):
        for uuid in trial.gpus:
            on.setdefault(uuid, []).append(trial.number)
    return [
        DeviceSample(
            now,
            device.uuid,
            "mig" if device.parent else "gpu",
            device.name,
            index=device.index,
            utilisation=None if device.utilisation is None else device.utilisation / 100,
            memory_used=device.memory_used,
            memory_total=device.memory_total,
            temperature=device.temperature,
            power=device.power,
            power_limit=device.power_limit,
            trials=tuple(on.get(device.uuid, ())),
            foreign=tuple(strangers.get(device.uuid, ())),
            note=_note(device, context.get(device.uuid)),
            packed=words_of(state, context[device.uuid]) if device.uuid in context else "",
        )
        for device in devices
    ]


def _note(device: GpuSample, context: Gpu | None) -> str:
    """Why nothing is placed on it; who else is on it is told beside that."""
    if context is None:
        return device.trouble
    return "nothing more starts" if context.obstacle and context.foreign else context.obstacle
