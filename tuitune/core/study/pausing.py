"""Pauses and kills by the user, waits at a rung, and the trials that wait for a slot."""

import math
from bisect import insort
from collections.abc import Sequence

from tuitune.core import events as ev, reasons
from tuitune.core.events import ENDED, StopReason, TrialState
from tuitune.core.spec import StudySpec
from tuitune.core.study import checkpoints, lifecycle, ranking, state as st
from tuitune.core.study.state import Frozen, Parked, Running


def wait(state: st.State, trial: st.Trial) -> None:
    """Queue the trial by its number, so that interrupted trials go on before new ones start."""
    lifecycle.move(trial, TrialState.WAITING)
    state.promotable.pop(trial.number, None)
    insort(state.waiting, trial.number)


def pause(state: st.State, trial: st.Trial) -> None:
    """At a rung it may be promoted, unless the user has paused it or it is to be killed."""
    lifecycle.move(trial, TrialState.PAUSED)
    if trial.at_rung and not trial.paused_by_user and trial.number not in state.kills:
        state.promotable[trial.number] = True


def pause_asked(_spec: StudySpec, state: st.State, fact: ev.PauseAsked) -> None:
    """Mark the trials as paused by the user; without trials, stop launching."""
    if not fact.trials:
        state.launching = False
    for trial in (state.trials[number] for number in fact.trials):
        if trial.state in ENDED:
            continue
        trial.paused_by_user = True
        state.promotable.pop(trial.number, None)
        if trial.state == TrialState.WAITING:
            state.waiting.remove(trial.number)
            lifecycle.move(trial, TrialState.PAUSED)
            trial.note = reasons.ByUser("paused before launch")


def resume_asked(_spec: StudySpec, state: st.State, fact: ev.ResumeAsked) -> None:
    """Undo `pause_asked`; without trials, launch again."""
    if not fact.trials:
        state.launching = True
    for trial in (state.trials[number] for number in fact.trials):
        if not trial.paused_by_user:
            continue
        trial.paused_by_user = False
        is_pruned = trial.ending is not None and trial.ending.reason == StopReason.PRUNED
        if not trial.at_rung and not is_pruned:  # else its note has the reason of a verdict
            trial.note = reasons.ByUser("resumed")
        if trial.state == TrialState.PAUSED and not trial.is_live():
            if trial.at_rung:
                pause(state, trial)
            else:
                wait(state, trial)


def frozen(_spec: StudySpec, state: st.State, fact: ev.Frozen) -> None:
    """It counts only where nothing but the pause ends the attempt."""
    trial = state.trials[fact.trial]
    if trial.attempt != fact.attempt or not trial.is_live() or trial.at_maximum:
        return
    if trial.frozen or trial.parked:
        return
    ending = trial.ending
    if ending is not None and ending.park:
        lifecycle.move(trial, Parked(fact.time, trial.gpus[0], ending.reason is StopReason.MOVED))
        state.parked[trial.number] = True
    elif ending is None or ending.reason is StopReason.PAUSED:  # else a verdict ended it
        lifecycle.move(trial, Frozen(fact.time))
        trial.note = reasons.ByUser("frozen")


def let_go(trial: st.Trial, since: float, now: float) -> None:
    """A trial that stood still runs again: that time counts for no timeout and no step."""
    trial.launched += now - since
    trial.stepped += now - since
    trial.last_sign = now
    lifecycle.move(trial, Running())


def may_park(trial: st.Trial) -> bool:
    """Whether it is on one GPU, and nothing is known against it."""
    return len(trial.gpus) == 1 and not trial.cannot_park


def promoted(spec: StudySpec, state: st.State, fact: ev.Promoted) -> None:
    """The trial waits for a slot again, and its rung sends it on."""
    trial = state.trials[fact.trial]
    spec.pruner.send(state.pruner, fact.trial, fact.rung)
    trial.at_rung = False
    trial.note = fact.why
    wait(state, trial)


def retry_asked(spec: StudySpec, state: st.State, fact: ev.RetryAsked) -> None:
    """Queue a trial that has ended, as asked."""
    why = reasons.ByUser("run again" if fact.setup else "taken up again")
    state.trials[fact.trial].tried_again = fact.setup
    take_up_again(spec, state, state.trials[fact.trial], why)


def take_up_again(spec: StudySpec, state: st.State, trial: st.Trial, why: reasons.Why) -> None:
    """Queue a trial that has ended; without a kept checkpoint it starts at step 0."""
    if not checkpoints.kept(state, trial):
        trial.checkpoint = None
    trial.at_maximum = trial.diverged = trial.not_promoted = trial.at_rung = False
    trial.curve = [point for point in trial.curve if math.isfinite(point[1])]
    trial.crashes = trial.marked = 0
    trial.error, trial.ended, trial.note = "", None, why
    trial.gate = ranking.next_gate(spec, state, trial)
    wait(state, trial)


def on_pause_asked(state: st.State, fact: ev.PauseAsked) -> Sequence[ev.Decision]:
    """Ask the running ones to save and leave; complete ones exit anyway."""
    return [
        ask_to_pause(state, t, fact.time)
        for t in (state.trials[n] for n in fact.trials)
        if type(t.activity) in {st.Starting, st.Running} and not t.at_maximum
    ]


def ask_to_pause(state: st.State, trial: st.Trial, now: float) -> ev.Signal:
    """Ask a trial that the user has paused to save and leave, or to be held and parked."""
    park = state.settings is not None and state.settings.pause == "park" and may_park(trial)
    number, attempt = trial.number, trial.attempt
    return ev.Signal(now, number, attempt, "ask", StopReason.PAUSED, save=True, park=park)


def on_resume_asked(state: st.State, fact: ev.ResumeAsked) -> Sequence[ev.Decision]:
    """Release the trials that are frozen."""
    trials = (state.trials[number] for number in fact.trials)
    return [released(trial, fact.time) for trial in trials if trial.frozen is not None]


def on_frozen(_spec: StudySpec, state: st.State, fact: ev.Frozen) -> Sequence[ev.Decision]:
    """Park one that is to be parked; release others where the user has resumed them meanwhile."""
    trial = state.trials[fact.trial]
    if trial.attempt != fact.attempt or (trial.frozen is None and trial.parked is None):
        return ()
    if not trial.paused_by_user and (trial.parked is None or not trial.parked.way):
        return (released(trial, fact.time),)
    if trial.parked is None or trial.parked.since < fact.time:
        return ()
    return (ev.Park(fact.time, fact.trial, fact.attempt),)


def released(trial: st.Trial, now: float) -> ev.Signal:
    """A trial that stands still goes on."""
    number, attempt = trial.number, trial.attempt
    return ev.Signal(now, number, attempt, "release", StopReason.PAUSED, save=False)


def kill_asked(_spec: StudySpec, state: st.State, fact: ev.KillAsked) -> None:
    """Schedule a kill that waits; one without a delay needs no state."""
    trial = state.trials[fact.trial]
    if fact.after <= 0 or trial.state in ENDED or trial.is_being_killed():
        return
    state.kills[fact.trial] = fact.time + fact.after
    state.promotable.pop(fact.trial, None)


def undo_kill_asked(_spec: StudySpec, state: st.State, fact: ev.UndoKillAsked) -> None:
    """Cancel waiting kills; a trial at its rung may be promoted again."""
    for trial in (state.trials[number] for number in fact.trials):
        was_to_be_killed = state.kills.pop(trial.number, None) is not None
        if was_to_be_killed and trial.state == TrialState.PAUSED and not trial.is_live():
            pause(state, trial)


def on_kill_asked(_spec: StudySpec, state: st.State, fact: ev.KillAsked) -> Sequence[ev.Decision]:
    """Kill at once where the request has no delay."""
    return () if fact.after > 0 else kill(state.trials[fact.trial], fact.time)


def kill(trial: st.Trial, now: float) -> Sequence[ev.Decision]:
    """The decisions that kill a trial; empty where it has ended, or is being killed."""
    if trial.is_live():
        if trial.is_being_killed():
            return ()
        how: ev.SignalHow = "ask" if trial.parked is None else "kill"
        return (ev.Signal(now, trial.number, trial.attempt, how, StopReason.KILLED, save=False),)
    if trial.state in ENDED:
        return ()
    return (ev.Settled(now, trial.number, TrialState.KILLED, reasons.Killed()),)
