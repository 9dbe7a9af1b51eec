"""The pruners by the name that a study file gives: one row each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tuitune.core.pruning.halving import ASHA, HYPERBAND
from tuitune.core.pruning.median import MEDIAN
from tuitune.core.pruning.none import NONE

if TYPE_CHECKING:
    from tuitune.core.pruning.pruner import PrunerKind

PRUNERS: Final[dict[str, PrunerKind]] = {
    "none": NONE,
    "asha": ASHA,
    "hyperband": HYPERBAND,
    "median": MEDIAN,
}
