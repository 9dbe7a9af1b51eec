"""Sort orders of the table; missing values come last in either direction.

Each column has a natural direction: the best value, the highest rung, the longest time or the
lowest parameter comes first; `reversed` is the opposite. Equal trials are ordered by number.
"""

from __future__ import annotations

import math
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from tuitune.core.events import TrialState
from tuitune.core.space import parameters
from tuitune.messages.command import spelled
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuitune.core.spec import StudySpec
    from tuitune.store.rows import TrialRow

    RankOf = Callable[[TrialRow], Any]
    Number = Callable[[TrialRow], float | None]

PARAMETER: Final = "config."  # the prefix of a parameter in the key of a column
TIME: Final = "time"  # the column whose ranks change with time
_LIVELY: Final = {
    state: place
    for place, state in enumerate(
        (
            TrialState.RUNNING,
            TrialState.PAUSED,
            TrialState.WAITING,
            TrialState.COMPLETE,
            TrialState.PRUNED,
            TrialState.FAILED,
            TrialState.KILLED,
        )
    )
}


class Sort(Record, frozen=True):
    """A sort order. key: that of the column."""

    key: str
    reversed: bool = False


BY_VALUE: Final = Sort("value")


def rank_of(sort: Sort, spec: StudySpec, now: float) -> RankOf:
    """A function from a trial to its rank; trials are sorted by ascending rank.

    now: Unix s, for the times of running trials. Raises KeyError for a column that can't be sorted.
    """
    if sort.key == "device":
        return _by_text(lambda row: row.device, turned=sort.reversed)
    if sort.key.startswith(PARAMETER):
        name = sort.key.removeprefix(PARAMETER)
        number = _parameter_number(spec.space.by_name[name])
        if number is None:
            return _by_text(lambda row: _spelt(row.config.get(name)), turned=sort.reversed)
        return _by_number(number, -1 if sort.reversed else 1)
    number, sign = _numbers(spec, now)[sort.key]
    return _by_number(number, -sign if sort.reversed else sign)


def rises(sort: Sort, spec: StudySpec) -> bool:
    """Whether values rise from the first line of the table to the last."""
    falls_at_first = sort.key in _numbers(spec, 0.0) and _numbers(spec, 0.0)[sort.key][1] < 0
    return falls_at_first is sort.reversed


def duration_of(row: TrialRow, now: float) -> float | None:
    """Seconds from a trial's first launch to its end, or to now."""
    if row.started is None:
        return None
    return (now if row.ended is None else row.ended) - row.started


def _numbers(spec: StudySpec, now: float) -> dict[str, tuple[Number, int]]:
    """For each column, what gives its number, and -1 if the highest comes first, else 1."""
    better = 1 if spec.objective.mode == "min" else -1
    return {
        "trial": (attrgetter("number"), 1),
        "state": (lambda row: _LIVELY[row.state], 1),
        "rung": (attrgetter("rung"), -1),
        "step": (lambda row: row.step or None, -1),
        "value": (attrgetter("value"), better),
        "best": (attrgetter("best"), better),
        TIME: (lambda row: duration_of(row, now), -1),
        "tries": (attrgetter("attempt"), -1),
    }


def _by_number(number: Number, sign: int) -> RankOf:
    def rank(row: TrialRow) -> float:
        value = number(row)
        if value is None or not -math.inf < value < math.inf:
            return math.inf
        return sign * value

    return rank


def _by_text(text: Callable[[TrialRow], str], *, turned: bool) -> RankOf:
    def rank(row: TrialRow) -> tuple[int, tuple[int, ...]]:
        value = text(row)
        if not value:
            return 1, ()
        letters = tuple(map(ord, value))
        # a positive end marker, so that "ab" comes before "a" in reverse
        return 0, (*(-letter for letter in letters), 1) if turned else letters

    return rank


def _parameter_number(parameter: parameters.Parameter) -> Number | None:
    """The number, or the index of a choice; None for parameters with values of any type."""
    name = parameter.name
    if isinstance(parameter, parameters.Choice):
        if all(isinstance(value, int | float) for value in parameter.values):
            return lambda row: row.config.get(name)
        if all(isinstance(value, str) for value in parameter.values):
            places: dict[Any, int] = {value: n for n, value in enumerate(parameter.values)}
            return lambda row: places.get(row.config.get(name))
        return lambda row: parameters.index_of(parameter, row.config.get(name))
    if isinstance(parameter, parameters.Fixed | parameters.Sampled):
        return None
    return lambda row: row.config.get(name)


def _spelt(value: Any) -> str:
    return "" if value is None else spelled(value)
