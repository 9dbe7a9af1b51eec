"""Trials that failed with the study's set-up, and are taken up when the study is run again."""

from __future__ import annotations

from tuitune.core.events import TrialState
from tuitune.core.reasons import Failures
from tuitune.core.study.state import State


def failed_with_the_setup(state: State) -> list[int]:
    """The failed trials of a study that has ended whose failures say nothing about them.

    All of them, if none of the study's trials has ever reported. If the study was halted since
    attempts kept failing, those after the last success, but each only once: their configurations
    may be to blame after all, and others have to come.
    """
    if not state.finished:
        return []
    failed = [t for t in state.trials if t.state == TrialState.FAILED and t.started is not None]
    if not state.reported:
        return [trial.number for trial in failed]
    if state.halted is None or not isinstance(state.halted.why, Failures):
        return []
    successes = (TrialState.COMPLETE, TrialState.PRUNED)
    good = max((t.ended or 0.0 for t in state.trials if t.state in successes), default=0.0)
    return [
        trial.number for trial in failed if (trial.ended or 0.0) > good and not trial.tried_again
    ]
