"""The pruners by the name that a study file gives: one row each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.core.pruning.halving import ASHA, HYPERBAND
from tuitune.core.pruning.median import MEDIAN
from tuitune.core.pruning.none import NONE

if TYPE_CHECKING:
    from tuitune.core.pruning.pruner import PrunerKind, PruningSpec


def pruner_kind(pruning: PruningSpec) -> PrunerKind:
    """The pruner's row. Raises KeyError for one that is neither built in nor installed."""
    return pruning.installed or PRUNERS[pruning.method]


PRUNERS: Final[dict[str, PrunerKind]] = {
    "none": NONE,
    "asha": ASHA,
    "hyperband": HYPERBAND,
    "median": MEDIAN,
}
