"""What becomes of a trial as its attempts start, report, are ended and exit?"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from tuitune.core.events import StopReason, TrialState
from tuitune.core.pruning import rules
from tuitune.core.study import gpu_packing, leaving, prefetch
from tuitune.core.study.lifecycle import move
from tuitune.core.study.pausing import pause, thaw, wait
from tuitune.core.study.ranking import listens, next_gate, update_leader
from tuitune.core.study.state import Running, Starting

if TYPE_CHECKING:
    from tuitune.core import events as ev
    from tuitune.core.spec import StudySpec
    from tuitune.core.study import state as st

QUICK_DEATH = 60.0  # a crash this soon after its launch tells of a broken program


def launch(_spec: StudySpec, state: st.State, fact: ev.Launch) -> None:
    trial = state.trials[fact.trial]
    move(trial, Starting())
    trial.attempt = fact.attempt
    trial.attempt_step = trial.valued = trial.saving = 0
    trial.returned = False
    trial.opening = state.opening
    trial.device, trial.cpus, trial.memory = fact.device, fact.cpus, fact.memory
    trial.launched = trial.heard = trial.stepped = fact.time
    trial.pause = 0.0
    trial.silent = trial.diverged = False
    trial.pid = None
    if trial.started is None:
        trial.started = fact.time
    state.waiting.remove(fact.trial)
    state.running.append(fact.trial)
    if state.prefetched == fact.trial:
        state.prefetched = None
    gpu_packing.launched(state, trial, fact)


def started(_spec: StudySpec, state: st.State, fact: ev.Started) -> None:
    trial = state.trials[fact.trial]
    state.code = state.code or fact.code
    if trial.attempt == fact.attempt and trial.is_live():
        trial.pid = fact.pid
        if type(trial.activity) is Starting:
            move(trial, Running())
        trial.checkpoint = fact.resumed_from  # the disk may know of others than the journal


def reported(spec: StudySpec, state: st.State, fact: ev.Reported) -> None:
    """Reports of one step are merged: the objective is the last one's.

    A step that an earlier attempt has reported counts again only from the furthest one on. A
    step lower than the attempt's last one is nobody's rung, but its objective is the newest.

    Every report of a study comes by here: comparisons stand where max() would cost a call.
    """
    trial, step, now = state.trials[fact.trial], fact.step, fact.time
    trial.news = False
    if not listens(trial, fact.attempt) or (trial.at_maximum and step > trial.known):
        return  # a complete trial that goes further than its last step is about to be stopped
    pause = now - trial.heard
    trial.pause = max(trial.pause, pause)
    trial.heard = now
    trial.silent = False
    if step > trial.attempt_step:
        _advance(state, trial, fact)
    value = fact.metrics.get(spec.objective.metric)
    if value is None:
        return
    state.reported = True
    if step > trial.known:
        _first_value(spec, state, trial, fact, value)
    elif step == trial.known:
        is_newest = step == trial.attempt_step
        trial.news = is_newest and step == trial.pending and not fact.open
        _replace_value(spec, trial, value)
    elif step < trial.valued == trial.known:
        trial.value = value
        trial.best = trial.best_before = _better(spec, trial.best, value)
    if step > trial.valued:
        trial.valued = step
    elif step == trial.valued:
        state.repeats = True
    if trial.news:
        trial.pending = 0
        _observe(spec, state, trial, value)
    if trial.at_maximum:
        update_leader(spec, state, trial)


def _advance(state: st.State, trial: st.Trial, fact: ev.Reported) -> None:
    """The attempt has reached a step further than all that it has reported."""
    step, now = fact.step, fact.time
    trial.attempt_step = step
    trial.step = max(trial.step, step)
    lasted = now - trial.stepped
    state.slowest = max(state.slowest, lasted)
    trial.stepped = now
    if trial.pace is not None:
        gpu_packing.heard(state, trial, fact)


def _first_value(
    spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Reported, value: float
) -> None:
    """An objective of a step that no attempt has reported one of, nor of a later one."""
    step = fact.step
    is_rung = step == trial.attempt_step  # else its attempt has gone further without one
    if trial.pending and trial.value is not None:  # that step is closed by this one
        _observe(spec, state, trial, trial.value)
    trial.best_before = trial.best
    trial.best = _better(spec, trial.best, value)
    trial.value = value
    trial.known = step
    trial.news = is_rung and not fact.open
    trial.pending = step if is_rung and fact.open else 0
    if step >= trial.next_mark:
        _mark(spec, trial, step)


def _replace_value(spec: StudySpec, trial: st.Trial, value: float) -> None:
    trial.best = _better(spec, trial.best_before, value)
    trial.value = value
    if trial.marked == trial.known:
        trial.curve[-1] = (trial.curve[-1][0], _counted(spec, trial))


def _observe(spec: StudySpec, state: st.State, trial: st.Trial, value: float) -> None:
    """What the pruner takes up of a step, once: the objective that is judged."""
    step, mode = trial.known, spec.objective.mode
    rules.observe(state.pruner, spec.pruning, mode, trial.number, step, value)
    if not math.isfinite(value):
        trial.diverged = True


def _better(spec: StudySpec, best: float | None, value: float) -> float:
    if best is None or not math.isfinite(best):
        return value if best is None or math.isfinite(value) else best
    if not math.isfinite(value):
        return best
    return min(best, value) if spec.objective.mode == "min" else max(best, value)


def _mark(spec: StudySpec, trial: st.Trial, step: int) -> None:
    """Keep what it counts with at the highest milestone that this report is the first to pass."""
    steps = rules.milestones(spec.pruning)
    passed = bisect_right(steps, step)
    if passed and (not trial.curve or trial.curve[-1][0] < steps[passed - 1]):
        trial.curve.append((steps[passed - 1], _counted(spec, trial)))
        trial.marked = step
    trial.next_mark = float(steps[passed]) if passed < len(steps) else math.inf


def _counted(spec: StudySpec, trial: st.Trial) -> float:
    """What it counts with; NaN where it has diverged."""
    value = trial.counted(spec.objective)
    if value is None or trial.diverged:
        return math.nan
    return value


def save_started(_spec: StudySpec, state: st.State, fact: ev.SaveStarted) -> None:
    trial = state.trials[fact.trial]
    if trial.is_live() and trial.attempt == fact.attempt:
        trial.saving += 1
        trial.heard = fact.time
        trial.silent = False


def save_failed(_spec: StudySpec, state: st.State, fact: ev.SaveFailed) -> None:
    trial = state.trials[fact.trial]
    if trial.is_live() and trial.attempt == fact.attempt:
        leaving.save_ended(trial, fact.time)


def checkpointed(_spec: StudySpec, state: st.State, fact: ev.Checkpointed) -> None:
    trial = state.trials[fact.trial]
    if trial.is_live() and trial.attempt == fact.attempt:
        trial.checkpoint = fact.step
        leaving.save_ended(trial, fact.time)


def verdict(spec: StudySpec, state: st.State, fact: ev.Verdict) -> None:
    trial = state.trials[fact.trial]
    value = math.nan if trial.diverged or trial.value is None else trial.value
    mode = spec.objective.mode
    if fact.rung is not None or fact.action == "complete":  # else it judges nothing
        rules.enter(state.pruner, spec.pruning, mode, trial.number, fact.step, value, fact.action)
    if fact.action == "complete":
        trial.at_maximum = True
        update_leader(spec, state, trial)
    elif fact.action == "stop":
        trial.note = fact.why
        leaving.begin(state, trial, "ask", StopReason.PRUNED, fact.time)
    elif fact.action == "pause":
        trial.note = fact.why
        trial.at_rung = True
        leaving.begin(state, trial, "ask", StopReason.AT_RUNG, fact.time)
    trial.gate = math.inf if trial.at_maximum else next_gate(spec, state, trial)


def signal(_spec: StudySpec, state: st.State, fact: ev.Signal) -> None:
    trial = state.trials[fact.trial]
    thaw(trial, fact.time)  # one that stands still hears it, and leaves
    if fact.reason is StopReason.KILLED:
        state.kills.pop(fact.trial, None)
    if fact.how != "release":
        leaving.begin(state, trial, fact.how, fact.reason, fact.time)


def returned(_spec: StudySpec, state: st.State, fact: ev.Returned) -> None:
    trial = state.trials[fact.trial]
    if trial.is_live() and trial.attempt == fact.attempt:
        trial.returned = True
        leaving.returned(trial, fact.time)


def silent(_spec: StudySpec, state: st.State, fact: ev.Silent) -> None:
    state.trials[fact.trial].silent = True


def exited(spec: StudySpec, state: st.State, fact: ev.Exited) -> None:
    trial = state.trials[fact.trial]
    if not fact.lost:
        prefetch.exited(spec, state, fact.time - trial.launched)
    state.running.remove(fact.trial)
    trial.pid = None
    trial.error = fact.error
    trial.device, trial.cpus, trial.memory = "", 0.0, 0
    gpu_packing.left(state, trial, fact)


def settled(spec: StudySpec, state: st.State, fact: ev.Settled) -> None:
    trial = state.trials[fact.trial]
    trial.note = fact.why
    if fact.crashed:
        trial.error = fact.error or trial.error  # journals of old have it of the exit alone
    elif trial.ending is not None:
        trial.error = ""  # it was told to end: its SIGTERM is no error
    if fact.crowded:
        gpu_packing.crowded(state, trial)
    gpu_packing.gone(trial)
    if fact.state == TrialState.WAITING:
        wait(state, trial)
    elif fact.state == TrialState.PAUSED:
        pause(state, trial)
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
        rules.complete(state.pruner, spec.pruning, trial.number)
        update_leader(spec, state, trial)
    elif fact.state == TrialState.FAILED:
        rules.fail(state.pruner, spec.pruning, trial.number)


def _count_crash(state: st.State, trial: st.Trial, now: float) -> None:
    trial.crashes += 1
    state.streak += 1
    quick = trial.started is None or now - trial.launched < QUICK_DEATH
    kind = re.sub(r"\d+", "#", trial.error)
    state.same = (state.same + 1 if kind == state.last_crash else 1) if quick else 0
    state.last_crash = kind
