"""Projected BFGS from many starts at once, in a box.

Nocedal and Wright 2006, eq. 6.17, with the box of Bertsekas 1982. All starts advance together: a
function of many points at once costs little more than one of a single point, and in few dimensions
the bookkeeping of single searches would cost more than the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Sloped = tuple[NDArray[np.float64], NDArray[np.float64]]

_SUFFICIENT = 1e-4  # of the decrease that the slope predicts
_SHRINK, _SHORTEST = 0.5, 0.1  # factors for a step that did not help
_LENGTHEN = 4.0  # factor for steps where the function gets steeper


class Start(NamedTuple):
    """Where to start, and the scale of the places; low, high and units: (places,).

    units: lengths over which the function changes little. first: the longest first move along any
    place, in its unit.
    """

    points: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    units: NDArray[np.float64]
    first: float


class Enough(NamedTuple):
    """When to stop: calls of the function, a slope within the box (in units), a decrease."""

    calls: int
    slope: float
    decrease: float


def descend(
    function: Callable[[NDArray[np.float64]], Sloped], start: Start, enough: Enough
) -> NDArray[np.float64]:
    """The lowest points found, one for each start. function: of (starts, places), with slopes."""
    units = start.units

    def in_units(points: NDArray[np.float64]) -> Sloped:
        values, slopes = function(points * units)
        return values, slopes * units

    low, high = start.low / units, start.high / units
    found = _descended(in_units, Start(start.points / units, low, high, units, start.first), enough)
    return np.clip(found * units, start.low, start.high)


def _descended(
    function: Callable[[NDArray[np.float64]], Sloped], start: Start, enough: Enough
) -> NDArray[np.float64]:
    points = np.clip(start.points, start.low, start.high)
    values, slopes = function(points)
    steepest = np.abs(slopes).max(axis=1, initial=0.0)
    stride = start.first / np.maximum(steepest, 1e-12)
    inverse = stride[:, None, None] * np.eye(points.shape[1])
    share = np.ones(len(points))  # of the whole step
    going = np.ones(len(points), dtype=bool)
    for _ in range(enough.calls - 1):
        held = ((points <= start.low) & (slopes > 0.0)) | ((points >= start.high) & (slopes < 0.0))
        inward = np.where(held, 0.0, slopes)
        going &= np.abs(inward).max(axis=1, initial=0.0) > enough.slope
        if not going.any():
            break
        step = -(inverse @ inward[:, :, None])[:, :, 0]
        step[held] = 0.0
        reached = np.clip(points + share[:, None] * step, start.low, start.high)
        new_values, new_slopes = function(reached)
        moved = reached - points
        promised = (slopes * moved).sum(axis=1)
        gained = values - new_values
        helps = going & (gained >= -_SUFFICIENT * promised) & (promised < 0.0)
        inverse = _learned(inverse, moved, new_slopes - slopes, helps)
        share = np.where(helps, 1.0, share * _shorter(gained, promised))
        small = enough.decrease * np.maximum(1.0, np.abs(values))
        going &= ~(helps & (gained <= small)) & (share > 1e-6)
        points = np.where(helps[:, None], reached, points)
        slopes = np.where(helps[:, None], new_slopes, slopes)
        values = np.where(helps, new_values, values)
    return points


def _shorter(gained: NDArray[np.float64], promised: NDArray[np.float64]) -> NDArray[np.float64]:
    """The minimum of the parabola through the results of a step, as a fraction of that step."""
    bend = -2.0 * (gained + promised)
    lowest = -promised / np.where(bend > 0.0, bend, np.inf)
    return np.clip(lowest, _SHORTEST, _SHRINK)


def _learned(
    inverse: NDArray[np.float64],
    moved: NDArray[np.float64],
    change: NDArray[np.float64],
    helps: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """The inverse Hessians, updated from the moves that helped."""
    product = (moved * change).sum(axis=1)
    squared = np.square(change).sum(axis=1)
    bends = helps & (product > 1e-10 * squared)
    divisor = np.where(bends, product, 1.0)
    through = (inverse @ change[:, :, None])[:, :, 0]
    factor = (1.0 + (change * through).sum(axis=1) / divisor) / divisor
    cross = (through / divisor[:, None])[:, :, None] * moved[:, None, :]
    square = (factor[:, None] * moved)[:, :, None] * moved[:, None, :]
    updated = inverse + square - cross - cross.transpose(0, 2, 1)
    steeper = np.where(helps & ~bends, _LENGTHEN, 1.0)
    return np.where(bends[:, None, None], updated, steeper[:, None, None] * inverse)
