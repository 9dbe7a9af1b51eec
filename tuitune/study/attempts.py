"""What becomes of a trial as its attempts start, report, are ended and exit?"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from typing import TYPE_CHECKING

from tuitune.pruning import rules
from tuitune.study import ahead, sharing
from tuitune.study import state as st
from tuitune.study.standing import leads, listens, loss, next_gate
from tuitune.study.waiting import pause, thaw, wait

if TYPE_CHECKING:
    from tuitune import events as ev
    from tuitune.spec import StudySpec

# Seconds from one step of ending an attempt to the next: asked, SIGTERM, SIGKILL.
ASK_GRACE = {
    "pruned": 10.0,
    "killed": 5.0,
    "drain": 20.0,
    "timeout": 10.0,
    "target": 20.0,
    "parked": 20.0,
    "paused": math.inf,  # it goes on until its next report, whenever that is
    "moved": math.inf,  # the same
}
TERM_GRACE = 10.0
KILL_GRACE = 10.0
QUICK_DEATH = 60.0  # a crash this soon after its launch tells of a broken program


def launch(_spec: StudySpec, state: st.State, fact: ev.Launch) -> None:
    trial = state.trials[fact.trial]
    trial.state = st.RUNNING
    trial.attempt = fact.attempt
    trial.attempt_step = 0
    trial.opening = state.opening
    trial.device, trial.cpus, trial.memory = fact.device, fact.cpus, fact.memory
    trial.launched = trial.heard = fact.time
    trial.pause = 0.0
    trial.silent = trial.diverged = False
    trial.pid = None
    if trial.started is None:
        trial.started = fact.time
    state.waiting.remove(fact.trial)
    state.running.append(fact.trial)
    if state.ahead == fact.trial:
        state.ahead = None
    sharing.launched(state, trial, fact)


def started(_spec: StudySpec, state: st.State, fact: ev.Started) -> None:
    trial = state.trials[fact.trial]
    state.code = state.code or fact.code
    if trial.attempt == fact.attempt and trial.is_live():
        trial.pid = fact.pid


def reported(spec: StudySpec, state: st.State, fact: ev.Reported) -> None:
    trial = state.trials[fact.trial]
    trial.news = False
    if not listens(trial, fact.attempt) or fact.step <= trial.attempt_step:
        return
    step = trial.attempt_step = fact.step
    trial.pause = max(trial.pause, fact.time - trial.heard)
    trial.heard = fact.time
    trial.silent = False
    trial.step = max(trial.step, step)
    sharing.heard(state, trial, fact)
    value = fact.metrics.get(spec.objective.metric)
    if value is None or step <= trial.known:  # seen before: kept, and never judged again
        return
    trial.known = step
    state.reported = trial.news = True
    trial.value = value
    rules.observe(state.pruner, spec.pruning, spec.objective.mode, trial.number, step, value)
    if not math.isfinite(value):
        trial.diverged = True
    if trial.best is None or loss(value, spec.objective) < loss(trial.best, spec.objective):
        trial.best = value
    _mark(spec, trial, step)


def _mark(spec: StudySpec, trial: st.Trial, step: int) -> None:
    """Keep what it counts with at the highest milestone that this report is the first to pass."""
    steps = rules.milestones(spec.pruning)
    passed = bisect_right(steps, step)
    if passed and (not trial.curve or trial.curve[-1][0] < steps[passed - 1]):
        counted = math.nan if trial.diverged else trial.counted(spec.objective)
        assert counted is not None
        trial.curve.append((steps[passed - 1], counted))


def checkpointed(_spec: StudySpec, state: st.State, fact: ev.Checkpointed) -> None:
    trial = state.trials[fact.trial]
    if trial.state == st.RUNNING and trial.attempt == fact.attempt:
        trial.checkpoint = fact.step
        trial.heard = fact.time


def verdict(spec: StudySpec, state: st.State, fact: ev.Verdict) -> None:
    trial = state.trials[fact.trial]
    value = math.nan if trial.diverged or trial.value is None else trial.value
    mode = spec.objective.mode
    if fact.rung is not None or fact.action == "complete":  # else it judges nothing
        rules.enter(state.pruner, spec.pruning, mode, trial.number, fact.step, value, fact.action)
    if fact.action == "complete":
        trial.complete = True
        if leads(spec, state, trial):
            state.leader = trial.number
    elif fact.action == "stop":
        trial.note = fact.why
        trial.ending = st.Ending("pruned", "ask", fact.time + ASK_GRACE["pruned"])
    elif fact.action == "pause":
        trial.note = fact.why
        trial.parked = True
        trial.ending = st.Ending("parked", "ask", fact.time + ASK_GRACE["parked"])
    trial.gate = math.inf if trial.complete else next_gate(spec, state, trial)


def signal(_spec: StudySpec, state: st.State, fact: ev.Signal) -> None:
    trial = state.trials[fact.trial]
    thaw(trial, fact.time)  # one that stands still hears it, and leaves
    if fact.reason == "killed":
        state.kills.pop(fact.trial, None)
    if fact.how == "release":
        return
    grace = {"ask": ASK_GRACE[fact.reason], "term": TERM_GRACE, "kill": KILL_GRACE}[fact.how]
    trial.ending = st.Ending(fact.reason, fact.how, fact.time + grace)


def silent(_spec: StudySpec, state: st.State, fact: ev.Silent) -> None:
    state.trials[fact.trial].silent = True


def exited(spec: StudySpec, state: st.State, fact: ev.Exited) -> None:
    trial = state.trials[fact.trial]
    if not fact.lost:
        ahead.exited(spec, state, fact.time - trial.launched)
    state.running.remove(fact.trial)
    trial.frozen = trial.pid = None
    trial.error = fact.error
    trial.device, trial.cpus, trial.memory = "", 0.0, 0
    sharing.left(state, trial, fact)


def settled(spec: StudySpec, state: st.State, fact: ev.Settled) -> None:
    trial = state.trials[fact.trial]
    trial.note = fact.why
    if fact.crashed:
        trial.error = fact.error or trial.error  # journals of old have it of the exit alone
    elif trial.ending is not None:
        trial.error = ""  # it was told to end: its SIGTERM is no error
    trial.ending = None
    if fact.crowded:
        sharing.crowded(state, trial)
    sharing.gone(trial)
    if fact.state == st.WAITING:
        wait(state, trial)
    elif fact.state == st.PAUSED:
        pause(state, trial)
    else:
        _end(spec, state, trial, fact)
    if fact.crashed:
        _count_crash(state, trial, fact.time)
    elif fact.state in (st.COMPLETE, st.PRUNED):
        state.streak = state.same = 0


def _end(spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Settled) -> None:
    if trial.number in state.waiting:
        state.waiting.remove(trial.number)
    state.promotable.pop(trial.number, None)
    state.kills.pop(trial.number, None)
    trial.shelved = fact.state == st.PRUNED and trial.parked
    trial.parked = trial.held = False
    trial.state = fact.state
    trial.ended = fact.time
    if fact.state == st.COMPLETE:
        rules.complete(state.pruner, spec.pruning, trial.number)
        if leads(spec, state, trial):
            state.leader = trial.number
    elif fact.state == st.FAILED:
        rules.fail(state.pruner, spec.pruning, trial.number)


def _count_crash(state: st.State, trial: st.Trial, now: float) -> None:
    trial.crashes += 1
    state.streak += 1
    quick = now - trial.launched < QUICK_DEATH
    kind = re.sub(r"\d+", "#", trial.error)
    state.same = (state.same + 1 if kind == state.last_crash else 1) if quick else 0
    state.last_crash = kind
