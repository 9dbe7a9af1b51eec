"""The node, and the CPUs and GPUs there, that the next trial gets."""

from collections.abc import Collection
from typing import NamedTuple

from tuitune.core import events, gpu_reasons
from tuitune.core.placement import packing, throughput
from tuitune.core.placement.gpus import Loads, choose, next_empty
from tuitune.core.placement.host import HOST, HostResources, most_at_once, place
from tuitune.core.study import checkpoints, sick_gpus, state as st
from tuitune.core.study.nodes import home, residents


class Slot(NamedTuple):
    """What an attempt gets. device: shown to the user. gpus: UUIDs; share: of each."""

    device: gpu_reasons.Device
    gpus: tuple[str, ...] = ()
    share: float = 0.0
    node: str = ""


class _Limits(NamedTuple):
    """What a trial may not have, though there is room for others."""

    alone: bool = False  # it needs an empty GPU
    aside: frozenset[str] = frozenset()  # GPUs that are kept for others, or that it avoids


_ANY = _Limits()


def slot(state: st.State, trial: st.Trial | None = None) -> Slot | None:
    """The slot for this trial, or for a trial to come; None where there is no room now.

    Of the nodes with an empty GPU, or else of those with room, it is on the fullest one, so that
    large trials find room on others.
    """
    settings = state.settings
    assert settings is not None
    if is_full(state):
        return None
    found = state.rooms.among(state.nodes)
    if (names := checkpoints.places(state, trial)) is not None:
        found = [node for node in found if node.node.name in names]
    if not found:
        return None
    limits = _ANY if settings.gpus == 0 else _limits(state, trial)
    offers = []
    for node in found:
        gpus = room_on(state, node, limits)
        if gpus is not None:
            offers.append((node, gpus))
        elif limits == _ANY:
            state.rooms.is_full(node.node.name)
    if not offers:
        return None
    several = len(offers) > 1
    node, gpus = min(offers, key=lambda of: _rank(settings, *of)) if several else offers[0]
    name = node.node.name
    if settings.gpus == 0:
        return Slot(name or HOST, node=name)
    share = 1.0 if limits.alone else _share(settings)
    return Slot(_numbers(node, gpus), gpus, share, name)


def _share(settings: events.Settings) -> float:
    """The share that a trial has of each of its GPUs; 0: it is packed."""
    return 0.0 if settings.gpus == "auto" else min(1.0, settings.gpus)


def _limits(state: st.State, trial: st.Trial | None) -> _Limits:
    alone = trial is not None and trial.needs_empty_gpu
    kept = () if alone else _kept_empty(state)
    return _Limits(alone, frozenset((*kept, *_of_parked(state), *sick_gpus.avoided(state, trial))))


def room_on(state: st.State, node: st.NodeState, limits: _Limits = _ANY) -> tuple[str, ...] | None:
    """The GPUs for one more trial on this node, () without any; None where it has no room."""
    settings, known = state.settings, node.node
    assert settings is not None
    if known.obstacle or known.lost:
        return None
    machine = HostResources(known.cpus, known.memory)
    need = HostResources(settings.cpus, settings.memory or 0)
    if len(node.running) >= most_at_once(machine, need, settings.concurrency):
        return None
    if settings.gpus == 0:
        return None if place(machine, HostResources(node.cpus, node.memory), need) is None else ()
    loads = loads_of(state, node)
    held = HostResources(node.cpus, node.memory + loads.of_host())
    if place(machine, held, need) is None:
        return None
    return choose(known.gpus, loads, settings.gpus, alone=limits.alone, aside=limits.aside)


def _rank(
    settings: events.Settings, node: st.NodeState, gpus: tuple[str, ...]
) -> tuple[bool, int, int, float, str]:
    """Sorts offers of nodes, the one to take first."""
    company = max((len(node.on.get(uuid, ())) for uuid in gpus), default=0)
    crowd = company if settings.gpus == "auto" else -company
    empty = sum(not gpu.obstacle and not node.on.get(gpu.uuid) for gpu in node.gpus.values())
    return company > 0, crowd, empty, node.node.cpus - node.cpus, node.node.name


def slot_of_parked(state: st.State, trial: st.Trial) -> Slot | None:
    """The slot for a parked trial: an empty GPU of its node, its own or one of the same model.

    Empty, as others might grow before its memory is back. Its host memory is promised already.
    """
    settings, parked, node = state.settings, trial.parked, state.nodes.get(trial.node)
    assert settings is not None
    if parked is None or node is None or node.node.obstacle or is_full(state):
        return None
    machine, need = HostResources(node.node.cpus, 0), HostResources(settings.cpus, 0)
    if place(machine, HostResources(node.cpus, 0), need) is None:
        return None
    fit = [
        gpu
        for gpu in node.node.gpus
        if (gpu.uuid == parked.home or (parked.moves and gpu.joins and gpu.name == parked.model))
        and (not gpu.memory or parked.memory <= gpu.memory)
        and not gpu.lost
    ]
    loads, others = loads_of(state, node), sick_gpus.avoided(state, trial)
    own = [gpu for gpu in fit if gpu.uuid == parked.home]
    gpus = choose(own, loads, 0.5, alone=True, aside=others)
    gpus = gpus or choose(fit, loads, 0.5, alone=True, aside=others)
    if gpus is None:
        return None
    return Slot(_numbers(node, gpus), gpus, _share(settings), trial.node)


def is_full(state: st.State) -> bool:
    """Whether as many trials run as `concurrency` allows; those that are parked don't count."""
    most = None if state.settings is None else state.settings.concurrency
    if most is None:
        return False
    return len(state.running) - sum(state.trials[number].is_away for number in state.parked) >= most


def _of_parked(state: st.State) -> set[str]:
    """GPUs that are kept for parked trials, which want to go on there or are on their way."""
    kept: set[str] = set()
    for trial in (state.trials[number] for number in state.parked):
        if trial.parked is not None and trial.parked.stage == "restoring":
            kept.update(trial.gpus)
        elif trial.parked is not None and trial.is_away and not trial.paused_by_user:
            kept.add(trial.parked.home)
    return kept


def has_one_slot(state: st.State) -> bool:
    """Whether trials run one at a time; GPUs, which may come and go, do not count."""
    settings = state.settings
    assert settings is not None
    need = HostResources(settings.cpus, settings.memory or 0)
    slots = 0
    for node in state.nodes.values():
        machine = HostResources(node.node.cpus, node.node.memory)
        slots += 0 if node.node.lost else most_at_once(machine, need, settings.concurrency)
        if slots > 1:
            return settings.concurrency == 1
    return slots == 1


def first_to_seat(state: st.State) -> tuple[st.Trial, Slot] | None:
    """The first waiting trial that finds room, and its slot.

    Trials that need an empty GPU go first, since a GPU is kept for them, and do not delay others;
    nor do those that can go on on some nodes only.
    """
    if not state.waiting:
        return None
    alone = _alone(state)
    others = [n for n in ready(state) if n not in alone]
    for trial in (state.trials[n] for n in (*alone, *others)):
        found = slot(state, trial)
        if found is not None:
            return trial, found
        if not may_be_passed(state, trial):
            return None
    return None


def may_be_passed(state: st.State, trial: st.Trial) -> bool:
    """Whether others may start while this trial waits for room."""
    return trial.needs_empty_gpu or checkpoints.places(state, trial) is not None


def ready(state: st.State) -> list[int]:
    """Waiting trials, except those to be killed and the one that was proposed ahead of time."""
    return [n for n in state.waiting if n not in state.kills and n != state.prefetched]


def _alone(state: st.State) -> list[int]:
    """Waiting trials that need an empty GPU."""
    assert state.settings is not None
    if state.settings.gpus == 0:
        return []
    return [number for number in ready(state) if state.trials[number].needs_empty_gpu]


def loads_of(state: st.State, node: st.NodeState) -> Loads:
    """The running trials on each of its GPUs, and the host memory that they were promised."""
    trials = state.trials
    residents = {
        uuid: [_resident(state, trials[number]) for number in here]
        for uuid, here in node.on.items()
        if here
    }
    pools = [gpu.uuid for gpu in node.node.gpus if gpu.unified]
    pooled = [resident for uuid in pools for resident in residents.get(uuid, ())]
    assert state.settings is not None
    taken = node.memory + (state.settings.memory or 0)
    shared = [model for model, count in state.shared.items() if count]
    return Loads(residents, state.packing, node.node.memory, taken, pooled, shared)


def neighbours(state: st.State, trial: st.Trial) -> list[st.Trial]:
    """Other running trials on at least one of its GPUs."""
    return [one for one in residents(state, trial.node, trial.gpus) if one is not trial]


def gpus_of(state: st.State, trial: st.Trial) -> list[events.Gpu]:
    """The GPUs of a running trial that are still known."""
    gpus = home(state, trial).gpus
    return [gpus[uuid] for uuid in trial.gpus if uuid in gpus]


def model_of(state: st.State, trial: st.Trial) -> str:
    """The model of its first GPU; empty without one."""
    return next((gpu.name for gpu in gpus_of(state, trial)), "")


def capacity_of(state: st.State, trial: st.Trial) -> throughput.Capacity:
    """How many trials GPUs of its model can run."""
    return packing.capacity(state.packing, model_of(state, trial))


def _numbers(node: st.NodeState, uuids: Collection[str]) -> gpu_reasons.GpuNumbers:
    numbers = tuple(gpu.index for gpu in node.node.gpus if gpu.uuid in uuids)
    return gpu_reasons.GpuNumbers(numbers, node.node.name)


def _resident(state: st.State, trial: st.Trial) -> packing.Resident:
    pace = trial.pace
    if pace is None:
        return packing.Resident(trial.share, trial.peak, trial.rest)
    intervals = min(pace.calm, throughput.intervals(capacity_of(state, trial), pace))
    under_way = pace.reports > 0 and pace.calm > 0
    return packing.Resident(trial.share, trial.peak, trial.rest, under_way, intervals)


def _kept_empty(state: st.State) -> tuple[str, ...]:
    """The GPU that is kept for the first trial that needs an empty one."""
    if not _alone(state):
        return ()
    nodes = [(node.node.gpus, loads_of(state, node)) for node in state.nodes.values()]
    for gpus, loads in nodes:
        empty = choose(gpus, loads, 0.5, alone=True)
        if empty is not None:
            return empty
    residents = {uuid: here for _, loads in nodes for uuid, here in loads.residents.items()}
    coming = next_empty((gpu for gpus, _ in nodes for gpu in gpus), Loads(residents))
    return () if coming is None else (coming,)
