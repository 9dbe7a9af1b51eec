"""Median stopping: running averages, and verdicts by their median."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from math import inf, isfinite
from typing import Literal

import msgspec

from tuitune.core import options, reasons
from tuitune.core.pruning import pruner
from tuitune.core.pruning.brackets import NO_RUNGS, Plan, spaced

# With more steps than this averages are kept at every second of them, then at every fourth and so
# on, which bounds the memory for trials that report at each of a million steps.
_MOST_STEPS = 2000


class Curve(msgspec.Struct, array_like=True):
    """A trial's running average after each of its steps, as losses.

    stride: how many reports one point covers; 1 unless there are thousands of them. counted:
    whether it is in the columns of the `Averages`, since the trial is COMPLETE.
    """

    steps: list[int] = []
    averages: list[float] = []
    total: float = 0.0
    count: int = 0
    best: float = float("inf")
    stride: int = 1
    counted: bool = False


class Averages(msgspec.Struct, array_like=True):
    """The running averages of all COMPLETE trials, by step.

    columns: for each of `steps`, sorted, the averages up to that step of all trials that had
    reported by then; between two steps nothing changes. curves: by trial, COMPLETE or not.
    """

    steps: list[int] = []
    columns: list[list[float]] = []
    curves: dict[int, Curve] = {}


@dataclass(frozen=True)
class Median:
    """`Pruner`: stops a trial whose best value is worse than the median running average.

    From `min` on, every report is judged: its trial's best value so far against the median of the
    running averages up to this step of all COMPLETE trials that had reported by then (Golovin et
    al. 2017, "Google Vizier: A Service for Black-Box Optimization", section 3.2.2).
    """

    pruning: pruner.PruningSpec
    mode: options.Mode

    @property
    def plan(self) -> Plan:
        """No rungs."""
        return NO_RUNGS

    @property
    def milestones(self) -> tuple[int, ...]:
        """min * 3^k, as it has no rungs."""
        return spaced(self.pruning.min, self.pruning.max)

    @property
    def judged_from(self) -> int:
        """The key `min` of [pruning]."""
        return self.pruning.min

    def memory(self) -> Averages:
        """Averages of no trial."""
        return Averages()

    def style(self, *, can_save: bool) -> tuple[pruner.Style, reasons.Why]:  # noqa: ARG002 - the protocol's
        """Always "stop": a stopped trial has no rung to wait at."""
        return "stop", reasons.StyleBasis("method")

    def judge(
        self,
        state: pruner.PrunerState,
        report: pruner.Report,
        available: Container[int],  # noqa: ARG002 - no trial waits
        *,
        new: bool = False,  # noqa: ARG002 - the same
    ) -> pruner.Judgement | None:
        """The verdict at this step; None if no complete trial has reported by then."""
        pruning, step = self.pruning, report.step
        if step < pruning.min or (pruning.max is not None and step >= pruning.max):
            return None
        column = _column(state.memory, step)
        newest = pruner.loss_of(report.value, self.mode)
        if report.diverged or newest == inf:
            return self._diverged(column, report)
        if not column:
            return None
        curve = state.memory.curves.get(report.trial)
        best = newest if curve is None else min(curve.best, newest)
        median = median_of(column)
        own, cut = pruner.value_of(best, self.mode), pruner.value_of(median, self.mode)
        action: Literal["go", "stop"] = "go" if best <= median else "stop"
        why = reasons.Averaged(pruning.unit, step, own, cut, len(column), action)
        return pruner.Judgement(
            action, step, bisect_left(column, best) + 1, len(column) + 1, cut, why
        )

    def observe(self, state: pruner.PrunerState, trial: int, step: int, value: float) -> None:
        """Add the report to its trial's running average."""
        averages: Averages = state.memory
        curve = averages.curves.get(trial)
        if curve is None:
            curve = averages.curves[trial] = Curve()
        loss = pruner.loss_of(value, self.mode)
        curve.best = min(curve.best, loss)
        if curve.counted:
            return
        if (
            curve.count % curve.stride
        ):  # the newest point covers all reports since the one before it
            curve.steps.pop()
            curve.averages.pop()
        elif len(curve.steps) == _MOST_STEPS:
            del curve.steps[::2], curve.averages[::2]
            curve.stride *= 2
        curve.total += loss
        curve.count += 1
        curve.steps.append(step)
        curve.averages.append(curve.total / curve.count)

    def complete(self, state: pruner.PrunerState, trial: int) -> None:
        """Add its averages to those that other trials are compared with, once."""
        averages: Averages = state.memory
        curve = averages.curves.get(trial)
        if curve is None or curve.counted:
            return
        steps, columns = averages.steps, averages.columns
        for step in curve.steps:
            place = bisect_left(steps, step)
            if place == len(steps) or steps[place] != step:
                columns.insert(place, list(columns[place - 1]) if place else [])
                steps.insert(place, step)
        for place in range(bisect_left(steps, curve.steps[0]), len(steps)):
            insort(columns[place], curve.averages[bisect_right(curve.steps, steps[place]) - 1])
        if len(steps) > _MOST_STEPS:
            del steps[:-1:2], columns[:-1:2]
        curve.counted = True
        curve.steps, curve.averages = [], []

    def enter(
        self, state: pruner.PrunerState, trial: int, step: int, value: float, action: str
    ) -> None:
        """A verdict changes no average."""

    def fail(self, state: pruner.PrunerState, trial: int) -> None:
        """A failed trial is never compared with."""

    def promotion(
        self, state: pruner.PrunerState, available: Container[int], *, new: bool = False
    ) -> pruner.Promotion | None:
        """None: no trial waits."""

    def last_resort(
        self, state: pruner.PrunerState, available: Iterable[int]
    ) -> pruner.Promotion | None:
        """None: no trial waits."""

    def send(self, state: pruner.PrunerState, trial: int, rung: int) -> None:
        """There is no rung to leave."""

    def not_promoted(self, state: pruner.PrunerState, trial: int) -> reasons.Why:  # noqa: ARG002 - no trial waits
        """Empty: no trial waits."""
        return ""

    def _diverged(self, column: list[float], report: pruner.Report) -> pruner.Judgement:
        cut = pruner.value_of(median_of(column), self.mode) if column else None
        rank = bisect_left(column, inf) + 1
        value = None if isfinite(report.value) else f"{report.value:g}"
        why = reasons.Diverged(value, self.pruning.unit, report.step)
        return pruner.Judgement("stop", report.step, rank, len(column) + 1, cut, why)


def median_of(rising: list[float]) -> float:
    """The median of sorted numbers; ValueError where there are none."""
    if not rising:
        raise ValueError("no numbers have no median")
    middle = len(rising) // 2
    if len(rising) % 2:
        return rising[middle]
    return (rising[middle - 1] + rising[middle]) / 2


def _column(averages: Averages, step: int) -> list[float]:
    place = bisect_right(averages.steps, step)
    return averages.columns[place - 1] if place else []


def _check(pruning: pruner.PruningSpec, keys: Collection[str]) -> Iterable[options.Fault]:
    if "reduction" in keys:
        words = (
            'is not for method = "median", which has no rungs; leave it out, or use method = "asha"'
        )
        yield options.Fault("reduction", words, "unused")
    yield from pruner.check_range(pruning)
    if pruning.brackets > 1:
        words = 'is not for method = "median", which has no rungs; leave it out'
        yield options.Fault("brackets", words)
    if pruning.style == "promote":
        words = (
            'is not for method = "median", which stops trials for good; '
            'leave style out, or use method = "asha"'
        )
        yield options.Fault("style", words)


MEDIAN = pruner.PrunerKind(
    summary="stops a trial whose best is worse than the median of the finished ones' averages",
    make=Median,
    keys=frozenset({"min", "max", "style"}),
    check=_check,
)
