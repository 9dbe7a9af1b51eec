"""What follows from a report: a verdict at a rung or at the maximum, the end at the target."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec

from tuitune.core import events as ev
from tuitune.core.events import StopReason
from tuitune.core.pruning import rules
from tuitune.core.study.ranking import leads, listens, loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.core.spec import StudySpec
    from tuitune.core.study import state as st


# Once it leaves for one of these, no verdict changes any more what becomes of it.
DECIDED: Final = frozenset({StopReason.TARGET, StopReason.RETURNED, StopReason.OVERDUE})


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
    why = "goes on to its end" if trial.news else "seen before: never judged again"
    return (_plain_verdict(fact, "go", why, save=False),)


def _is_owed(spec: StudySpec, trial: st.Trial, fact: ev.Reported) -> bool:
    """Whether an earlier attempt left the rung of this step without a verdict.

    It was ended there for another reason, such as the target, and taken up again since.
    """
    return fact.waits and fact.step == trial.known and rules.judged_from(spec.pruning) is None


def _is_settled(trial: st.Trial) -> bool:
    """Whether no verdict can change any more what becomes of it."""
    return trial.ending is not None and trial.ending.reason in DECIDED


def reaches(spec: StudySpec, target: float | None, trial: st.Trial) -> bool:
    """Whether the trial's value is as good as the study's target."""
    value = trial.counted(spec.objective)
    if target is None or value is None or not math.isfinite(value):
        return False
    return loss(value, spec.objective) <= loss(target, spec.objective)


def target_words(spec: StudySpec, trial: st.Trial) -> str:
    value = trial.counted(spec.objective)
    return f"target reached: trial {trial.number} has {spec.objective.metric} {value:g}"


def _at_gate(
    spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Reported
) -> Sequence[ev.Decision]:
    if _ends(spec, fact):
        why = f"reached {spec.pruning.unit} {spec.pruning.max}"
        return (_plain_verdict(fact, "complete", why, save=_keeps(spec, state, trial)),)
    style = _style(spec, state, fact)
    pruner = state.pruner
    if style is not None:
        pruner = msgspec.structs.replace(pruner, style=style.style)  # as it will be for the verdict
    judgement = rules.judge(
        pruner,
        spec.pruning,
        spec.objective.mode,
        trial.number,
        fact.step,
        fact.metrics[spec.objective.metric],
        trial.diverged,
        state.promotable,
    )
    if judgement is None:  # a median without anything to compare with; the trial waits all the same
        why = "nothing to compare with yet"
        return (_plain_verdict(fact, "go", why, save=False),)
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
    style, why = rules.choose_style(spec.pruning, fact.can_save)
    return ev.StyleChosen(fact.time, style, why)


def _plain_verdict(fact: ev.Reported, action: ev.Action, why: str, *, save: bool) -> ev.Verdict:
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
    why = target_words(spec, trial)
    halted = ev.Halted(fact.time, why, finish=False, failed=False)
    if trial.at_maximum:
        return (halted,)
    save = _keeps(spec, state, trial)
    if _ends(spec, fact):
        return _plain_verdict(fact, "complete", why, save=save), halted
    return ev.Signal(fact.time, trial.number, fact.attempt, "ask", StopReason.TARGET, save), halted
