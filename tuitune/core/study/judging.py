"""Reports and verdicts: what a report changes, and the judgement that follows from it."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

import msgspec

from tuitune.core import events as ev
from tuitune.core.events import StopReason
from tuitune.core.pruning.pruner import Report
from tuitune.core.reasons import MaximumReached, TargetReached, ToItsEnd, Why
from tuitune.core.study import gpu_packing, leaving
from tuitune.core.study import state as st
from tuitune.core.study.ranking import leads, listens, loss, next_gate, update_leader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.spec import StudySpec

# Once it leaves for one of these, no verdict changes any more what becomes of it.
_DECIDED: Final = frozenset({StopReason.TARGET, StopReason.RETURNED, StopReason.OVERDUE})


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
    spec.pruner.observe(state.pruner, trial.number, trial.known, value)
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
    steps = spec.pruner.milestones
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


def verdict(spec: StudySpec, state: st.State, fact: ev.Verdict) -> None:
    trial = state.trials[fact.trial]
    value = math.nan if trial.diverged or trial.value is None else trial.value
    if fact.rung is not None or fact.action == "complete":  # else it judges nothing
        spec.pruner.enter(state.pruner, trial.number, fact.step, value, fact.action)
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


def on_report(spec: StudySpec, state: st.State, fact: ev.Reported) -> Sequence[ev.Decision]:
    """Most reports call for nothing, and are told apart first.

    One that waits is always answered, and one that doesn't never is without a rung: the trial would
    take that answer for the one to its next report.
    """
    trial = state.trials[fact.trial]
    settings = state.settings
    assert settings is not None
    if fact.step < trial.gate and settings.target is None and not fact.waits:
        return ()
    value = fact.metrics.get(spec.objective.metric)
    if value is None or fact.open or _is_settled(trial) or not listens(trial, fact.attempt):
        return ()
    newest = trial.news or fact.step == trial.known
    if newest and state.halted is None and reaches(spec, settings.target, trial):
        return _target_reached(spec, state, trial, fact)
    if fact.step >= trial.gate and (trial.news or _is_owed(spec, trial, fact)):
        return _at_gate(spec, state, trial, fact)
    if not fact.waits:
        return ()
    why = ToItsEnd("past the last rung" if trial.news else "seen before")
    return (_plain_verdict(fact, "go", why, save=False),)


def _is_owed(spec: StudySpec, trial: st.Trial, fact: ev.Reported) -> bool:
    """Whether an earlier attempt left the rung of this step without a verdict.

    It was ended there for another reason, such as the target, and taken up again since.
    """
    return fact.waits and fact.step == trial.known and spec.pruner.judged_from is None


def _is_settled(trial: st.Trial) -> bool:
    """Whether no verdict can change any more what becomes of it."""
    return trial.ending is not None and trial.ending.reason in _DECIDED


def reaches(spec: StudySpec, target: float | None, trial: st.Trial) -> bool:
    """Whether the trial's value is as good as the study's target."""
    value = trial.counted(spec.objective)
    if target is None or value is None or not math.isfinite(value):
        return False
    return loss(value, spec.objective) <= loss(target, spec.objective)


def target_reached(spec: StudySpec, trial: st.Trial) -> TargetReached:
    value = trial.counted(spec.objective)
    return TargetReached(trial.number, spec.objective.metric, value)


def _at_gate(
    spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Reported
) -> Sequence[ev.Decision]:
    if _ends(spec, fact):
        why = MaximumReached(spec.pruning.unit, spec.pruning.max or 0)
        return (_plain_verdict(fact, "complete", why, save=_keeps(spec, state, trial)),)
    style = _style(spec, state, fact)
    pruner = state.pruner
    if style is not None:
        pruner = msgspec.structs.replace(pruner, style=style.style)  # as it will be for the verdict
    value = fact.metrics[spec.objective.metric]
    report = Report(trial.number, fact.step, value, trial.diverged)
    judgement = spec.pruner.judge(pruner, report, state.promotable)
    if judgement is None:  # a median without anything to compare with; the trial waits all the same
        nothing = ToItsEnd("nothing to compare with")
        return (_plain_verdict(fact, "go", nothing, save=False),)
    verdict = ev.Verdict(
        fact.time,
        fact.trial,
        fact.attempt,
        fact.step,
        judgement.action,
        save=judgement.action == "pause",
        rung=judgement.rung,
        rank=judgement.rank,
        n=judgement.n,
        cut=judgement.cut,
        why=judgement.why,
    )
    return (verdict,) if style is None else (style, verdict)


def _ends(spec: StudySpec, fact: ev.Reported) -> bool:
    return spec.pruning.max is not None and fact.step >= spec.pruning.max


def _style(spec: StudySpec, state: st.State, fact: ev.Reported) -> ev.StyleChosen | None:
    """Decided once, by what the first trial at a rung can do."""
    if state.pruner.style:
        return None
    style, why = spec.pruner.style(can_save=fact.can_save)
    return ev.StyleChosen(fact.time, style, why)


def _plain_verdict(fact: ev.Reported, action: ev.Action, why: Why, *, save: bool) -> ev.Verdict:
    """One that no ranking stands behind."""
    return ev.Verdict(
        fact.time,
        fact.trial,
        fact.attempt,
        fact.step,
        action,
        save=save,
        rung=None,
        rank=None,
        n=None,
        cut=None,
        why=why,
    )


def _keeps(spec: StudySpec, state: st.State, trial: st.Trial) -> bool:
    """Whether a finished trial's last checkpoint is worth writing: only the best one's is kept."""
    keep = "none" if state.settings is None else state.settings.keep_checkpoints
    return keep == "all" or (keep == "best" and leads(spec, state, trial))


def _target_reached(
    spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Reported
) -> Sequence[ev.Decision]:
    why = target_reached(spec, trial)
    halted = ev.Halted(fact.time, why, finish=False, failed=False)
    if trial.at_maximum:
        return (halted,)
    save = _keeps(spec, state, trial)
    if _ends(spec, fact):
        return _plain_verdict(fact, "complete", why, save=save), halted
    return ev.Signal(fact.time, trial.number, fact.attempt, "ask", StopReason.TARGET, save), halted
