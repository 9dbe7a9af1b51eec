"""Launch, start and exit of an attempt, and the state of the trial after it."""

from typing import Literal

import msgspec

from tuitune.core import events as ev, reasons
from tuitune.core.events import StopReason, TrialState
from tuitune.core.gpu_reasons import WrongGpu
from tuitune.core.spec import StudySpec
from tuitune.core.study import asking, gpu_packing, nodes, pausing, ranking, sick_gpus, state as st
from tuitune.core.study.lifecycle import move
from tuitune.core.study.state import Running, Starting

Cause = Literal[
    "stop", "user", "GPU left", "GPU lost", "process lost", "GPU memory", "GPU fault", "parked"
]
_QUICK_DEATH = 60.0  # seconds; a crash so soon after the launch points to a broken program


def launch(_spec: StudySpec, state: st.State, fact: ev.Launch) -> None:
    """A new attempt: whatever belongs to one attempt is reset."""
    trial = state.trials[fact.trial]
    move(trial, Starting())
    trial.attempt = fact.attempt
    trial.attempt_step = trial.valued = trial.saving = trial.began = trial.resumed = 0
    trial.returned, trial.cannot_park = False, ""
    trial.opening = state.opening
    trial.device, trial.cpus, trial.memory = fact.device, fact.cpus, fact.memory
    trial.launched = trial.last_sign = trial.stepped = fact.time
    trial.pause = 0.0
    trial.silent = trial.diverged = False
    trial.pid = trial.wrong_gpu = None
    if trial.started is None:
        trial.started = fact.time
    state.waiting.remove(fact.trial)
    gpu_packing.joined(state, trial, fact)
    trial.node, trial.gpus, trial.share = fact.node, fact.gpus, fact.share
    nodes.enter(state, trial)
    if state.prefetched == fact.trial:
        state.prefetched = None
    gpu_packing.launched(state, trial, fact)


def started(_spec: StudySpec, state: st.State, fact: ev.Started) -> None:
    """The attempt's process exists, and has read its checkpoint."""
    trial = state.trials[fact.trial]
    state.code = state.code or fact.code
    if trial.attempt == fact.attempt and trial.is_live():
        trial.pid = fact.pid
        if type(trial.activity) is Starting:
            move(trial, Running())
        trial.resumed = fact.resumed_from or 0
        trial.checkpoint = fact.resumed_from  # the disk may have others than the journal


def exited(spec: StudySpec, state: st.State, fact: ev.Exited) -> None:
    """The process is gone; `Settled` follows and decides the state of the trial."""
    trial = state.trials[fact.trial]
    if not fact.lost:
        asking.exited(spec, state, fact.time - trial.launched)
    nodes.leave(state, trial)
    trial.pid = None
    trial.error = fact.error
    trial.device, trial.cpus, trial.memory = "", 0.0, 0
    gpu_packing.left(state, trial, fact)


def settled(spec: StudySpec, state: st.State, fact: ev.Settled) -> None:
    """The trial gets its next state, and crashes are counted."""
    trial = state.trials[fact.trial]
    trial.note = fact.why
    if fact.crashed:
        trial.error = fact.error or trial.error  # older journals have it in the exit only
    elif trial.ending is not None:
        trial.error = ""  # it was ended on purpose: its SIGTERM is not an error
    if fact.crowded:
        gpu_packing.crowded(state, trial)
    sick_gpus.settled(state, trial, fact)
    gpu_packing.gone(trial)
    if fact.state == TrialState.WAITING:
        pausing.wait(state, trial)
    elif fact.state == TrialState.PAUSED:
        pausing.pause(state, trial)
    else:
        _end(spec, state, trial, fact)
    if fact.crashed:
        _count_crash(state, trial, fact.time)
    elif fact.state in (TrialState.COMPLETE, TrialState.PRUNED):
        state.streak = state.same = 0


def _end(spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Settled) -> None:
    if trial.number in state.waiting:
        state.waiting.remove(trial.number)
    state.promotable.pop(trial.number, None)
    state.kills.pop(trial.number, None)
    trial.not_promoted = fact.state == TrialState.PRUNED and trial.at_rung
    trial.at_rung = trial.paused_by_user = False
    move(trial, fact.state)
    trial.ended = fact.time
    if fact.state == TrialState.COMPLETE:
        spec.pruner.complete(state.pruner, trial.number)
        ranking.update_leader(spec, state, trial)
    elif fact.state == TrialState.FAILED:
        spec.pruner.fail(state.pruner, trial.number)


def _count_crash(state: st.State, trial: st.Trial, now: float) -> None:
    trial.crashes += 1
    state.streak += 1
    quick = trial.started is None or now - trial.launched < _QUICK_DEATH
    kind = sick_gpus.kind_of(trial.error)
    state.same = (state.same + 1 if kind == state.last_crash else 1) if quick else 0
    state.last_crash = kind


def on_exited(spec: StudySpec, state: st.State, exit_: ev.Exited) -> ev.Settled:
    """The trial's next state, and why."""
    trial = state.trials[exit_.trial]
    if trial.at_maximum:
        return _complete(trial, exit_)
    if trial.ending is not None and trial.ending.reason != StopReason.RETURNED:
        return _ended(spec, state, trial, trial.ending, exit_)
    interrupted = _interrupted(state, trial, exit_)
    if interrupted is not None:
        return interrupted
    if exit_.error:
        return _crashed(state, trial, exit_, exit_.error)
    return _returned(spec, state, trial, exit_)


def _interrupted(state: st.State, trial: st.Trial, exit_: ev.Exited) -> ev.Settled | None:
    """The next state after an outside cause; None where the attempt ended by itself."""
    if exit_.lost:
        return _back(trial, exit_, "process lost", exit_.error)
    if trial.parked is not None:
        return _back(trial, exit_, "parked", exit_.error)
    if exit_.error and gpu_packing.is_lost(state, trial):
        return _back(trial, exit_, "GPU lost")
    if gpu_packing.is_crowded(state, trial, exit_):
        return msgspec.structs.replace(_back(trial, exit_, "GPU memory"), crowded=True)
    fault = sick_gpus.fault(state, trial, exit_)
    if fault:
        back = _back(trial, exit_, "GPU fault", exit_.error)
        return msgspec.structs.replace(back, fault=fault, setup=exit_.fault == "setup")
    return None


def _complete(trial: st.Trial, exit_: ev.Exited) -> ev.Settled:
    why = reasons.MaximumReached(error=exit_.error)
    return ev.Settled(exit_.time, trial.number, TrialState.COMPLETE, why)


def _ended(
    spec: StudySpec, state: st.State, trial: st.Trial, ending: st.Ending, exit_: ev.Exited
) -> ev.Settled:
    time, number, reason = exit_.time, trial.number, ending.reason
    if reason == StopReason.TIMEOUT:
        timeout = state.settings.timeout if state.settings else None
        return _crashed(state, trial, exit_, reasons.TimedOut(timeout or 0.0))
    if reason == StopReason.NOT_RESTORED:
        return _back(trial, exit_, "parked", trial.cannot_park)
    asked = (StopReason.DRAIN, StopReason.PAUSED, StopReason.MOVED, StopReason.WRONG_GPU)
    if reason in asked and _is_done(trial, ending, exit_):
        return _returned(spec, state, trial, exit_)
    if reason in {StopReason.DRAIN, StopReason.PAUSED, StopReason.MOVED}:
        cause: Cause = "GPU left" if reason == StopReason.MOVED else "stop"
        return _back(trial, exit_, "user" if trial.paused_by_user else cause)
    ends: dict[StopReason, tuple[TrialState, reasons.Why]] = {
        StopReason.PRUNED: (TrialState.PRUNED, trial.note),
        StopReason.AT_RUNG: (TrialState.PAUSED, _at_rung(trial)),
        StopReason.KILLED: (TrialState.KILLED, reasons.Killed()),
        StopReason.WRONG_GPU: (TrialState.FAILED, trial.wrong_gpu or ""),
        StopReason.TARGET: (TrialState.COMPLETE, reasons.TargetReached(number)),
    }
    return ev.Settled(time, number, *ends[reason])


def _is_done(trial: st.Trial, ending: st.Ending, exit_: ev.Exited) -> bool:
    """Whether its function returned before the trial got the request to leave.

    After a signal an exit status of 0 says nothing about the work.
    """
    if exit_.error or exit_.stopped or exit_.lost:
        return False
    return trial.returned or (ending.how == "ask" and exit_.code == 0)


def _back(trial: st.Trial, exit_: ev.Exited, cause: Cause, error: str = "") -> ev.Settled:
    """Back to waiting, or to paused until the user resumes it."""
    state = TrialState.PAUSED if trial.paused_by_user else TrialState.WAITING
    reached = trial.attempt_step if trial.attempt_step > (trial.checkpoint or 0) else 0
    why = reasons.Interrupted(cause, reached, trial.checkpoint, _unsaved(trial), error)
    return ev.Settled(exit_.time, trial.number, state, why)


def _unsaved(trial: st.Trial) -> Literal["", "save cut off", "ended", "parked"]:
    """What kept its newest work from being saved; empty where nothing did."""
    if trial.parked or (trial.ending is not None and trial.ending.parked):
        return "" if trial.is_saved else "parked"
    if trial.saving:
        return "save cut off"
    return "ended" if trial.ending is not None and trial.ending.how != "ask" else ""


def _at_rung(trial: st.Trial) -> reasons.Why:
    """Why a trial waits at its rung, and whether what it did up to there is lost."""
    if trial.is_saved:
        return trial.note
    return reasons.AtRung(trial.note, trial.attempt_step, trial.checkpoint)


def _returned(spec: StudySpec, state: st.State, trial: st.Trial, exit_: ev.Exited) -> ev.Settled:
    if trial.value is None:
        why = reasons.NoObjective(spec.objective.metric, pattern=bool(spec.trial.metrics))
        return _crashed(state, trial, exit_, why)
    end = spec.pruning.max or trial.known
    if _has_counted_again(trial, end):
        unit = spec.pruning.unit
        return _crashed(
            state, trial, exit_, reasons.CountedAgain(unit, trial.attempt_step, end, trial.resumed)
        )
    return ev.Settled(exit_.time, trial.number, TrialState.COMPLETE, reasons.Returned())


def _has_counted_again(trial: st.Trial, end: int) -> bool:
    """Whether it went on from a checkpoint, but counted its steps from the start again.

    Not so if it was trained from the start for all of these steps. If its first report is of the
    checkpoint's own step, it may have evaluated that step once more.
    """
    if not trial.resumed or not trial.began or trial.attempt_step >= end:
        return False
    if trial.began < trial.resumed:
        return True
    is_first = trial.began == trial.resumed == trial.first
    return is_first and trial.attempt_step == end - trial.resumed


def _crashed(state: st.State, trial: st.Trial, exit_: ev.Exited, error: reasons.Why) -> ev.Settled:
    retries = state.settings.retries if state.settings else 0
    if trial.crashes >= retries:
        state_after, why = TrialState.FAILED, error
    else:
        state_after = TrialState.PAUSED if trial.paused_by_user else TrialState.WAITING
        why = reasons.TriedAgain(trial.crashes + 1, retries, error)
    return ev.Settled(
        exit_.time,
        trial.number,
        state_after,
        why,
        crashed=True,
        error=error,
        setup=exit_.fault == "setup",
    )


def failed_with_the_setup(state: st.State) -> list[int]:
    """The failed trials of a study that has ended whose failures say nothing about them.

    All of them, if none of the study's trials has ever reported. If the study was halted since
    attempts kept failing, those after the last success, but each only once: their configurations
    may be to blame after all, and others have to come. If it was halted since trials chose their
    GPUs themselves, those that were ended for it.
    """
    if not state.finished:
        return []
    failed = [t for t in state.trials if t.state == TrialState.FAILED and t.started is not None]
    if not state.reported:
        return [trial.number for trial in failed]
    halted = "" if state.halted is None else state.halted.why
    if isinstance(halted, WrongGpu):
        return [t.number for t in failed if isinstance(t.note, WrongGpu) and not t.tried_again]
    if not isinstance(halted, reasons.Failures):
        return []
    successes = (TrialState.COMPLETE, TrialState.PRUNED)
    good = max((t.ended or 0.0 for t in state.trials if t.state in successes), default=0.0)
    return [
        trial.number for trial in failed if (trial.ended or 0.0) > good and not trial.tried_again
    ]
