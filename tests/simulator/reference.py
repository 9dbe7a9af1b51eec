"""A naive implementation of the pruning rules, with which the pruners are compared.

Losses are values in the direction of "min", infinity for what diverged or failed.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from tuitune.core.pruning.by_model import ENOUGH

if TYPE_CHECKING:
    from collections.abc import Collection

    from tuitune.core.spec import StudySpec

Entries = dict[int, float]  # trial -> loss


class Rung(NamedTuple):
    bracket: int
    step: int


class Due(NamedTuple):
    """A report that a verdict is due on, and the rungs that it fills."""

    trial: int
    attempt: int
    step: int
    loss: float
    rungs: tuple[Rung, ...]


class Rungs:
    """Who has filled which rung, and who waits where."""

    def __init__(self, spec: StudySpec) -> None:
        self._pruning = spec.pruning
        self._plan = spec.pruner.plan
        self.style = "" if spec.pruning.style == "auto" else spec.pruning.style
        self.entries: dict[Rung, Entries] = {}
        self.parked: dict[int, Rung] = {}
        self._filled: dict[int, set[Rung]] = {}

    def ahead_of(self, trial: int) -> list[Rung]:
        """The rungs that the trial's reports have not filled, ascending."""
        if self._pruning.method not in {"asha", "hyperband", "model"}:
            return []
        bracket = self._plan.bracket_of(trial)
        rungs = [Rung(bracket, step) for step in self._plan.steps[bracket]]
        return [rung for rung in rungs if rung not in self._filled.get(trial, ())]

    def fill(self, due: Due) -> None:
        for rung in due.rungs:
            self.entries.setdefault(rung, {})[due.trial] = due.loss
            self._filled.setdefault(due.trial, set()).add(rung)

    def fail(self, trial: int) -> None:
        for rung in self.ahead_of(trial)[:1]:
            self.entries.setdefault(rung, {})[trial] = math.inf

    def kept(self, rung: Rung) -> int:
        return math.floor(len(self.entries.get(rung, ())) / self._pruning.reduction + 1e-9)

    def rank(self, rung: Rung, trial: int) -> int:
        """From 1; the better loss first, the earlier trial among equals."""
        entries = self.entries[rung]
        own = entries[trial], trial
        return 1 + sum((loss, number) < own for number, loss in entries.items())

    @property
    def by_model(self) -> bool:
        """Whether a model decides whom a free slot sends on."""
        if self._pruning.method != "model" or self.style != "promote":
            return False
        return any(
            len(entries) >= ENOUGH
            for rung, entries in self.entries.items()
            if rung.step == self._plan.steps[0][0]
        )

    def next(self, available: Collection[int]) -> tuple[int, Rung] | None:
        """Whom a free slot sends on: the best of the highest rung that may send one.

        None where a model decides, as this doesn't know its choice.
        """
        if self.by_model:
            return None
        for rung in sorted(self.entries, key=lambda rung: (-rung.step, rung.bracket)):
            entries = self.entries[rung]
            waiting = [n for n in available if self.parked.get(n) == rung]
            may = [n for n in waiting if self.rank(rung, n) <= self.kept(rung)]
            if may:
                return min(may, key=lambda n: (entries[n], n)), rung
        return None

    def last_resort(self, available: Collection[int]) -> tuple[int, Rung] | None:
        """Who goes on where a study has nothing else to do and no trial has come to its end."""
        best: tuple[int, Rung] | None = None
        for trial in sorted(available):
            rung = self.parked[trial]
            if best is None or rung.step > best[1].step:
                best = trial, rung
            elif rung.step == best[1].step:
                own, other = self.entries[rung][trial], self.entries[best[1]][best[0]]
                best = (trial, rung) if own < other else best
        return best

    def action(self, due: Due, available: Collection[int]) -> str:
        """The verdict on a report that has been filled in."""
        if due.loss == math.inf:
            return "stop"
        if self.style == "stop":
            kept = all(self.rank(r, due.trial) <= max(1, self.kept(r)) for r in due.rungs)
            return "go" if kept else "stop"
        if self.by_model:
            return "either"
        top = due.rungs[-1]
        before = self.parked.get(due.trial)
        self.parked[due.trial] = top
        chosen = self.next({*available, due.trial})
        del self.parked[due.trial]
        if before is not None:
            self.parked[due.trial] = before
        return "go" if chosen is not None and chosen[0] == due.trial else "pause"


class Averages:
    """The median stopping rule of Golovin et al. 2017, from whole curves."""

    def __init__(self) -> None:
        self._curves: dict[int, list[tuple[int, float]]] = {}
        self._complete: dict[int, list[tuple[int, float]]] = {}

    def add(self, trial: int, step: int, loss: float) -> None:
        self._curves.setdefault(trial, []).append((step, loss))

    def complete(self, trial: int) -> None:
        if trial in self._curves:
            self._complete.setdefault(trial, list(self._curves[trial]))

    def action(self, due: Due) -> str:
        if due.loss == math.inf:
            return "stop"
        column = []
        for curve in self._complete.values():
            losses = [loss for step, loss in curve if step <= due.step]
            if losses:
                column.append(sum(losses) / len(losses))
        if not column:
            return "go"
        best = min(loss for _, loss in self._curves[due.trial])
        middle = median(column)
        if math.isclose(best, middle):  # the order of a sum decides: either is right
            return "either"
        return "go" if best <= middle else "stop"
