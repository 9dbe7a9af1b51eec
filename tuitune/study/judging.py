"""What follows from a report: a verdict at a rung or at the maximum, the end at the target."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuitune import events as ev
from tuitune.pruning import asha
from tuitune.study import state as st
from tuitune.study.evolve import leads, listens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuitune.spec import StudySpec


def on_report(spec: StudySpec, state: st.State, fact: ev.Reported) -> Sequence[ev.Decision]:
    """Most reports call for nothing, and are told apart first."""
    trial = state.trials[fact.trial]
    settings = state.settings
    assert settings is not None
    if fact.step < trial.gate and settings.target is None:
        return ()
    value = fact.metrics.get(spec.objective.metric)
    if value is None or fact.step != trial.step or not listens(trial, fact.attempt):
        return ()
    if state.halted is None and reaches(spec, settings.target, trial):
        return _target_reached(spec, state, trial, fact)
    return () if fact.step < trial.gate else _at_gate(spec, state, trial, fact)


def reaches(spec: StudySpec, target: float | None, trial: st.Trial) -> bool:
    """Whether the trial's value is as good as the study's target."""
    value = trial.counted(spec.objective)
    if target is None or value is None or not math.isfinite(value):
        return False
    return st.loss(value, spec.objective) <= st.loss(target, spec.objective)


def target_words(spec: StudySpec, trial: st.Trial) -> str:
    value = trial.counted(spec.objective)
    return f"target reached: trial {trial.number} has {spec.objective.metric} {value:g}"


def _at_gate(
    spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Reported
) -> Sequence[ev.Decision]:
    if spec.pruning.max is not None and fact.step >= spec.pruning.max:
        why = f"reached {spec.pruning.resource or 'report'} {spec.pruning.max}"
        return (_completed(fact, why, save=_keeps(spec, state, trial)),)
    value = fact.metrics[spec.objective.metric]
    mode = spec.objective.mode
    judgement = asha.judge(
        state.rungs, spec.pruning, mode, trial.number, fact.step, value, trial.diverged
    )
    if judgement is None:
        return ()
    verdict = ev.Verdict(
        fact.time,
        fact.trial,
        fact.attempt,
        fact.step,
        judgement.action,
        save=False,
        rung=judgement.rung,
        rank=judgement.rank,
        n=judgement.n,
        cut=judgement.cut,
        why=judgement.why,
    )
    return (verdict,)


def _completed(fact: ev.Reported, why: str, *, save: bool) -> ev.Verdict:
    return ev.Verdict(
        fact.time,
        fact.trial,
        fact.attempt,
        fact.step,
        "complete",
        save=save,
        rung=None,
        rank=None,
        n=None,
        cut=None,
        why=why,
    )


def _keeps(spec: StudySpec, state: st.State, trial: st.Trial) -> bool:
    """Whether a finished trial's last checkpoint is worth writing: only the best one's is kept."""
    keep = spec.trial.keep_checkpoints
    return keep == "all" or (keep == "best" and leads(spec, state, trial))


def _target_reached(
    spec: StudySpec, state: st.State, trial: st.Trial, fact: ev.Reported
) -> Sequence[ev.Decision]:
    why = target_words(spec, trial)
    halted = ev.Halted(fact.time, why, finish=False, failed=False)
    save = _keeps(spec, state, trial)
    if spec.pruning.max is not None and fact.step >= spec.pruning.max:
        return _completed(fact, why, save=save), halted
    return ev.Signal(fact.time, trial.number, fact.attempt, "ask", "target", save), halted
