"""GPU memory promised to trials that share a GPU, by the peaks of earlier trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tuitune.core.placement.throughput import Capacity, limit

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARGIN = 1.02  # over peaks, which are told anew only when they have grown by so much
_HEADROOM = 0.05  # of a GPU's memory that is promised to nobody
_FIRST_MARGIN = 1.5  # over peaks of attempts that have not ended yet: they may grow
_UNSURE = 0.10  # of the largest peak, over the root of how many have ended
_RAISE = 1.3  # after an out-of-memory among neighbours
_KNOWN_PEAKS = 3  # ended attempts that tell what the next one will hold; until then
_GROWING = 2.0  # times as much is kept for one that may still grow


class Packing(msgspec.Struct, array_like=True):
    capacities: dict[str, Capacity] = {}  # by model
    ended: int = 0  # attempts that ended well and whose peak is known
    high: int = 0  # bytes: the largest peak of any attempt
    low: int = 0  # the smallest of those that ended well
    growth: float = 1.0  # the most that one grew after it had settled
    raised: float = 1.0  # by what was promised too little


class Resident(NamedTuple):
    """A trial on a GPU, as far as another one's admission reads it."""

    share: float  # 0: packed
    peak: int  # bytes
    rest: int  # bytes that it had when it stopped growing; 0: it may still grow
    is_under_way: bool = False  # and has been since another left
    intervals: int = 0  # for which its pace is known, of what is being tried


def capacity(packing: Packing, model: str) -> Capacity:
    """What GPUs of this model bear, as far as that is known."""
    return packing.capacities.get(model, Capacity())


def remember(packing: Packing, peak: int, rest: int, *, ended: bool) -> None:
    """An attempt has held so much at most; ended: it ran to where it was to end."""
    packing.high = max(packing.high, peak)
    if rest:
        packing.growth = max(packing.growth, peak / rest)
    if ended:
        packing.low = min(packing.low, peak) if packing.ended else peak
        packing.ended += 1


def crowd(packing: Packing, model: str, company: int) -> None:
    """So many were too many: promise more memory to each, and put fewer together."""
    packing.raised *= _RAISE
    if company > 1:
        limit(packing.capacities.setdefault(model, Capacity()), company - 1, packing.ended)


def reserve(packing: Packing, peaks: Iterable[int] = ()) -> int | None:
    """Bytes to keep for a trial of which nothing is known yet; None where no peak is known.

    `peaks`: of attempts that still run. The fewer have ended, and the more they differed, the
    further the next one may be above them all.
    """
    high = max([packing.high, *peaks])
    if not high:
        return None
    margin = _FIRST_MARGIN
    if packing.ended:
        unsure = _UNSURE + 1 - packing.low / high
        margin = _MARGIN + unsure / math.sqrt(packing.ended)
    return round(high * margin * packing.raised)


def fits(memory: float, reserved: int, packing: Packing, residents: Iterable[Resident]) -> bool:
    """Whether one more finds room in what was promised to nobody."""
    return promised(reserved, packing, residents) + reserved <= (1 - _HEADROOM) * memory


def promised(reserved: int, packing: Packing, residents: Iterable[Resident]) -> int:
    """Bytes."""
    return sum(_held(resident, reserved, packing) for resident in residents)


def _held(resident: Resident, reserved: int, packing: Packing) -> int:
    """One that has stopped growing is known better than those that are yet to come."""
    if packing.ended >= _KNOWN_PEAKS and resident.rest:
        grown = max(resident.peak, resident.rest * packing.growth)
        return round(grown * _MARGIN * packing.raised)
    growing = packing.ended < _KNOWN_PEAKS and not resident.rest and not resident.share
    return max(round(reserved * _GROWING) if growing else reserved, resident.peak)
