"""Monitors of an engine: steps of the clock, free disk space, devices, importance."""

import asyncio
import contextlib
import math
import shutil
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tuitune.core import events as ev
from tuitune.core.placement import snapshots
from tuitune.core.search.importance import FINISHED, Importance, is_due
from tuitune.core.study import State, Study, gpu_packing, nodes
from tuitune.devices.host import host_room
from tuitune.engine.context import EngineContext
from tuitune.engine.engine import Engine
from tuitune.engine.gpus import Gpus
from tuitune.executors.base import with_nodes
from tuitune.messages.reasons import process_words, reason_words
from tuitune.model_process import importance
from tuitune.store.errors import StoreError
from tuitune.store.folder import LOG
from tuitune.store.journal import Journal

_LEAST_STEP = 1.0  # s; smaller steps are corrections by NTP


class ClockSteps:
    """Finds steps of the wall clock by comparing it with the monotonic clock.

    A machine that was suspended counts as one whose clock was set: nothing ran meanwhile.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._apart = wall() - steady()

    def __call__(self) -> float:
        """Seconds by which the clock was set since the last call; 0 for none."""
        apart = self._wall() - self._steady()
        by = apart - self._apart
        if abs(by) < _LEAST_STEP:
            return 0.0
        self._apart = apart
        return by


_LEAST_SHARE = 0.05  # of the whole disk, below which it is low, or
_LEAST_FREE = 5_000_000_000  # bytes; the smaller of the two counts


class FreeSpace(NamedTuple):
    """Free space of a disk."""

    free: int  # bytes
    share: float  # of the whole

    def is_low(self, least: int | None) -> bool:
        """`least`: bytes that must stay free; None for the defaults."""
        if least is None:
            return self.share < _LEAST_SHARE and self.free < _LEAST_FREE
        return self.free < least


def _room(folder: Path) -> FreeSpace | None:
    """Free space of the folder's disk; None if it can't be read."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return FreeSpace(usage.free, usage.free / usage.total if usage.total else math.inf)


def is_low(folder: Path, least: int | None) -> bool:
    """Whether the folder's disk has too little free space; False if that can't be read."""
    found = _room(folder)
    return found is not None and found.is_low(least)


async def watch_disk(folder: Path, engine: Engine, period: float) -> None:
    """Send an event when the disk becomes too full or has room again; look every `period` s."""
    while True:
        await asyncio.sleep(period)
        settings, found = engine.study.state.settings, _room(folder)
        if settings is None or found is None:
            continue
        low = found.is_low(settings.disk_free)
        if low != engine.study.state.disk_low:
            engine.take([ev.DiskChanged(time.time(), low, found.share, found.free)])


_SAMPLE_PERIOD = 1.0  # s
_SAMPLES_OF_NODES = 150.0  # a second at most: those of many nodes are taken less often


async def watch_devices(
    engine: Engine, context: EngineContext, gpus: Gpus | None, clock: Callable[[], float]
) -> None:
    """Store samples of host and GPUs until cancelled.

    Samples are taken in a thread, since a disk that hangs must not stop the engine.
    """
    from tuitune.devices.host_sampler import HostSampler  # noqa: PLC0415 - not before trials start

    machine = context.machine if nodes.HERE in engine.study.state.nodes else host_room()
    sampler = await asyncio.to_thread(HostSampler, machine, context.held.folder)
    due = 0.0  # by the loop's clock: when the nodes are sampled next
    while engine.broken is None:
        state = engine.study.state
        running = [trial for n in state.running if (trial := state.trials[n]).node == nodes.HERE]
        pids = {trial.number: trial.pid for trial in running if trial.pid is not None}
        used = sum(trial.cpus for trial in running)
        sample = await asyncio.to_thread(sampler.sample, clock(), pids, used)
        seen = [] if gpus is None else _gpu_samples(gpus.devices, gpus.strangers, state, clock())
        on, moment = with_nodes(engine.executor), asyncio.get_running_loop().time()
        if on is not None and moment >= due:
            of_nodes = _samples_of_nodes(on.readings(), state, clock())
            due = moment + nodes_period(len(of_nodes)) - _SAMPLE_PERIOD / 2
            seen += of_nodes
        with contextlib.suppress(StoreError):  # the next fact meets the same error
            context.journal.sample([sample, *seen])
        await asyncio.sleep(_SAMPLE_PERIOD)


def nodes_period(samples: int) -> float:
    """Seconds between two samples of all nodes, whole ones, if they are so many samples."""
    return _SAMPLE_PERIOD * max(1, math.ceil(samples / _SAMPLES_OF_NODES))


def _gpu_samples(
    devices: Sequence[snapshots.GpuSample],
    strangers: Mapping[str, Sequence[snapshots.DeviceProcess]],
    state: State,
    now: float,
    node: str = nodes.HERE,
) -> list[snapshots.DeviceSample]:
    """The last sample of each GPU, with the trials on it and why nothing starts there."""
    known = state.nodes.get(node)
    gpus, on = ({}, {}) if known is None else (known.gpus, known.on)
    return [
        snapshots.DeviceSample(
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
            foreign=tuple(
                process_words(process.user, process.name, process.pid, process.memory)
                for process in strangers.get(device.uuid, ())
            ),
            note=_gpu_note(device, gpus.get(device.uuid)),
            slowed=device.slowed,
            usage=_gpu_usage(device, on.get(device.uuid, ()), state),
            packed=(
                gpu_packing.sharing(state, node, gpus[device.uuid]) if device.uuid in gpus else None
            )
            or "",
            node=node,
        )
        for device in devices
    ]


def _samples_of_nodes(
    found: Mapping[str, snapshots.NodeReadings], state: State, now: float
) -> list[snapshots.DeviceSample]:
    """Each node, with its trials and why nothing starts there, and its GPUs.

    A node without readings has a sample if it is in trouble.
    """
    samples: list[snapshots.DeviceSample] = []
    for name, known in state.nodes.items():
        readings, note = found.get(name), reason_words(known.node.obstacle)
        if readings is None and not note:
            continue
        host = snapshots.DeviceSample(now, "", "host", name) if readings is None else readings.host
        samples.append(
            msgspec.structs.replace(
                host,
                time=now,
                device=f"node {name}",
                name=name,
                node=name,
                trials=tuple(known.running),
                slots=0.0 if known.node.lost else known.node.cpus,
                slots_used=known.cpus,
                note=note,
            )
        )
        if readings is not None:
            samples += _gpu_samples(readings.devices, readings.strangers, state, now, name)
    return samples


def _gpu_usage(
    device: snapshots.GpuSample, trials: Iterable[int], state: State
) -> tuple[snapshots.TrialUsage, ...]:
    """The memory of the trials on a GPU, by the processes that compute there."""
    found: list[snapshots.TrialUsage] = []
    for trial in sorted(trials):
        leader = state.trials[trial].pid
        own = [p for p in device.processes or () if leader is not None and leader in p.ancestors]
        sizes = [process.memory for process in own if process.memory is not None]
        found.append(snapshots.TrialUsage(trial, len(own), sum(sizes) if sizes else None))
    return tuple(found)


def _gpu_note(device: snapshots.GpuSample, gpu: ev.Gpu | None) -> str:
    """Why nothing is placed on it; others on it are named in a field of their own."""
    if gpu is None:
        return device.trouble
    return "nothing more starts" if gpu.obstacle and gpu.foreign else reason_words(gpu.obstacle)


_IMPORTANCE_PERIOD = 15.0  # s between two looks at whether enough trials have finished


async def watch_importance(
    study: Study, journal: Journal, folder: Path, interval: float = _IMPORTANCE_PERIOD
) -> None:
    """Compute importance again, in a process of its own, whenever enough trials have finished."""
    newest = journal.importance()
    while True:
        await asyncio.sleep(interval)
        finished = sum(trial.state in FINISHED for trial in study.state.trials)
        if not is_due(newest, finished):
            continue
        found = await _compute_importance(folder)
        newest = found or Importance(finished)  # after a failure, wait for more trials
        if found is not None:
            with contextlib.suppress(StoreError):  # the engine reports the same error
                journal.keep_importance(found)


async def _compute_importance(folder: Path) -> Importance | None:
    """The importance; None if the process fails, whose error is in the engine's log then."""
    try:
        with (folder / LOG).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *importance.command(folder),
                stdin=DEVNULL,
                stdout=PIPE,
                stderr=log,
                env=importance.environment(),
                start_new_session=True,
            )
    except OSError:
        return None
    try:
        output, _ = await process.communicate()
        return importance.read_answer(output)
    except msgspec.DecodeError:
        return None
    finally:
        if process.returncode is None:  # the study has ended meanwhile
            process.kill()
            await process.wait()
