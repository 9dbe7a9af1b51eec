"""Which verdict is due on this report? Told by the rules, not by the pruners."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuitune.simulation.reference import Averages, Due, Rungs
from tuitune.study.standing import loss

if TYPE_CHECKING:
    from collections.abc import Collection

    from tuitune import events as ev
    from tuitune.spec import StudySpec


class Expected:
    """What the reports that count call for, trial by trial."""

    def __init__(self, spec: StudySpec) -> None:
        self.rungs = Rungs(spec)
        self._spec = spec
        self._averages = Averages()
        self._known: dict[int, int] = {}  # the furthest step with an objective
        self._diverged: set[int] = set()
        self._due: Due | None = None

    def launched(self, trial: int) -> None:
        self._diverged.discard(trial)

    def completed(self, trial: int) -> None:
        self._averages.complete(trial)

    def reported(self, fact: ev.Reported) -> None:
        """A report that counts."""
        trial, step = fact.trial, fact.step
        value = fact.metrics.get(self._spec.objective.metric)
        if value is None:
            return
        if step <= self._known.get(trial, 0):
            self._seen(fact)
            return
        self._known[trial] = step
        if not math.isfinite(value):
            self._diverged.add(trial)
        own = loss(value, self._spec.objective)
        self._averages.add(trial, step, own)
        own = math.inf if trial in self._diverged else own
        rungs = tuple(r for r in self.rungs.ahead_of(trial) if r.step <= step)
        due = Due(trial, fact.attempt, step, own, rungs)
        if rungs or self._waits(due):
            self._due = due

    def _seen(self, fact: ev.Reported) -> None:
        """Never judged again; but what waits is let go on."""
        due = Due(fact.trial, fact.attempt, fact.step, math.nan, ())
        ahead = self.rungs.ahead_of(fact.trial)
        if self._waits(due) or (ahead and ahead[0].step <= fact.step):
            self._due = due

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
        """What is wrong with it. `available`: trials that wait and may be sent on."""
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
        """What is left undone of an event; the target halts a study in place of a verdict."""
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
