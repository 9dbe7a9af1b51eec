"""Where on its own axis does a parameter's value lie? Categories have columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tuitune.core.space import Choice, Fixed, FloatRange, IntRange, PowerRange, Sampled, spell
from tuitune.ui.charts.canvas import narrow
from tuitune.ui.charts.scales import Scale, scale, tidy
from tuitune.ui.state.records import Record

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from tuitune.core.space import Parameter, SearchSpace
    from tuitune.store.rows import TrialRow

MOST: Final = 12  # different values of a sampled parameter that still are categories


class Axis(Record, frozen=True):
    """Of one parameter. `scale` where its values are numbers, else `names` of its categories."""

    name: str
    scale: Scale | None = None
    names: tuple[str, ...] = ()
    ordered: bool = True
    places: Mapping[Hashable, int] = msgspec.field(default_factory=dict)

    def at(self, config: Mapping[str, Any]) -> float | None:
        """From 0 to 1; the middle of its column for a category. None: it is not in `config`."""
        return self.all((config,))[0]

    def all(self, configs: Iterable[Mapping[str, Any]]) -> list[float | None]:
        """`at` each of many configurations."""
        values = [config.get(self.name) for config in configs]
        if self.scale is None:
            count = len(self.names)
            places = [None if v is None else self.places.get(_hashable(v)) for v in values]
            return [None if place is None else (place + 0.5) / count for place in places]
        numbers = [v if isinstance(v, int | float) and v is not True else math.nan for v in values]
        ats = self.scale.all(numbers)
        return [None if math.isnan(at) else min(max(at, 0.0), 1.0) for at in ats]

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """(place, name), rising; of categories all."""
        if self.scale is None:
            count = len(self.names)
            return [((place + 0.5) / count, name) for place, name in enumerate(self.names)]
        values = self.scale.ticks(most)
        return [
            (self.scale.at(v), word)
            for v, word in zip(values, self.scale.words(values), strict=True)
        ]

    def ends(self) -> tuple[str, str]:
        """The names of its low and of its high end."""
        if self.scale is None:
            return self.names[0], self.names[-1]
        return tidy(self.scale.low), tidy(self.scale.high)


def axes(space: SearchSpace, rows: Sequence[TrialRow]) -> list[Axis]:
    """Of every parameter that can take several values; rows: to see what was sampled."""
    made = (axis(parameter, rows) for parameter in space.parameters)
    return [one for one in made if one is not None]


def axis(parameter: Parameter, rows: Sequence[TrialRow]) -> Axis | None:
    """None where there is only one value, or none that could be shown."""
    name = parameter.name
    match parameter:
        case FloatRange(low=low, high=high, log=log) | IntRange(low=low, high=high, log=log):
            return Axis(name, scale(low, high, log=log))
        case PowerRange(low=low, high=high):
            return Axis(name, scale(low, high, log=True))
        case Choice(values=values, ordered=ordered):
            numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
            return _columns(name, values, ordered=ordered or numbers)
        case Sampled():
            return _sampled(name, [row.config[name] for row in rows if name in row.config])
        case Fixed():
            return None


def _sampled(name: str, values: list[Any]) -> Axis | None:
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == len(values) and len(set(numbers)) > MOST:
        low, high = min(numbers), max(numbers)
        return Axis(name, scale(low, high, log=low > 0 and high / low > 100))
    distinct = {_hashable(value): value for value in values}
    if not 2 <= len(distinct) <= MOST:
        return None
    if len(numbers) == len(values):
        return _columns(name, sorted(distinct.values()), ordered=True)
    return _columns(name, distinct.values(), ordered=False)


def _columns(name: str, values: Iterable[Any], *, ordered: bool) -> Axis:
    places = {_hashable(value): place for place, value in enumerate(values)}
    names = tuple(narrow(v if isinstance(v, str) else spell(v)) for v in values)
    return Axis(name, None, names, ordered, places)


def _hashable(value: Any) -> Hashable:
    """1 and 1.0 are one value, true is another."""
    if isinstance(value, bool | list | dict):
        return spell(value), type(value)
    return value  # type: ignore[no-any-return]  # a number or a text
