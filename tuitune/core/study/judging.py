"""Reports and verdicts: how a report changes the state, and the verdict on it."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec

from tuitune.core import events as ev, reasons
from tuitune.core.pruning.pruner import Report
from tuitune.core.spec import StudySpec
from tuitune.core.study import asking, gpu_packing, leaving, ranking, state as st

# Once an attempt is ending for one of these, no verdict changes the outcome of its trial.
_DECIDED: Final = frozenset({ev.StopReason.TARGET, ev.StopReason.RETURNED, ev.StopReason.OVERDUE})


def reported(spec: StudySpec, state: st.State, fact: ev.Reported) -> None:
    """Merge reports of one step: the objective is that of the last one.

    A step that an earlier attempt has reported counts again only from the furthest one on. A step
    lower than the attempt's last one fills no rung, but its objective is the newest.

    This runs for every report of a study: comparisons are used where max() would cost a call.
    """
    trial, step, now = state.trials[fact.trial], fact.step, fact.time
    trial.has_new_value = False
    if not ranking.listens(trial, fact.attempt) or (trial.at_maximum and step > trial.known):
        return  # a complete trial that goes further than its last step is about to be stopped
    pause = now - trial.last_sign
    trial.pause = max(trial.pause, pause)
    trial.last_sign = now
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
        trial.has_new_value = is_newest and step == trial.pending and not fact.open
        _replace_value(spec, trial, value)
    elif step < trial.valued == trial.known:
        trial.value = value
        trial.best = trial.best_before = _better(spec, trial.best, value)
    if step > trial.valued:
        trial.valued = step
    elif step == trial.valued:
        state.repeats = True
    if trial.has_new_value:
        trial.pending = 0
        _observe(spec, state, trial, value)
    if trial.at_maximum:
        ranking.update_leader(spec, state, trial)


def _advance(state: st.State, trial: st.Trial, fact: ev.Reported) -> None:
    """The attempt has reported a step beyond its earlier ones."""
    step, now = fact.step, fact.time
    lasted = now - trial.stepped
    if not trial.attempt_step:
        trial.began = step
        trial.first = trial.first or (0 if trial.step else step)
        if step > trial.resumed:  # else it has gone on from a checkpoint, and counts from 0 again
            trial.first_units += step - trial.resumed
            trial.first_seconds += lasted
    else:
        trial.more_units += step - trial.attempt_step
        trial.more_seconds += lasted
    trial.attempt_step = step
    trial.step = max(trial.step, step)
    state.slowest = max(state.slowest, lasted)
    trial.stepped = now
    if trial.pace is not None:
        gpu_packing.note_report(state, trial, fact)


def _first_value(
    spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Reported, value: float
) -> None:
    """The first objective at this step or any later one, over all attempts."""
    step = fact.step
    is_rung = step == trial.attempt_step  # else the attempt has gone further without an objective
    if trial.pending and trial.value is not None:  # this report closes that step
        _observe(spec, state, trial, trial.value)
    trial.best_before = trial.best
    trial.best = _better(spec, trial.best, value)
    trial.value = value
    trial.known = step
    trial.has_new_value = is_rung and not fact.open
    trial.pending = step if is_rung and fact.open else 0
    if step >= trial.next_mark:
        _mark(spec, trial, step)
        if trial.times is not None and spec.pruner.milestones:
            state.pruner.times[trial.number] = trial.times


def _replace_value(spec: StudySpec, trial: st.Trial, value: float) -> None:
    trial.best = _better(spec, trial.best_before, value)
    trial.value = value
    if trial.marked == trial.known:
        trial.curve[-1] = (trial.curve[-1][0], _counted(spec, trial))


def _observe(spec: StudySpec, state: st.State, trial: st.Trial, value: float) -> None:
    """Pass the final objective of a step to the pruner, once for each step."""
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
    """Record the value at the highest milestone that this report is the first to pass."""
    steps = spec.pruner.milestones
    passed = bisect_right(steps, step)
    if passed and (not trial.curve or trial.curve[-1][0] < steps[passed - 1]):
        trial.curve.append((steps[passed - 1], _counted(spec, trial)))
        trial.marked = step
    trial.next_mark = float(steps[passed]) if passed < len(steps) else math.inf


def _counted(spec: StudySpec, trial: st.Trial) -> float:
    """The value that counts for the trial; NaN where it has diverged."""
    value = trial.counted(spec.objective)
    return math.nan if value is None or trial.diverged else value


def verdict(spec: StudySpec, state: st.State, fact: ev.Verdict) -> None:
    """Pass the verdict to the pruner, and begin to end the attempt where it stops or pauses."""
    trial = state.trials[fact.trial]
    value = math.nan if trial.diverged or trial.value is None else trial.value
    if fact.rung is not None or fact.action == "complete":  # others are not passed to the pruner
        spec.pruner.enter(state.pruner, trial.number, fact.step, value, fact.action)
    if fact.action in {"complete", "stop"}:
        state.pruner.times.pop(trial.number, None)
    if fact.action == "complete":
        trial.at_maximum = True
        ranking.update_leader(spec, state, trial)
    elif fact.action == "stop":
        trial.note = fact.why
        leaving.begin(state, trial, "ask", ev.StopReason.PRUNED, fact.time)
    elif fact.action == "pause":
        trial.note = fact.why
        trial.at_rung = True
        leaving.begin(state, trial, "ask", ev.StopReason.AT_RUNG, fact.time)
    trial.gate = math.inf if trial.at_maximum else ranking.next_gate(spec, state, trial)


def on_report(spec: StudySpec, state: st.State, fact: ev.Reported) -> Sequence[ev.Decision]:
    """The verdict on a report. Most reports call for none, and are sorted out first.

    A report that waits always gets an answer. One that does not wait gets one at a rung only: the
    trial would take it for the answer to its next report.
    """
    trial = state.trials[fact.trial]
    settings = state.settings
    assert settings is not None
    if fact.step < trial.gate and settings.target is None and not fact.waits:
        return ()
    value = fact.metrics.get(spec.objective.metric)
    if value is None or fact.open or _is_settled(trial) or not ranking.listens(trial, fact.attempt):
        return ()
    newest = trial.has_new_value or fact.step == trial.known
    if newest and state.halted is None and reaches(spec, settings.target, trial):
        return _target_reached(spec, state, trial, fact)
    if fact.step >= trial.gate and (trial.has_new_value or _is_owed(spec, trial, fact)):
        return _at_gate(spec, state, trial, fact)
    if not fact.waits:
        return ()
    why = reasons.ToItsEnd("past the last rung" if trial.has_new_value else "seen before")
    return (_plain_verdict(fact, "go", why, save=False),)


def _is_owed(spec: StudySpec, trial: st.Trial, fact: ev.Reported) -> bool:
    """Whether an earlier attempt left the rung of this step without a verdict.

    That attempt was ended there for another reason, such as the target, and the trial was resumed.
    """
    return fact.waits and fact.step == trial.known and spec.pruner.judged_from is None


def _is_settled(trial: st.Trial) -> bool:
    """Whether the trial's outcome is fixed, whatever a verdict would be."""
    return trial.ending is not None and trial.ending.reason in _DECIDED


def reaches(spec: StudySpec, target: float | None, trial: st.Trial) -> bool:
    """Whether the trial's value is as good as the study's target."""
    value = trial.counted(spec.objective)
    if target is None or value is None or not math.isfinite(value):
        return False
    return ranking.loss(value, spec.objective) <= ranking.loss(target, spec.objective)


def target_reached(spec: StudySpec, trial: st.Trial) -> reasons.TargetReached:
    """The reason for a study that ends with this trial."""
    value = trial.counted(spec.objective)
    return reasons.TargetReached(trial.number, spec.objective.metric, value)


def _at_gate(
    spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Reported
) -> Sequence[ev.Decision]:
    if _ends(spec, fact):
        why = reasons.MaximumReached(spec.pruning.unit, spec.pruning.max or 0)
        return (_plain_verdict(fact, "complete", why, save=_keeps(spec, state, trial)),)
    style = _style(spec, state, fact)
    pruner = state.pruner
    if style is not None:
        pruner = msgspec.structs.replace(pruner, style=style.style)  # as it will be for the verdict
    value = fact.metrics[spec.objective.metric]
    report = Report(trial.number, fact.step, value, trial.diverged)
    judgement = spec.pruner.judge(pruner, report, state.promotable, new=asking.wants_new(state))
    if judgement is None:  # no complete trial to compare with; the report waits for an answer
        nothing = reasons.ToItsEnd("nothing to compare with")
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
    """The pruning style, chosen once: by what the first trial at a rung can do."""
    if state.pruner.style:
        return None
    style, why = spec.pruner.style(can_save=fact.can_save)
    return ev.StyleChosen(fact.time, style, why)


def _plain_verdict(
    fact: ev.Reported, action: ev.Action, why: reasons.Why, *, save: bool
) -> ev.Verdict:
    """A verdict without a ranking."""
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
    """Whether a complete trial writes its last checkpoint; with "best" only the leader does."""
    keep = "none" if state.settings is None else state.settings.keep_checkpoints
    return keep == "all" or (keep == "best" and ranking.leads(spec, state, trial))


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
    return ev.Signal(
        fact.time, trial.number, fact.attempt, "ask", ev.StopReason.TARGET, save
    ), halted
