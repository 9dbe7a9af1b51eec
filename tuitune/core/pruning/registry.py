"""The pruners by the name that a study file gives, and the one that prunes nothing."""

from collections.abc import Collection, Container, Iterable
from dataclasses import dataclass
from typing import Final

from tuitune.core import options, reasons
from tuitune.core.pruning import brackets, halving, median, pruner


@dataclass(frozen=True)
class NoPruner:
    """`Pruner`: judges no report and remembers nothing."""

    pruning: pruner.PruningSpec
    mode: options.Mode

    @property
    def plan(self) -> brackets.Plan:
        """No rungs."""
        return brackets.NO_RUNGS

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

    def style(self, *, can_save: bool) -> tuple[pruner.Style, reasons.Why]:  # noqa: ARG002 - the protocol's
        """Never called, as no report is judged."""
        return "stop", reasons.StyleBasis("method")

    def observe(self, state: pruner.PrunerState, trial: int, step: int, value: float) -> None:
        """Changes nothing."""

    def judge(
        self,
        state: pruner.PrunerState,
        report: pruner.Report,
        available: Container[int],
        *,
        new: bool = False,
    ) -> pruner.Judgement | None:
        """None: no verdict."""

    def enter(
        self, state: pruner.PrunerState, trial: int, step: int, value: float, action: str
    ) -> None:
        """Changes nothing."""

    def complete(self, state: pruner.PrunerState, trial: int) -> None:
        """Changes nothing."""

    def fail(self, state: pruner.PrunerState, trial: int) -> None:
        """Changes nothing."""

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

    def not_promoted(self, state: pruner.PrunerState, trial: int) -> reasons.Why:  # noqa: ARG002 - the protocol's
        """Empty: no trial waits."""
        return ""


def _check(_pruning: pruner.PruningSpec, keys: Collection[str]) -> Iterable[options.Fault]:
    """`method = "none"`, written out, turns pruning off: the other keys may stay."""
    if "method" in keys:
        return
    for key in ("min", "reduction", "style", "brackets"):
        if key in keys:
            words = 'does nothing without a method; write method = "asha" too, or leave it out'
            yield options.Fault(key, words, "unused")


_NONE = pruner.PrunerKind(
    summary="every trial goes on to its end", make=NoPruner, keys=frozenset({"max"}), check=_check
)


def _by_model(pruning: pruner.PruningSpec, mode: options.Mode) -> pruner.Pruner:
    from tuitune.core.pruning.by_model import ModelPruner  # noqa: PLC0415 - loads statistics

    return ModelPruner(pruning, mode)


_MODEL = pruner.PrunerKind(
    summary="a model of the curves: a free slot takes what promises most",
    make=_by_model,
    keys=frozenset({"min", "max", "reduction", "style"}),
    check=halving.ASHA.check,
)


def pruner_kind(pruning: pruner.PruningSpec) -> pruner.PrunerKind:
    """The pruner's row. Raises KeyError for one that is neither built in nor installed."""
    return pruning.installed or PRUNERS[pruning.method]


PRUNERS: Final[dict[str, pruner.PrunerKind]] = {
    "none": _NONE,
    "asha": halving.ASHA,
    "hyperband": halving.HYPERBAND,
    "median": median.MEDIAN,
    "model": _MODEL,
}
