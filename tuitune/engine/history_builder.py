"""What has a model seen at the moment when a question is decided?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuitune.core import events as ev
from tuitune.core.events import TrialState
from tuitune.core.pruning.rules import milestones
from tuitune.core.search.proposal import Fate, History, Past

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuitune.core.spec import StudySpec
    from tuitune.core.study import State, Trial


class HistoryBuilder:
    """The history of a study, kept up to date by its facts: an ask costs what is new since."""

    def __init__(self, spec: StudySpec, foreign: tuple[Past, ...]) -> None:
        self._spec = spec
        self._foreign = foreign
        self._past: dict[int, Past] = {}
        self._stale: set[int] = set()
        self._known = 0  # trials; those after them have not been looked at

    def note(self, facts: Iterable[ev.AnyFact]) -> None:
        for fact in facts:
            match fact:
                case ev.PauseAsked() | ev.ResumeAsked():
                    self._stale.update(fact.trials)
                case ev.Opened() | ev.SettingsChanged():  # these take up trials that were shelved
                    self._known = 0
                case _:
                    number = getattr(fact, "trial", None)
                    if number is not None:
                        self._stale.add(number)

    def history(self, state: State) -> History:
        """As the study is now."""
        self._stale.update(range(self._known, len(state.trials)))
        self._known = len(state.trials)
        for number in sorted(self._stale):
            past = past_of(self._spec, state.trials[number]) if number < self._known else None
            if past is not None:
                self._past[number] = past
            else:
                self._past.pop(number, None)
        self._stale.clear()
        return History(tuple(self._past[n] for n in sorted(self._past)), self._foreign)


def past_of(spec: StudySpec, trial: Trial) -> Past | None:
    """One trial; None where it tells nothing and will not: killed, with nothing to compare.

    Nor does one of which a sampler has failed: it was never launched.
    """
    if trial.state == TrialState.FAILED and trial.started is None:
        return None
    curve = curve_of(spec, trial)
    fate = _fate(trial)
    if (
        trial.state == TrialState.KILLED
        and fate == "ended"
        and not (curve and milestones(spec.pruning))
    ):
        return None
    return Past(trial.number, trial.config, curve, fate)


def curve_of(spec: StudySpec, trial: Trial) -> tuple[tuple[int, float], ...]:
    value = math.nan if trial.diverged else trial.counted(spec.objective)
    if value is None:
        return ()
    if trial.curve and trial.curve[-1][0] >= trial.known:
        return tuple(trial.curve)
    return (*trial.curve, (trial.known, value))


def _fate(trial: Trial) -> Fate:
    if trial.diverged or trial.state == TrialState.FAILED:
        return "failed"
    if trial.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.KILLED) or trial.parked:
        return "ended"
    return "pending"
