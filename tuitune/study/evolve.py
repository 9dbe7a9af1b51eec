"""What is now, after this fact? The only place where a study's state changes."""

from __future__ import annotations

import math
import re
from bisect import insort
from typing import TYPE_CHECKING

from tuitune import events as ev
from tuitune.pruning import asha
from tuitune.pruning.pruner import unfilled
from tuitune.study import state as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tuitune.spec import StudySpec

# Seconds from one step of ending an attempt to the next: asked, SIGTERM, SIGKILL.
ASK_GRACE = {"pruned": 10.0, "killed": 5.0, "drain": 20.0, "timeout": 10.0, "target": 20.0}
TERM_GRACE = 10.0
KILL_GRACE = 10.0
QUICK_DEATH = 60.0  # a crash this soon after its launch tells of a broken program


def evolve(spec: StudySpec, state: st.State, fact: ev.AnyFact) -> st.State:
    """Fold one fact in. Returns the same object, advanced: copies of long studies are not free."""
    fold = _FOLDS.get(type(fact))
    if fold is not None:
        fold(spec, state, fact)
    state.now = fact.time
    return state


def _opened(_spec: StudySpec, state: st.State, fact: ev.Opened) -> None:
    state.settings = fact.settings
    state.cpus, state.memory = fact.cpus, fact.memory
    state.opening += 1
    if not state.finished and state.opened:  # the engine before died: it ran up to its last fact
        state.elapsed += state.now - state.opened
    state.opened = fact.time
    state.halted = None
    state.finished = False
    state.asking = None
    state.streak = state.same = 0
    if len(state.trials) < fact.settings.trials:
        state.exhausted = ""


def _ask(_spec: StudySpec, state: st.State, fact: ev.Ask) -> None:
    state.asking = fact.trial


def _proposed(spec: StudySpec, state: st.State, fact: ev.Proposed) -> None:
    trial = st.Trial(number=fact.trial, config=fact.config, origin=fact.origin, why=fact.why)
    trial.gate = next_gate(spec, state, trial)
    state.trials.append(trial)
    state.waiting.append(fact.trial)
    state.asking = None


def _exhausted(_spec: StudySpec, state: st.State, fact: ev.Exhausted) -> None:
    state.exhausted = fact.why
    state.asking = None


def _launch(_spec: StudySpec, state: st.State, fact: ev.Launch) -> None:
    trial = state.trials[fact.trial]
    trial.state = st.RUNNING
    trial.attempt = fact.attempt
    trial.attempt_step = 0
    trial.opening = state.opening
    trial.device, trial.cpus, trial.memory = fact.device, fact.cpus, fact.memory
    trial.launched = trial.heard = fact.time
    trial.pause = 0.0
    trial.silent = trial.diverged = False
    if trial.started is None:
        trial.started = fact.time
    state.waiting.remove(fact.trial)
    state.running.append(fact.trial)


def _reported(spec: StudySpec, state: st.State, fact: ev.Reported) -> None:
    trial = state.trials[fact.trial]
    if not listens(trial, fact.attempt) or fact.step <= trial.attempt_step:
        return
    step = trial.attempt_step = fact.step
    trial.pause = max(trial.pause, fact.time - trial.heard)
    trial.heard = fact.time
    trial.silent = False
    if step <= trial.step:  # seen in an earlier attempt: kept, and never judged again
        return
    trial.step = step
    value = fact.metrics.get(spec.objective.metric)
    if value is None:
        return
    state.reported = True
    trial.value = value
    if not math.isfinite(value):
        trial.diverged = True
    if trial.best is None or st.loss(value, spec.objective) < st.loss(trial.best, spec.objective):
        trial.best = value


def _checkpointed(_spec: StudySpec, state: st.State, fact: ev.Checkpointed) -> None:
    trial = state.trials[fact.trial]
    if trial.state == st.RUNNING and trial.attempt == fact.attempt:
        trial.checkpoint = fact.step
        trial.heard = fact.time


def _verdict(spec: StudySpec, state: st.State, fact: ev.Verdict) -> None:
    trial = state.trials[fact.trial]
    value = math.nan if trial.diverged or trial.value is None else trial.value
    mode = spec.objective.mode
    asha.enter(state.rungs, spec.pruning, mode, trial.number, fact.step, value)
    if fact.action == "complete":
        trial.complete = True
        if leads(spec, state, trial):
            state.leader = trial.number
    elif fact.action == "stop":
        trial.note = fact.why
        trial.ending = st.Ending("pruned", "ask", fact.time + ASK_GRACE["pruned"])
    trial.gate = math.inf if trial.complete else next_gate(spec, state, trial)


def _signal(_spec: StudySpec, state: st.State, fact: ev.Signal) -> None:
    trial = state.trials[fact.trial]
    grace = {"ask": ASK_GRACE[fact.reason], "term": TERM_GRACE, "kill": KILL_GRACE}[fact.how]
    trial.ending = st.Ending(fact.reason, fact.how, fact.time + grace)


def _silent(_spec: StudySpec, state: st.State, fact: ev.Silent) -> None:
    state.trials[fact.trial].silent = True


def _exited(_spec: StudySpec, state: st.State, fact: ev.Exited) -> None:
    trial = state.trials[fact.trial]
    state.running.remove(fact.trial)
    trial.error = fact.error
    trial.device, trial.cpus, trial.memory = "", 0.0, 0


def _settled(spec: StudySpec, state: st.State, fact: ev.Settled) -> None:
    trial = state.trials[fact.trial]
    trial.state = fact.state
    trial.note = fact.why
    trial.ending = None
    if fact.state in st.ENDED:
        trial.ended = fact.time
        if fact.trial in state.waiting:
            state.waiting.remove(fact.trial)
    else:
        # by number, so that what was interrupted goes on before anything new starts
        insort(state.waiting, fact.trial)
    if fact.state == st.COMPLETE and leads(spec, state, trial):
        state.leader = trial.number
    if fact.state == st.FAILED:
        asha.fail(state.rungs, spec.pruning, trial.number)
    if fact.crashed:
        _count_crash(state, trial, fact.time)
    elif fact.state in (st.COMPLETE, st.PRUNED):
        state.streak = state.same = 0


def _count_crash(state: st.State, trial: st.Trial, now: float) -> None:
    trial.crashes += 1
    state.streak += 1
    quick = now - trial.launched < QUICK_DEATH
    kind = re.sub(r"\d+", "#", trial.error)
    state.same = (state.same + 1 if kind == state.last_crash else 1) if quick else 0
    state.last_crash = kind


def _halted(_spec: StudySpec, state: st.State, fact: ev.Halted) -> None:
    state.halted = fact


def _finished(_spec: StudySpec, state: st.State, fact: ev.Finished) -> None:
    state.finished = True
    state.elapsed += fact.time - state.opened
    state.opened = fact.time


def listens(trial: st.Trial, attempt: int) -> bool:
    """Whether what this attempt says still counts: it runs, and nobody has ended it."""
    return (
        trial.attempt == attempt
        and trial.state == st.RUNNING
        and trial.ending is None
        and not trial.complete
    )


def leads(spec: StudySpec, state: st.State, trial: st.Trial) -> bool:
    """Whether it is better than every trial that has reached the end so far."""
    if state.leader is None or state.leader == trial.number:
        return True
    objective, leader = spec.objective, state.trials[state.leader]
    own = st.loss(trial.counted(objective), objective), trial.number
    return own < (st.loss(leader.counted(objective), objective), leader.number)


def next_gate(spec: StudySpec, state: st.State, trial: st.Trial) -> float:
    """The step at which this trial is judged next: its next rung, or the maximum."""
    ahead = unfilled(state.rungs, spec.pruning, trial.number)
    if ahead:
        return float(ahead[0])
    return math.inf if spec.pruning.max is None else float(spec.pruning.max)


_FOLDS: dict[type, Callable[[StudySpec, st.State, Any], None]] = {
    ev.Opened: _opened,
    ev.Ask: _ask,
    ev.Proposed: _proposed,
    ev.Exhausted: _exhausted,
    ev.Launch: _launch,
    ev.Reported: _reported,
    ev.Checkpointed: _checkpointed,
    ev.Verdict: _verdict,
    ev.Signal: _signal,
    ev.Silent: _silent,
    ev.Exited: _exited,
    ev.Settled: _settled,
    ev.Halted: _halted,
    ev.Finished: _finished,
}
