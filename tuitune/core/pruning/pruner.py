"""The protocol of pruners, with its state, verdicts and promotions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from math import inf, isfinite
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from tuitune.core import paces, reasons
from tuitune.core.options import Fault, Mode, Option
from tuitune.core.pruning.brackets import Plan

Style = Literal["promote", "stop"]
PruningStyle = Literal["auto", "promote", "stop"]


class PruningSpec(msgspec.Struct, frozen=True):
    """The table [pruning]: how trials end early, or wait.

    installed: the pruner's row where it is none of the registry's. options: the pruner's own.
    anchor: the end from which the rungs of hyperband are counted. It is not in the study file:
    older studies keep the rungs that they were started with.
    """

    method: str = "none"
    resource: str | None = None  # None: the count of reports
    min: int = 1
    max: int | None = None
    reduction: float = 3
    style: PruningStyle = "auto"
    brackets: int = 1
    anchor: Literal["min", "max"] = "max"
    options: Mapping[str, Any] = {}
    installed: PrunerKind | None = None

    @property
    def unit(self) -> str:
        """The unit of the resource, as messages name it: "epoch"."""
        return self.resource or "report"


class PrunerState(msgspec.Struct, array_like=True):
    """What a study's pruner remembers: plain data, the same after a replay of the journal.

    style: empty until it is chosen. anchor: as in the `PruningSpec` that the study was started
    with. filled: trial -> how many rungs of its bracket its reports have filled, the lowest first.
    memory: the pruner's own, of the type that `Pruner.memory` returns. times: of trials that may go
    on, when they came to their newest rung.
    """

    style: Literal["", "promote", "stop"] = ""
    anchor: Literal["min", "max"] = "min"
    filled: dict[int, int] = {}
    memory: Any = None
    times: dict[int, paces.Times] = {}


class Report(NamedTuple):
    """A trial's objective at a step; diverged: some objective so far is not finite."""

    trial: int
    step: int
    value: float
    diverged: bool = False


class Judgement(msgspec.Struct, frozen=True):
    """A verdict with its figures.

    rung: the resource step of the rung that decided; without rungs the step that was judged.
    rank: from 1, the newcomer included. n: of how many, the newcomer included. cut: the worst
    value that goes on, in the objective's own direction; None where no trial goes on yet, or
    the last of them is a trial that diverged or failed.
    """

    action: Literal["go", "stop", "pause"]
    rung: int | None
    rank: int
    n: int
    cut: float | None
    why: reasons.Why


class Promotion(msgspec.Struct, frozen=True):
    """The trial that goes on from where it waits; the figures are those of a `Judgement`.

    rung: the step of the rung that it leaves. by_rank: False for a last resort, whatever its rank.
    """

    trial: int
    rung: int
    rank: int
    n: int
    cut: float | None
    why: reasons.Why
    by_rank: bool = True


class Pruner(Protocol):
    """The pruner of one study, made from its [pruning] and the direction of its objective.

    It holds no state: what it remembers is in the `PrunerState` that each method is given. Only
    `observe`, `enter`, `complete`, `fail` and `send` change that; the others are pure, so that a
    replay of the journal, which calls these five alone, leads to the same state.
    """

    @property
    def plan(self) -> Plan:
        """Brackets and rungs; `brackets.NO_RUNGS` where there are none."""
        ...

    @property
    def milestones(self) -> tuple[int, ...]:
        """The resources at which a model compares trials, ascending; empty without pruning."""
        ...

    @property
    def judged_from(self) -> int | None:
        """The step from which on every report is judged; None where only those at rungs are."""
        ...

    def memory(self) -> msgspec.Struct | None:
        """What it remembers of a study without trials."""
        ...

    def style(self, *, can_save: bool) -> tuple[Style, reasons.Why]:
        """The style from here on; can_save: the first trial at a rung has a checkpoint."""
        ...

    def observe(self, state: PrunerState, trial: int, step: int, value: float) -> None:
        """Record a report of a step beyond all that the trial has reported."""
        ...

    def judge(
        self, state: PrunerState, report: Report, available: Container[int], *, new: bool = False
    ) -> Judgement | None:
        """The verdict on a report, before `enter` has taken it up; None where none is due.

        available: the trials that wait at a rung and may go on now. new: a free slot could get a
        new trial as well. The report that reaches `max`
        completes the trial whatever its rank, and gets no verdict.
        """
        ...

    def enter(self, state: PrunerState, trial: int, step: int, value: float, action: str) -> None:
        """Record the decision on a report: "go", "stop", "pause" or "complete".

        value: NaN for a trial that has diverged.
        """
        ...

    def complete(self, state: PrunerState, trial: int) -> None:
        """A trial has become COMPLETE."""
        ...

    def fail(self, state: PrunerState, trial: int) -> None:
        """A trial has become FAILED."""
        ...

    def promotion(
        self, state: PrunerState, available: Container[int], *, new: bool = False
    ) -> Promotion | None:
        """The waiting trial that takes a free slot; None where none of those available may.

        new: the slot could get a new trial as well.
        """
        ...

    def last_resort(self, state: PrunerState, available: Iterable[int]) -> Promotion | None:
        """The best waiting trial whatever its rank: nothing else is left, and none is complete."""
        ...

    def send(self, state: PrunerState, trial: int, rung: int) -> None:
        """Remove a trial from the rung at the step `rung`, if it waits there."""
        ...

    def not_promoted(self, state: PrunerState, trial: int) -> reasons.Why:
        """Why a trial that waits at a rung is not promoted."""
        ...


class PrunerKind(msgspec.Struct, frozen=True):
    """One row of the pruners' registry, or what a package offers by `tuitune.pruners`.

    summary: one line for the documentation. keys: those of [pruning] that it reads, besides
    `method`, `resource` and its own `options`; the others have their defaults. check: the faults
    of [pruning], from the spec and the keys that the file has. trials_needed: the number of trials
    after which one is sure to be promoted up to `max` by its rank; None where every trial that is
    not stopped gets there. make: from [pruning] and the objective's direction.
    """

    summary: str
    make: Callable[[PruningSpec, Mode], Pruner]
    keys: frozenset[str] = frozenset({"min", "max"})
    options: tuple[Option, ...] = ()
    check: Callable[[PruningSpec, Collection[str]], Iterable[Fault]] = lambda _spec, _keys: ()
    trials_needed: Callable[[PruningSpec], int] | None = None


def loss_of(value: float, mode: Mode) -> float:
    """The value in the direction of "min"; infinity for what is not finite."""
    if not isfinite(value):
        return inf
    return float(value) if mode == "min" else 0.0 - value


def value_of(loss: float, mode: Mode) -> float | None:
    """The objective's own value; None where the loss is infinite."""
    if loss == inf:
        return None
    return loss if mode == "min" else 0.0 - loss


def check_range(pruning: PruningSpec) -> Iterable[Fault]:
    """The faults of `min` and `max`, for pruners that judge between the two."""
    if pruning.max is None:
        yield Fault("max", "write max = 27, the most that a trial may spend", "missing")
    elif pruning.max == 1:
        yield Fault("max", "leaves nothing to prune before the end; write a larger max")
    elif pruning.min >= pruning.max:
        words = f"leaves nothing to prune below max = {pruning.max}; write a smaller min"
        yield Fault("min", words)
