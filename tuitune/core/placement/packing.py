"""GPU memory promised to trials that share a GPU, by the peaks of earlier trials."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tuitune.core.placement import throughput, whole_attempts

_MARGIN = 1.02  # over peaks, which are updated only when they have grown by so much
_HEADROOM = 0.05  # of a GPU's memory that stays free
_FIRST_MARGIN = 1.5  # over peaks of attempts that have not ended yet: they may grow
_UNSURE = 0.10  # of the largest peak, divided by the root of the number that have ended
_RAISE = 1.3  # factor after an out-of-memory among neighbours
_KNOWN_PEAKS = 3  # ended attempts from which the next peak is estimated; until then
_GROWING = 2.0  # this factor is applied for a trial that may still grow


class Packing(msgspec.Struct, array_like=True):
    """Memory peaks and capacities measured so far in a study."""

    capacities: dict[str, throughput.Capacity] = {}  # by model
    ended: int = 0  # attempts that ended well and whose peak is known
    high: int = 0  # bytes: the largest peak of any attempt
    low: int = 0  # the smallest of those that ended well
    growth: float = 1.0  # the most that one grew after it had settled
    raised: float = 1.0  # factor by which too little was promised
    means: whole_attempts.AttemptMeans = msgspec.field(default_factory=whole_attempts.AttemptMeans)


class Resident(NamedTuple):
    """A trial on a GPU, as far as the admission of another trial needs it."""

    share: float  # 0: packed
    peak: int  # bytes
    rest: int  # bytes that it had when it stopped growing; 0: it may still grow
    is_under_way: bool = False  # it has reported since the number of trials last fell
    intervals: int = 0  # in which its pace was measured in the current stage


def capacity(packing: Packing, model: str) -> throughput.Capacity:
    """How many trials GPUs of this model can run, as far as it is known."""
    return packing.capacities.get(model, throughput.Capacity())


def remember(packing: Packing, peak: int, rest: int, *, ended: bool) -> None:
    """Record an attempt's peak in bytes; ended: it ran to its intended end."""
    packing.high = max(packing.high, peak)
    if rest:
        packing.growth = max(packing.growth, peak / rest)
    if ended:
        packing.low = min(packing.low, peak) if packing.ended else peak
        packing.ended += 1


def are_short(packing: Packing) -> bool:
    """Whether attempts are so short that several may join a GPU at once, if their memory fits."""
    return packing.ended > 0 and whole_attempts.are_short(packing.means)


def crowd(packing: Packing, model: str, company: int) -> None:
    """So many trials were too many: reserve more memory for each, and put fewer together."""
    packing.raised *= _RAISE
    if company > 1:
        throughput.limit(
            packing.capacities.setdefault(model, throughput.Capacity()), company - 1, packing.ended
        )


def reserve(packing: Packing, peaks: Iterable[int] = ()) -> int | None:
    """Bytes to keep for a trial that has not started; None where no peak is known.

    `peaks`: of attempts that still run. The fewer have ended, and the more they differed, the
    higher the next peak may be.
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
    """Whether one more trial fits into the memory that is not promised."""
    return promised(reserved, packing, residents) + reserved <= (1 - _HEADROOM) * memory


def promised(reserved: int, packing: Packing, residents: Iterable[Resident]) -> int:
    """Bytes promised to these trials."""
    return sum(_held(resident, reserved, packing) for resident in residents)


def _held(resident: Resident, reserved: int, packing: Packing) -> int:
    """The peak of a trial that has stopped growing is known better than that of a new one."""
    if packing.ended >= _KNOWN_PEAKS and resident.rest:
        grown = max(resident.peak, resident.rest * packing.growth)
        return round(grown * _MARGIN * packing.raised)
    growing = packing.ended < _KNOWN_PEAKS and not resident.rest and not resident.share
    return max(round(reserved * _GROWING) if growing else reserved, resident.peak)
