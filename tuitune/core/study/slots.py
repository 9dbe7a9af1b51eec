"""The CPUs and GPUs that the next trial gets."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from tuitune.core.events import Gpu
from tuitune.core.gpu_reasons import Device, GpuNumbers
from tuitune.core.placement import throughput
from tuitune.core.placement.gpus import Loads, choose, next_empty
from tuitune.core.placement.host import HostResources, most_at_once, place
from tuitune.core.placement.packing import Resident, capacity
from tuitune.core.study import state as st
from tuitune.core.study.sick_gpus import avoided


class Slot(NamedTuple):
    """The devices for one attempt. device: shown to the user. gpus: UUIDs; share: of each."""

    device: Device
    gpus: tuple[str, ...] = ()
    share: float = 0.0


def slot(state: st.State, trial: st.Trial | None = None) -> Slot | None:
    """The slot for this trial, or for a trial to come; None where there is no room now."""
    settings = state.settings
    assert settings is not None
    if settings.concurrency is not None and len(state.running) >= settings.concurrency:
        return None
    if len(state.running) >= most_trials(state):
        return None
    machine = HostResources(state.cpus, state.memory)
    need = HostResources(settings.cpus, settings.memory or 0)
    loads = Loads({}) if settings.gpus == 0 else loads_of(state)
    cpus = sum(state.trials[n].cpus for n in state.running)
    held = HostResources(cpus, _host_memory(state) + loads.of_host())
    host = place(machine, held, need)
    if host is None or settings.gpus == 0:
        return None if host is None else Slot(host)
    alone = trial is not None and trial.needs_empty_gpu
    waiting = {*(() if alone else _aside(state, loads)), *avoided(state, trial)}
    gpus = choose(state.gpus, loads, settings.gpus, alone=alone, aside=waiting)
    if gpus is None:
        return None
    share = 0.0 if settings.gpus == "auto" else min(1.0, settings.gpus)
    return Slot(_numbers(state.gpus, gpus), gpus, 1.0 if alone else share)


def most_trials(state: st.State) -> int:
    """How many trials may run at once; GPUs, which may come and go, do not count."""
    settings = state.settings
    assert settings is not None
    machine = HostResources(state.cpus, state.memory)
    need = HostResources(settings.cpus, settings.memory or 0)
    return most_at_once(machine, need, settings.concurrency)


def first_to_seat(state: st.State) -> tuple[st.Trial, Slot] | None:
    """The first waiting trial that finds room, and its slot.

    Trials that need an empty GPU go first, since a GPU is kept for them, and do not delay others.
    """
    if not state.waiting:
        return None
    alone = _alone(state)
    others = (state.trials[n] for n in ready(state) if n not in alone)
    for trial in (*(state.trials[n] for n in alone), *islice(others, 1)):
        found = slot(state, trial)
        if found is not None:
            return trial, found
    return None


def ready(state: st.State) -> list[int]:
    """Waiting trials, except those to be killed and the one that was proposed ahead of time."""
    return [n for n in state.waiting if n not in state.kills and n != state.prefetched]


def _alone(state: st.State) -> list[int]:
    """Waiting trials that need an empty GPU."""
    if not state.gpus:
        return []
    return [number for number in ready(state) if state.trials[number].needs_empty_gpu]


def loads_of(state: st.State) -> Loads:
    """The running trials on each GPU, and the host memory that they were promised."""
    residents: dict[str, list[Resident]] = {}
    for trial in (state.trials[number] for number in state.running):
        for uuid in trial.gpus:
            residents.setdefault(uuid, []).append(_resident(state, trial))
    pools = [gpu.uuid for gpu in state.gpus if gpu.unified]
    pooled = [resident for uuid in pools for resident in residents.get(uuid, ())]
    assert state.settings is not None
    taken = _host_memory(state) + (state.settings.memory or 0)
    return Loads(residents, state.packing, state.memory, taken, pooled)


def _host_memory(state: st.State) -> int:
    """Bytes that running trials were promised."""
    return sum(state.trials[number].memory for number in state.running)


def neighbours(state: st.State, trial: st.Trial) -> list[st.Trial]:
    """Other running trials on at least one of its GPUs."""
    others = (state.trials[number] for number in state.running if number != trial.number)
    return [other for other in others if set(other.gpus) & set(trial.gpus)]


def gpus_of(state: st.State, trial: st.Trial) -> list[Gpu]:
    """The GPUs of a running trial that are still known."""
    return [gpu for gpu in state.gpus if gpu.uuid in trial.gpus]


def model_of(state: st.State, trial: st.Trial) -> str:
    """The model of its first GPU; empty without one."""
    return next((gpu.name for gpu in gpus_of(state, trial)), "")


def capacity_of(state: st.State, trial: st.Trial) -> throughput.Capacity:
    """How many trials GPUs of its model can run."""
    return capacity(state.packing, model_of(state, trial))


def _numbers(gpus: Iterable[Gpu], uuids: Iterable[str]) -> GpuNumbers:
    wanted = set(uuids)
    return GpuNumbers(tuple(gpu.index for gpu in gpus if gpu.uuid in wanted))


def _resident(state: st.State, trial: st.Trial) -> Resident:
    pace = trial.pace
    if pace is None:
        return Resident(trial.share, trial.peak, trial.rest)
    intervals = min(pace.calm, throughput.intervals(capacity_of(state, trial), pace))
    under_way = pace.reports > 0 and pace.calm > 0
    return Resident(trial.share, trial.peak, trial.rest, under_way, intervals)


def _aside(state: st.State, loads: Loads) -> tuple[str, ...]:
    """The GPU that is kept for the first trial that needs an empty one."""
    if not _alone(state):
        return ()
    empty = choose(state.gpus, loads, 0.5, alone=True)
    coming = empty[0] if empty else next_empty(state.gpus, loads)
    return () if coming is None else (coming,)
