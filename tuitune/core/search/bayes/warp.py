"""On which scale are outcomes best modelled, and what does a value on it mean in the metric's own?

Outcomes are small where they are good. Every warp keeps their order, and gives its values mean 0
and variance 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scale = Literal["half-rank", "log"]

LOG_FLOOR = 0.1  # of the distance from the best to the median: added to the distance to the best


@dataclass(frozen=True)
class Warped:
    """values: of the outcomes given, in their order. The knots pair outcomes with values."""

    values: NDArray[np.float64]
    knots: tuple[NDArray[np.float64], NDArray[np.float64]]  # outcomes, values; both rising

    @property
    def worst(self) -> float:
        return float(self.values.max()) if len(self.values) else 0.0

    def outcome(self, value: float) -> float:
        """The outcome that a value stands for, along straight lines between those seen."""
        outcomes, values = self.knots
        if len(values) < 2:
            return float(outcomes[0]) if len(outcomes) else 0.0
        if value >= values[0]:
            return float(np.interp(value, values, outcomes))
        # Better than all: along the line through the best tenth.
        near = max(1, len(values) // 10)
        slope = (outcomes[near] - outcomes[0]) / (values[near] - values[0])
        return float(outcomes[0] + slope * (value - values[0]))


def warped(outcomes: NDArray[np.float64], scale: Scale) -> Warped:
    """Warp finite outcomes; all 0 where they are all the same."""
    largest = float(np.abs(outcomes).max()) if len(outcomes) else 0.0
    # Differences of the largest floats would overflow, and squares of the smallest vanish.
    unit = outcomes / largest if largest > 0.0 else outcomes
    spread = float(np.ptp(unit)) if len(unit) else 0.0
    if spread <= 1e-14:
        return Warped(np.zeros(len(unit)), (outcomes[:1], np.zeros(len(outcomes[:1]))))
    unit = (unit - unit.min()) / spread
    values = _half_rank(unit) if scale == "half-rank" else _log(unit)
    values = (values - values.mean()) / values.std()
    known, places = np.unique(values, return_index=True)
    return Warped(values, (outcomes[places], known))


def _half_rank(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """The better half as it is; the worse by its ranks' normal quantiles (Song et al. 2022)."""
    middle = float(np.median(unit))
    good = unit <= middle
    deviation = float(np.sqrt(np.square(unit[good] - middle).mean()))
    if deviation == 0.0:
        deviation = 1.0
    rising = np.sort(unit)  # equal outcomes share the middle of their ranks
    ranks = np.searchsorted(rising, unit, "left") + np.searchsorted(rising, unit, "right")
    bad = middle + deviation * np.maximum(ndtri(ranks / (2.0 * len(unit))), 0.0)
    return np.where(good, unit, bad)


def _log(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln of the distance to the best, which gets a floor."""
    floor = LOG_FLOOR * float(np.median(unit))
    return np.log(unit + (floor if floor > 0.0 else LOG_FLOOR * float(unit.mean())))
