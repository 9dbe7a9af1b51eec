"""The value of each trial and the best trial, from reports alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuitune.core.study.ranking import loss

if TYPE_CHECKING:
    from tuitune.core import events as ev
    from tuitune.core.spec import StudySpec
    from tuitune.core.study import State


@dataclass(slots=True)
class _Values:
    """One trial's values."""

    closed: list[float] = field(default_factory=list)  # that no later report replaces
    current: float | None = None  # of the furthest step, its newest one
    newest: float | None = None
    furthest: int = 0  # step with an objective
    own: int = 0  # the same of the newest attempt

    def add(self, step: int, value: float) -> None:
        if step < self.furthest and self.own < self.furthest:
            self.own = max(self.own, step)
            return  # a step that an earlier attempt has reported
        if step > self.furthest and self.current is not None:
            self.closed.append(self.current)
        elif step < self.furthest and self.current is not None:
            self.closed += [self.current, value]
        if step >= self.furthest:
            self.current = value
        self.newest = value
        self.furthest = max(self.furthest, step)
        self.own = max(self.own, step)

    def best(self, spec: StudySpec) -> float | None:
        values = self.closed if self.current is None else [*self.closed, self.current]
        return min(values, key=lambda value: loss(value, spec.objective), default=None)


class ShadowValues:
    """The values of a `ShadowModel`."""

    def __init__(self, spec: StudySpec) -> None:
        self._spec = spec
        self._values: dict[int, _Values] = {}
        self._complete: set[int] = set()
        self._touched: set[int] = set()  # since the newest comparison
        self._leader: int | None = None

    def launched(self, trial: int) -> None:
        self._values_of(trial).own = 0

    def reported(self, fact: ev.Reported) -> None:
        """A report that counts."""
        value = fact.metrics.get(self._spec.objective.metric)
        if value is not None:
            self._values_of(fact.trial).add(fact.step, value)
            self._touched.add(fact.trial)

    def completed(self, trial: int) -> None:
        self._complete.add(trial)
        self._touched.add(trial)

    def differences(self, state: State) -> list[str]:
        """Where the state differs."""
        touched, self._touched = self._touched, set()
        problems = []
        for number in touched:
            trial, page = state.trials[number], self._values_of(number)
            own = page.newest, page.best(self._spec)
            if not all(map(_is_same, own, (trial.value, trial.best))):
                problems.append(
                    f"trial {number} has {trial.value}, at best {trial.best}, and should have "
                    f"{own[0]}, at best {own[1]}"
                )
        if touched & self._complete:
            self._leader = self._best()
        if state.leader != self._leader:
            problems.append(f"trial {state.leader} leads, and trial {self._leader} should")
        return problems

    def _best(self) -> int | None:
        """The best of the complete trials; a trial with NaN is never the best."""
        objective = self._spec.objective
        found = []
        for trial in self._complete:
            page = self._values_of(trial)
            value = page.best(self._spec) if objective.value == "best" else page.newest
            if value is not None and not math.isnan(value):
                found.append((loss(value, objective), trial))
        return min(found)[1] if found else None

    def _values_of(self, trial: int) -> _Values:
        return self._values.setdefault(trial, _Values())


def _is_same(one: float | None, other: float | None) -> bool:
    both = one is not None and other is not None and math.isnan(one) and math.isnan(other)
    return both or one == other
