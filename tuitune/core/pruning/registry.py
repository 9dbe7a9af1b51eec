"""The pruners by the name that a study file gives, and the one that prunes nothing."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from typing import Final

from tuitune.core import reasons
from tuitune.core.options import Fault, Mode
from tuitune.core.pruning.brackets import NO_RUNGS, Plan
from tuitune.core.pruning.halving import ASHA, HYPERBAND
from tuitune.core.pruning.median import MEDIAN
from tuitune.core.pruning.pruner import (
    Judgement,
    Promotion,
    Pruner,
    PrunerKind,
    PrunerState,
    PruningSpec,
    Report,
    Style,
)
from tuitune.core.reasons import Why


@dataclass(frozen=True)
class NoPruner:
    """`Pruner`: judges no report and remembers nothing."""

    pruning: PruningSpec
    mode: Mode

    @property
    def plan(self) -> Plan:
        """No rungs."""
        return NO_RUNGS

    @property
    def milestones(self) -> tuple[int, ...]:
        """Empty."""
        return ()

    @property
    def judged_from(self) -> int | None:
        """None: no report is judged."""
        return None

    def memory(self) -> None:
        """None: there is nothing to remember."""
        return

    def style(self, *, can_save: bool) -> tuple[Style, Why]:  # noqa: ARG002 - the protocol's
        """Never called, as no report is judged."""
        return "stop", reasons.StyleBasis("method")

    def observe(self, state: PrunerState, trial: int, step: int, value: float) -> None:
        """Changes nothing."""

    def judge(
        self, state: PrunerState, report: Report, available: Container[int], *, new: bool = False
    ) -> Judgement | None:
        """None: no verdict."""

    def enter(self, state: PrunerState, trial: int, step: int, value: float, action: str) -> None:
        """Changes nothing."""

    def complete(self, state: PrunerState, trial: int) -> None:
        """Changes nothing."""

    def fail(self, state: PrunerState, trial: int) -> None:
        """Changes nothing."""

    def promotion(
        self, state: PrunerState, available: Container[int], *, new: bool = False
    ) -> Promotion | None:
        """None: no trial waits."""

    def last_resort(self, state: PrunerState, available: Iterable[int]) -> Promotion | None:
        """None: no trial waits."""

    def send(self, state: PrunerState, trial: int, rung: int) -> None:
        """There is no rung to leave."""

    def not_promoted(self, state: PrunerState, trial: int) -> Why:  # noqa: ARG002 - the protocol's
        """Empty: no trial waits."""
        return ""


def _check(_pruning: PruningSpec, keys: Collection[str]) -> Iterable[Fault]:
    """`method = "none"`, written out, turns pruning off: the other keys may stay."""
    if "method" in keys:
        return
    for key in ("min", "reduction", "style", "brackets"):
        if key in keys:
            words = 'does nothing without a method; write method = "asha" too, or leave it out'
            yield Fault(key, words, "unused")


_NONE = PrunerKind(
    summary="every trial goes on to its end",
    make=NoPruner,
    keys=frozenset({"max"}),
    check=_check,
)


def _by_model(pruning: PruningSpec, mode: Mode) -> Pruner:
    from tuitune.core.pruning.by_model import ModelPruner  # noqa: PLC0415 - loads statistics

    return ModelPruner(pruning, mode)


_MODEL = PrunerKind(
    summary="a model of the curves: a free slot takes what promises most",
    make=_by_model,
    keys=frozenset({"min", "max", "reduction", "style"}),
    check=ASHA.check,
)


def pruner_kind(pruning: PruningSpec) -> PrunerKind:
    """The pruner's row. Raises KeyError for one that is neither built in nor installed."""
    return pruning.installed or PRUNERS[pruning.method]


PRUNERS: Final[dict[str, PrunerKind]] = {
    "none": _NONE,
    "asha": ASHA,
    "hyperband": HYPERBAND,
    "median": MEDIAN,
    "model": _MODEL,
}
