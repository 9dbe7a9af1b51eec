"""The nodes of a study, and what the trials that run on them hold there."""

from collections.abc import Collection, Iterable

import msgspec

from tuitune.core import events as ev, gpu_reasons, spec
from tuitune.core.study import state as st

HERE = ""  # the name of the engine's own machine


def opened(state: st.State, fact: ev.Opened) -> None:
    """The study has the nodes of this opening; what ran under the one before is to be lost."""
    nodes = fact.nodes or (ev.Node(HERE, fact.cpus, fact.memory, fact.gpus),)
    state.nodes = {node.name: st.NodeState(node, _by_uuid(node.gpus)) for node in nodes}
    state.cpus, state.memory = fact.cpus, fact.memory
    state.shared = {}
    state.inherited = len(state.running)
    for number in state.running:
        _add(state, state.trials[number])
    state.rooms.forget()


def changed(_spec: spec.StudySpec, state: st.State, fact: ev.NodeChanged) -> None:
    """The node is as the fact says; its trials stay where they are."""
    node = fact.node
    known = state.nodes.setdefault(node.name, st.NodeState(node))
    _count_shared(state, known, -1)
    known.node, known.gpus = node, _by_uuid(node.gpus)
    _count_shared(state, known, 1)
    if len(state.nodes) > 1 or node.name:  # a single machine keeps what Opened says
        there = [known.node for known in state.nodes.values() if not known.node.lost]
        state.cpus = sum((node.cpus for node in there), 0.0)
        state.memory = sum(node.memory for node in there)
    state.rooms.may_be(node.name)


def gpus_changed(_spec: spec.StudySpec, state: st.State, fact: ev.DevicesChanged) -> None:
    """This machine has these GPUs now: the fact of an older journal."""
    known = state.nodes[HERE].node
    changed(_spec, state, ev.NodeChanged(fact.time, msgspec.structs.replace(known, gpus=fact.gpus)))


def enter(state: st.State, trial: st.Trial) -> None:
    """The trial runs from now on, with what it was given of its node."""
    state.running[trial.number] = True
    _add(state, trial)


def leave(state: st.State, trial: st.Trial) -> None:
    """The trial runs no more: what it held is free."""
    del state.running[trial.number]
    state.parked.pop(trial.number, None)
    if trial.opening < state.opening:
        state.inherited -= 1
    node = state.nodes.get(trial.node)
    if node is None:  # of an earlier opening
        return
    state.rooms.may_be(trial.node)
    node.memory -= trial.memory
    _free(state, node, trial)


def park(state: st.State, trial: st.Trial, memory: int) -> None:
    """A trial gives up its slot, and takes so many bytes more of its node's memory."""
    node = state.nodes[trial.node]
    _free(state, node, trial)
    trial.cpus, trial.memory = 0.0, trial.memory + memory
    node.memory += memory
    state.rooms.may_be(trial.node)


def unpark(state: st.State, trial: st.Trial) -> None:
    """A parked trial has a slot again, with the CPUs and GPUs that it was given."""
    _seat(state, state.nodes[trial.node], trial)


def give_back(state: st.State, trial: st.Trial, memory: int) -> None:
    """So many bytes of its node's memory are no longer a trial's own."""
    trial.memory -= memory
    state.nodes[trial.node].memory -= memory
    state.rooms.may_be(trial.node)


def set_aside(state: st.State, gpus: Collection[str], why: gpu_reasons.GpuAside) -> None:
    """Nothing starts on these GPUs, wherever they are."""
    for node in state.nodes.values():
        if not node.gpus.keys().isdisjoint(gpus):
            node.gpus |= {
                uuid: msgspec.structs.replace(gpu, obstacle=why)
                for uuid, gpu in node.gpus.items()
                if uuid in gpus
            }
            node.node = msgspec.structs.replace(node.node, gpus=tuple(node.gpus.values()))


def home(state: st.State, trial: st.Trial) -> st.NodeState:
    """The node of a trial that runs; one that is gone is empty."""
    return state.nodes.get(trial.node) or st.NodeState(ev.Node(trial.node, 0.0, 0, lost=True))


def residents(state: st.State, node: str, gpus: Iterable[str]) -> list[st.Trial]:
    """The trials that run on at least one of these GPUs of a node."""
    known = state.nodes.get(node)
    on = {} if known is None else known.on
    numbers = dict.fromkeys(number for uuid in gpus for number in on.get(uuid, ()))
    return [state.trials[number] for number in numbers]


def _add(state: st.State, trial: st.Trial) -> None:
    node = state.nodes.get(trial.node)
    if node is None:
        return
    node.memory += trial.memory
    _seat(state, node, trial)


def _free(state: st.State, node: st.NodeState, trial: st.Trial) -> None:
    if trial.number in node.running:  # else it is parked
        node.running.remove(trial.number)
    node.cpus -= trial.cpus
    if not node.running:
        node.cpus = 0.0  # thirds leave a rest
    for uuid in trial.gpus:
        here = node.on[uuid]
        here.remove(trial.number)
        if len(here) == 1:
            _count(state, node, uuid, -1)


def _seat(state: st.State, node: st.NodeState, trial: st.Trial) -> None:
    node.running.append(trial.number)
    node.cpus += trial.cpus
    for uuid in trial.gpus:
        here = node.on.setdefault(uuid, [])
        here.append(trial.number)
        if len(here) == 2:
            _count(state, node, uuid, 1)


def _count_shared(state: st.State, node: st.NodeState, by: int) -> None:
    for uuid, here in node.on.items():
        if len(here) > 1:
            _count(state, node, uuid, by)


def _count(state: st.State, node: st.NodeState, uuid: str, by: int) -> None:
    """`by` more GPUs of this one's model are shared."""
    gpu = node.gpus.get(uuid)
    if gpu is not None:
        state.shared[gpu.name] = state.shared.get(gpu.name, 0) + by


def _by_uuid(gpus: Iterable[ev.Gpu]) -> dict[str, ev.Gpu]:
    return {gpu.uuid: gpu for gpu in gpus}
