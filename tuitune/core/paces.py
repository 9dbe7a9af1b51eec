"""Seconds a unit of resource that trials take, and whether they differ."""

from collections.abc import Collection, Iterable

import msgspec

THREEFOLD = 3.0  # so many times as long the slow trials have to take as the quick ones
ENOUGH = 6  # trials whose seconds are known, before they count
_TENTH = 10  # one of so many trials, at either end, says nothing about how much they differ
_LEAST_TRAINING = 0.05  # of the seconds to a first report: the rest may be the start


class Times(msgspec.Struct, frozen=True, array_like=True):
    """Seconds in which a trial has trained for so many units of its resource.

    first: up to the first report of each attempt, which includes its start; more: after it.
    """

    first_units: float
    first_seconds: float
    more_units: float = 0.0
    more_seconds: float = 0.0

    def pace(self, start: float = 0.0) -> float:
        """Seconds a unit, by later reports than the first where there are any.

        start: what a start takes, s.
        """
        if self.more_units:
            return self.more_seconds / self.more_units
        trained = max(self.first_seconds - start, _LEAST_TRAINING * self.first_seconds)
        return trained / self.first_units


def start_of(trials: Iterable[Times]) -> float:
    """What a start takes, s: the median of what first reports took longer than later ones."""
    later = [times for times in trials if times.more_units]
    starts = [times.first_seconds - times.first_units * times.pace() for times in later]
    return max(0.0, _median(starts)) if starts else 0.0


def ends(values: Collection[float]) -> tuple[float, float]:
    """The least and the largest, without a tenth of them at either end, and at least one."""
    rising = sorted(values)
    apart = max(1, len(rising) // _TENTH)
    return rising[apart], rising[-1 - apart]


def usual(trials: Collection[Times]) -> tuple[float, float] | None:
    """What a start takes, and the median pace; None where paces do not differ threefold."""
    if len(trials) < ENOUGH:
        return None
    start = start_of(trials)
    paces = [times.pace(start) for times in trials]
    low, high = ends(paces)
    return (start, _median(paces)) if high >= THREEFOLD * low > 0.0 else None


def _median(values: Collection[float]) -> float:
    from statistics import median  # noqa: PLC0415 - every command reads this module, few need it

    return median(values)
