"""Trials whose GPU memory is moved to the host and back, by the driver's checkpoints of a process.

A trial is held inside a report, where it makes no call of CUDA. While it is parked, such calls
would hang: it can't leave by itself, and is ended by SIGKILL.
"""

from collections.abc import Callable, Sequence

from tuitune.core import events as ev, gpu_reasons, reasons, spec
from tuitune.core.study import gpu_packing, nodes, pausing, state as st

_AGAIN = 30.0  # s from a restore that was not tried to the next one
_LONGEST = 3600.0  # s that one makes way, before it goes on elsewhere if nothing is lost by that


# --- state ---------------------------------------------------------------------------------------


def parked(_spec: spec.StudySpec, state: st.State, fact: ev.Parked) -> None:
    """It gives up its GPU and its CPU slots."""
    trial = state.trials[fact.trial]
    at = trial.parked
    if at is None or trial.attempt != fact.attempt or at.stage != "parking":
        return
    gpu = nodes.home(state, trial).gpus.get(at.home)
    at.stage, at.memory, at.moves = "parked", fact.memory, fact.moves
    at.model = "" if gpu is None else gpu.name
    trial.note = gpu_reasons.GpuParked(fact.memory, None if gpu is None else gpu.index, at.way)
    trial.device = ""
    gpu_packing.parked(state, trial, fact.memory, fact.time)


def park_failed(_spec: spec.StudySpec, state: st.State, fact: ev.ParkFailed) -> None:
    """The attempt is not to be parked again."""
    trial = state.trials[fact.trial]
    if trial.attempt == fact.attempt and trial.is_live():
        trial.cannot_park = fact.why


def unpark(_spec: spec.StudySpec, state: st.State, fact: ev.Unpark) -> None:
    """Its slot is taken from now on."""
    trial = state.trials[fact.trial]
    assert trial.parked is not None
    trial.parked.stage = "restoring"
    trial.device, trial.cpus, trial.share = fact.device, fact.cpus, fact.share
    gpu_packing.restored(state, trial, fact.gpus, fact.time)


def restored(_spec: spec.StudySpec, state: st.State, fact: ev.Restored) -> None:
    """It runs again; or it was not tried, and stays parked for a while."""
    trial = state.trials[fact.trial]
    at = trial.parked
    if at is None or trial.attempt != fact.attempt or at.stage != "restoring":
        return
    if fact.why:
        at.stage, at.again, trial.device = "parked", fact.time + _AGAIN, ""
        gpu_packing.parked(state, trial, 0, fact.time)
        return
    trial.note = "" if at.way else reasons.ByUser("resumed")
    nodes.give_back(state, trial, at.memory)
    del state.parked[trial.number]
    pausing.let_go(trial, at.since, fact.time)


# --- decisions -----------------------------------------------------------------------------------


def returning(state: st.State, now: float) -> list[st.Trial]:
    """Parked trials that are to go on as soon as there is a slot, the oldest first."""
    away = (state.trials[number] for number in state.parked if state.trials[number].is_away)
    wanted = [
        trial
        for trial in away
        if trial.parked is not None
        and trial.parked.again <= now
        and not trial.paused_by_user
        and trial.number not in state.kills
    ]
    return sorted(wanted, key=lambda trial: (trial.launched, trial.number))


def goes_next(state: st.State, now: float) -> bool:
    """Whether one of them only waits until this study has its GPU, in place of another one."""
    for trial in returning(state, now):
        node = nodes.home(state, trial)
        gpu = None if trial.parked is None else node.gpus.get(trial.parked.home)
        if gpu is not None and _may_be_had(gpu.obstacle) and not node.on.get(gpu.uuid):
            return True
    return False


def _may_be_had(obstacle: gpu_reasons.Obstacle) -> bool:
    if isinstance(obstacle, gpu_reasons.GpuBarred):
        return obstacle.cause in {"spare", "left free"}
    return isinstance(obstacle, gpu_reasons.GpusAllowed) and obstacle.gpus > 0


def on_park_failed(state: st.State, fact: ev.ParkFailed) -> Sequence[ev.Decision]:
    """One that is broken is ended, and one that the user has paused is asked to pause without it.

    One that makes way leaves if nothing is lost by that, and else runs to its end.
    """
    trial = state.trials[fact.trial]
    at = trial.parked
    if at is None or trial.attempt != fact.attempt:
        return ()
    if fact.broken:
        return (_end(trial, ev.StopReason.NOT_RESTORED, fact.time),)
    if trial.paused_by_user:
        return (pausing.ask_to_pause(state, trial, fact.time),)
    if at.way and trial.is_saved:
        number, attempt = trial.number, trial.attempt
        return (ev.Signal(fact.time, number, attempt, "ask", ev.StopReason.MOVED, save=False),)
    return (pausing.released(trial, fact.time),)


def on_restored(state: st.State, fact: ev.Restored) -> Sequence[ev.Decision]:
    """It goes on; one that the user has paused meanwhile is asked to pause again."""
    trial = state.trials[fact.trial]
    if trial.attempt != fact.attempt or type(trial.activity) is not st.Running or fact.why:
        return ()
    go = pausing.released(trial, fact.time)
    return (go, pausing.ask_to_pause(state, trial, fact.time)) if trial.paused_by_user else (go,)


def stranded(state: st.State, now: float) -> Sequence[ev.Decision]:
    """Parked trials whose GPU is lost or set aside start again elsewhere, from a checkpoint."""
    decisions = []
    for trial in returning(state, now):
        at, gpus = trial.parked, nodes.home(state, trial).gpus
        gpu = None if at is None or at.moves else gpus.get(at.home)
        if gpu is None:
            continue
        if gpu.lost or isinstance(gpu.obstacle, gpu_reasons.GpuAside):
            decisions.append(_end(trial, ev.StopReason.MOVED, now))
    return decisions


def deadlines(trial: st.Trial) -> list[tuple[float, Callable[[st.Trial, float], ev.Decision]]]:
    """When one that makes way is to go on elsewhere instead: nothing is lost, as it has saved."""
    at = trial.parked
    if at is None or not trial.is_away or not at.way or trial.paused_by_user:
        return []
    return [(at.since + _LONGEST, _elsewhere)] if trial.is_saved else []


def _elsewhere(trial: st.Trial, now: float) -> ev.Decision:
    return _end(trial, ev.StopReason.MOVED, now)


def _end(trial: st.Trial, reason: ev.StopReason, now: float) -> ev.Signal:
    return ev.Signal(now, trial.number, trial.attempt, "kill", reason, save=False)
