"""The decisions that follow from each kind of fact."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from tuitune.core import events as ev, reasons
from tuitune.core.spec import StudySpec
from tuitune.core.study import (
    attempts,
    gpu_packing,
    judging,
    leaving,
    parking,
    pausing,
    sick_gpus,
    state as st,
)
from tuitune.core.study.launching import fill
from tuitune.core.study.nodes import HERE

_SAME_CRASHES = 3  # of the same error, before any trial has reported
_CRASHES_IN_ROW = 10


def decide(spec: StudySpec, state: st.State, fact: ev.AnyFact) -> Sequence[ev.Decision]:
    """The decisions that this fact calls for, in order; each is a fact to decide on in its turn."""
    rule = _RULES.get(type(fact))
    return () if rule is None else rule(spec, state, fact)


def _opened(spec: StudySpec, state: st.State, fact: ev.Opened) -> Sequence[ev.Decision]:
    leader = None if state.leader is None else state.trials[state.leader]
    if leader is not None and judging.reaches(spec, fact.settings.target, leader):
        return (
            ev.Halted(fact.time, judging.target_reached(spec, leader), finish=False, failed=False),
        )
    return fill(spec, state, fact)


def _verdict(spec: StudySpec, state: st.State, fact: ev.Verdict) -> Sequence[ev.Decision]:
    """An entry more in a rung may allow the promotion of another trial."""
    return fill(spec, state, fact) if state.promotable else ()


def _reported(spec: StudySpec, state: st.State, fact: ev.Reported) -> Sequence[ev.Decision]:
    """The verdict; and of a packed trial, what its pace shows about sharing the GPU."""
    decisions = judging.on_report(spec, state, fact)
    trial = state.trials[fact.trial]
    if state.suspects and not decisions:
        decisions = sick_gpus.on_report(state, trial, fact.time)
    if trial.pace is None or decisions:  # of two, each would fill the same slot
        return decisions
    packed = gpu_packing.found(state, trial, fact.time)
    return fill(spec, state, fact) if packed is None else (packed,)


def _devices_changed(
    spec: StudySpec, state: st.State, fact: ev.DevicesChanged | ev.NodeChanged
) -> Sequence[ev.Decision]:
    node = fact.node.name if isinstance(fact, ev.NodeChanged) else HERE
    moved = [*gpu_packing.moved(state, node, fact.time), *parking.stranded(state, fact.time)]
    return [*moved, *fill(spec, state, fact)]


def _parked(spec: StudySpec, state: st.State, fact: ev.Parked) -> Sequence[ev.Decision]:
    node = state.trials[fact.trial].node
    return [*gpu_packing.make_way(state, node, fact.time), *fill(spec, state, fact)]


def _park_failed(_spec: StudySpec, state: st.State, fact: ev.ParkFailed) -> Sequence[ev.Decision]:
    node = state.trials[fact.trial].node
    return [*parking.on_park_failed(state, fact), *gpu_packing.make_way(state, node, fact.time)]


def _restored(spec: StudySpec, state: st.State, fact: ev.Restored) -> Sequence[ev.Decision]:
    return [*parking.on_restored(state, fact), *fill(spec, state, fact)]


def _deadline(spec: StudySpec, state: st.State, fact: ev.DeadlinePassed) -> Sequence[ev.Decision]:
    """What is due; or a parked trial whose restore may be tried again."""
    due = leaving.on_deadline(spec, state, fact)
    return due or (fill(spec, state, fact) if parking.returning(state, fact.time) else ())


def _started(spec: StudySpec, state: st.State, fact: ev.Started) -> Sequence[ev.Decision]:
    """Not for a command: its hash covers the files that it names, which may differ by trial."""
    if spec.trial.command is not None or fact.code == state.code:
        return ()
    return (ev.CodeChanged(fact.time, state.code, fact.code),)


def _exited(spec: StudySpec, state: st.State, fact: ev.Exited) -> Sequence[ev.Decision]:
    trial, settled = state.trials[fact.trial], attempts.on_exited(spec, state, fact)
    return [*sick_gpus.on_exited(state, trial, fact, settled), settled]


def _set_aside(spec: StudySpec, state: st.State, fact: ev.SetAside) -> Sequence[ev.Decision]:
    """Excused trials may start; where no GPU is left, nothing can."""
    if sick_gpus.all_aside(state) and state.halted is None:
        return (ev.Halted(fact.time, fact.why, finish=False, failed=True),)
    running = state.running
    if any(trial.is_live() and trial.number not in running for trial in state.trials):
        return ()  # one has exited, and fills the slots once it is settled
    return fill(spec, state, fact)


def _sample_failed(
    _spec: StudySpec, _state: st.State, fact: ev.SampleFailed
) -> Sequence[ev.Decision]:
    error = fact.error
    return (
        ev.Settled(fact.time, fact.trial, ev.TrialState.FAILED, error, crashed=True, error=error),
    )


def _settled(spec: StudySpec, state: st.State, fact: ev.Settled) -> Sequence[ev.Decision]:
    if fact.crashed and state.halted is None:
        error = state.trials[fact.trial].error
        if state.same >= _SAME_CRASHES and (fact.setup or not state.reported):
            why = reasons.Failures(state.same, first=not state.reported, error=error)
            return (ev.Halted(fact.time, why, finish=False, failed=True),)
        if state.streak >= _CRASHES_IN_ROW:
            why = reasons.Failures(state.streak, first=False, error=error)
            return (ev.Halted(fact.time, why, finish=False, failed=True),)
    if state.trials[fact.trial].not_promoted and state.promotable:
        return ()  # many are settled together: the last of them fills the slots
    packed = gpu_packing.found_by_whole_attempts(state, fact.time)
    more = fill(spec, state, fact) if packed is None else (packed,)
    node = state.trials[fact.trial].node
    return [*gpu_packing.make_way(state, node, fact.time), *more]


def _stop_asked(_spec: StudySpec, state: st.State, fact: ev.StopAsked) -> Sequence[ev.Decision]:
    if state.finished:
        return ()
    return (ev.Halted(fact.time, fact.why, fact.finish, failed=fact.failed, now=fact.now),)


def _halt(spec: StudySpec, state: st.State, fact: ev.Halted) -> Sequence[ev.Decision]:
    if not state.running:
        return fill(spec, state, fact)
    if fact.finish:
        return ()
    return [
        ev.Signal(
            # an attempt that is ending for another reason keeps that reason
            fact.time,
            t.number,
            t.attempt,
            "kill" if fact.now or t.parked else "ask",  # a parked one can't leave by itself
            ev.StopReason.DRAIN if _may_stay(t) or t.ending is None else t.ending.reason,
            save=not fact.now,
        )
        for t in (state.trials[n] for n in state.running)
        if fact.now or (_may_stay(t) and not t.at_maximum)
    ]


def _may_stay(trial: st.Trial) -> bool:
    """Whether nothing ends it yet: a trial asked to pause may stay frozen without limit."""
    return trial.ending is None or trial.ending.due == math.inf


def _on_wrong_gpu(_spec: StudySpec, state: st.State, fact: ev.OnWrongGpu) -> Sequence[ev.Decision]:
    """Nothing more is launched: all trials of this code choose their GPUs themselves.

    Whoever runs the study again with the same code has been told, and wants them there.
    """
    decisions: list[ev.Decision] = []
    if state.halted is None and not state.finished and state.misplaced != state.code:
        decisions.append(ev.Halted(fact.time, fact.why, finish=True, failed=True))
    trial = state.trials[fact.trial]
    is_live = trial.is_live() and trial.attempt == fact.attempt and not trial.at_maximum
    if fact.why.harm and is_live and trial.frozen is None and _may_stay(trial):
        reason = ev.StopReason.WRONG_GPU
        number, attempt = trial.number, trial.attempt
        decisions.append(ev.Signal(fact.time, number, attempt, "ask", reason, save=True))
    return decisions


def _pause_asked(spec: StudySpec, state: st.State, fact: ev.PauseAsked) -> Sequence[ev.Decision]:
    return [*pausing.on_pause_asked(state, fact), *fill(spec, state, fact)]


def _resume_asked(spec: StudySpec, state: st.State, fact: ev.ResumeAsked) -> Sequence[ev.Decision]:
    return [*pausing.on_resume_asked(state, fact), *fill(spec, state, fact)]


# Facts after which there may be room for a trial, and nothing else follows.
_ROOM = (
    *(ev.Proposed, ev.Exhausted, ev.Launch, ev.Promoted, ev.Added, ev.AddAsked),
    *(ev.RetryAsked, ev.SettingsChanged, ev.DiskChanged, ev.LaunchBlocked),
    *(ev.Packed, ev.Unpark, ev.UndoKillAsked),
)
_RULES: dict[type, Callable[[StudySpec, st.State, Any], Sequence[ev.Decision]]] = {
    **dict.fromkeys(_ROOM, fill),
    ev.Opened: _opened,
    ev.SampleFailed: _sample_failed,
    ev.DevicesChanged: _devices_changed,
    ev.NodeChanged: _devices_changed,
    ev.Parked: _parked,
    ev.ParkFailed: _park_failed,
    ev.Restored: _restored,
    ev.OnWrongGpu: _on_wrong_gpu,
    ev.PauseAsked: _pause_asked,
    ev.ResumeAsked: _resume_asked,
    ev.Frozen: pausing.on_frozen,
    ev.Started: _started,
    ev.Reported: _reported,
    ev.Verdict: _verdict,
    ev.Exited: _exited,
    ev.Settled: _settled,
    ev.SetAside: _set_aside,
    ev.StopAsked: _stop_asked,
    ev.Halted: _halt,
    ev.KillAsked: pausing.on_kill_asked,
    ev.DeadlinePassed: _deadline,
}
