"""Who waits, stands still, or is held, and how do they come back?"""

from __future__ import annotations

import math
from bisect import insort
from typing import TYPE_CHECKING

from tuitune.core.events import ENDED, TrialState
from tuitune.core.pruning import rules
from tuitune.core.study import kept_checkpoints
from tuitune.core.study import state as st
from tuitune.core.study.ranking import next_gate

if TYPE_CHECKING:
    from tuitune.core import events as ev
    from tuitune.core.spec import StudySpec


def wait(state: st.State, trial: st.Trial) -> None:
    """By number, so that what was interrupted goes on before anything new starts."""
    trial.state = TrialState.WAITING
    state.promotable.pop(trial.number, None)
    insort(state.waiting, trial.number)


def pause(state: st.State, trial: st.Trial) -> None:
    trial.state = TrialState.PAUSED
    if trial.parked and not trial.held and trial.number not in state.kills:
        state.promotable[trial.number] = True


def promoted(spec: StudySpec, state: st.State, fact: ev.Promoted) -> None:
    trial = state.trials[fact.trial]
    rules.send(state.pruner, spec.pruning, fact.trial, fact.rung)
    trial.parked = False
    trial.note = fact.why
    wait(state, trial)


def pause_asked(_spec: StudySpec, state: st.State, fact: ev.PauseAsked) -> None:
    if not fact.trials:
        state.launching = False
    for trial in (state.trials[number] for number in fact.trials):
        if trial.state in ENDED:
            continue
        trial.held = True
        state.promotable.pop(trial.number, None)
        if trial.state == TrialState.WAITING:
            state.waiting.remove(trial.number)
            trial.state = TrialState.PAUSED
            trial.note = "paused by hand before it was launched"


def resume_asked(_spec: StudySpec, state: st.State, fact: ev.ResumeAsked) -> None:
    if not fact.trials:
        state.launching = True
    for trial in (state.trials[number] for number in fact.trials):
        if not trial.held:
            continue
        trial.held = False
        is_pruned = trial.ending is not None and trial.ending.reason == "pruned"
        if not trial.parked and not is_pruned:  # else its note says what a verdict has found
            trial.note = "resumed by hand"
        if trial.state == TrialState.PAUSED and not trial.is_live():
            if trial.parked:
                pause(state, trial)
            else:
                wait(state, trial)


def kill_asked(_spec: StudySpec, state: st.State, fact: ev.KillAsked) -> None:
    trial = state.trials[fact.trial]
    if fact.after <= 0 or trial.state in ENDED or trial.is_being_killed():
        return
    state.kills[fact.trial] = fact.time + fact.after
    state.promotable.pop(fact.trial, None)


def spare_asked(_spec: StudySpec, state: st.State, fact: ev.UndoKillAsked) -> None:
    for trial in (state.trials[number] for number in fact.trials):
        spared = state.kills.pop(trial.number, None) is not None
        if spared and trial.state == TrialState.PAUSED and not trial.is_live():
            pause(state, trial)


def held(_spec: StudySpec, state: st.State, fact: ev.Frozen) -> None:
    trial = state.trials[fact.trial]
    if trial.attempt != fact.attempt or trial.state != TrialState.RUNNING or trial.complete:
        return
    if trial.ending is None or trial.ending.reason == "paused":  # no verdict has ended it meanwhile
        trial.state = TrialState.PAUSED
        trial.frozen = fact.time
        trial.ending = None
        trial.note = "paused by hand; it can't save, so it stands still"


def thaw(trial: st.Trial, now: float) -> None:
    if trial.frozen is not None:
        trial.state = TrialState.RUNNING
        frozen = now - trial.frozen
        trial.launched += frozen  # standing still is no part of its timeout
        trial.stepped += frozen  # nor of the time that a step takes
        trial.heard = now
        trial.frozen = None


def retry_asked(spec: StudySpec, state: st.State, fact: ev.RetryAsked) -> None:
    trial = state.trials[fact.trial]
    if not kept_checkpoints.kept(state, trial):
        trial.checkpoint = None
    trial.complete = trial.diverged = trial.shelved = trial.parked = False
    trial.curve = [point for point in trial.curve if math.isfinite(point[1])]
    trial.crashes = trial.marked = 0
    trial.error, trial.ended, trial.note = "", None, "taken up again by hand"
    trial.gate = next_gate(spec, state, trial)
    wait(state, trial)
