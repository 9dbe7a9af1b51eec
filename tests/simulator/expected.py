"""The verdict that each report should get, by the rules and not by the pruners' code."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from simulator.reference import Averages, Due, Rungs
from tuitune.core.study.ranking import loss

if TYPE_CHECKING:
    from collections.abc import Collection

    from tuitune.core import events as ev
    from tuitune.core.spec import StudySpec


class Expected:
    """The verdicts that are due on reports that count."""

    def __init__(self, spec: StudySpec) -> None:
        self.rungs = Rungs(spec)
        self._spec = spec
        self._averages = Averages()
        self._known: dict[int, int] = {}  # the furthest step with an objective
        self._diverged: set[int] = set()
        self._due: Due | None = None
        self._top: dict[int, int] = {}  # the furthest step that the newest attempt has reported
        self._valued: dict[int, int] = {}  # the same of those with an objective
        self._open: dict[int, int] = {}  # the step of which more reports may follow
        self._newest: dict[int, float] = {}  # the value

    def launched(self, trial: int) -> None:
        self._diverged.discard(trial)
        self._top[trial] = self._valued[trial] = 0

    def completed(self, trial: int) -> None:
        self._averages.complete(trial)

    def reported(self, fact: ev.Reported, *, decided: bool) -> None:
        """A report that counts. decided: no verdict is due on this trial any more."""
        trial, step = fact.trial, fact.step
        value = fact.metrics.get(self._spec.objective.metric)
        before = self._top[trial]
        self._top[trial] = max(before, step)
        if value is None:
            return
        known = self._known.get(trial, 0)
        is_first = step > known
        if is_first and trial in self._open:  # that step is closed by this one
            self._take_up(trial, self._open.pop(trial), self._newest[trial])
        closes = not fact.open and (is_first or self._open.get(trial) == step)
        if is_first or step == known or self._valued[trial] == known:
            self._newest[trial] = value
        self._known[trial] = max(known, step)
        self._valued[trial] = max(self._valued[trial], step)
        if step < before:
            return  # a lower step is never judged
        if is_first and fact.open:
            self._open[trial] = step
        if closes:
            self._open.pop(trial, None)
            self._take_up(trial, step, value)
        if not fact.open and not decided:
            owed = fact.waits and step == known and self._spec.pruning.method != "median"
            self._due = self._judgement(fact, value) if closes or owed else None
            self._due = self._due or self._let_go(fact)

    def _take_up(self, trial: int, step: int, value: float) -> None:
        """Record the objective by which a step is judged."""
        if not math.isfinite(value):
            self._diverged.add(trial)
        self._averages.add(trial, step, loss(value, self._spec.objective))

    def _judgement(self, fact: ev.Reported, value: float) -> Due | None:
        trial, step = fact.trial, fact.step
        own = math.inf if trial in self._diverged else loss(value, self._spec.objective)
        rungs = tuple(r for r in self.rungs.ahead_of(trial) if r.step <= step)
        due = Due(trial, fact.attempt, step, own, rungs)
        return due if rungs or self._waits(due) else None

    @staticmethod
    def _let_go(fact: ev.Reported) -> Due | None:
        """A report that is not judged but waits gets the verdict to go on."""
        return Due(fact.trial, fact.attempt, fact.step, math.nan, ()) if fact.waits else None

    def _waits(self, due: Due) -> bool:
        pruning = self._spec.pruning
        return self._ends(due) or (pruning.method == "median" and due.step >= pruning.min)

    def _ends(self, due: Due) -> bool:
        return self._spec.pruning.max is not None and due.step >= self._spec.pruning.max

    def style_chosen(self, fact: ev.StyleChosen) -> list[str]:
        problems = ["the style was chosen twice"] if self.rungs.style else []
        self.rungs.style = fact.style
        return problems

    def verdict(self, fact: ev.Verdict, available: Collection[int]) -> list[str]:
        """Problems of this verdict. available: trials that wait at a rung and may be promoted."""
        due, self._due = self._due, None
        trial = fact.trial
        if due is None or (due.trial, due.attempt, due.step) != (trial, fact.attempt, fact.step):
            return [f"a verdict on trial {trial} at step {fact.step} that none was due on"]
        self.rungs.fill(due)
        right = self._right(due, available)
        if fact.action == "pause":
            self.rungs.parked[trial] = due.rungs[-1]
        elif due.rungs:
            self.rungs.parked.pop(trial, None)
        if right in ("either", fact.action):
            return []
        return [f"trial {trial} at step {fact.step}: {fact.action}, and not {right}"]

    def over(self, *, halted: bool) -> list[str]:
        """Verdicts that an event lacks; where the target is reached, the study halts instead."""
        due, self._due = self._due, None
        if due is None or halted:
            return []
        return [f"no verdict on trial {due.trial} at step {due.step}"]

    def _right(self, due: Due, available: Collection[int]) -> str:
        if math.isnan(due.loss):
            return "go"
        if self._ends(due):
            return "complete"
        if self._spec.pruning.method == "median":
            return self._averages.action(due)
        return self.rungs.action(due, available)
